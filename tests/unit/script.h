/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases of protocols that are not text, written as scripts: a line is a message, whose form the
 * protocol's test says. In its body ~ is a byte of value 0 and # one of value 1.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "cases.h"

enum { SCRIPTS_MAX = 64 };

struct script {
	const char *name, *side[2], *log[2];
};

#define SCRIPT(name, request, response, requests, responses) \
	{ name, { request, response }, { requests, responses } },

/* Writes a line of n characters as a message; where it ends. */
struct scripts {
	enum proto_id id;
	uint8_t *(*put_line)(uint8_t *out, const char *line, size_t n);
	const struct script *v;
	size_t n;
	/* set by scripts_setup() */
	struct cases cases;
	struct proto_case built[SCRIPTS_MAX];
	struct feed *feed;
};

void scripts_setup(struct scripts *s);
void scripts_teardown(struct scripts *s);

uint8_t script_byte(char c);

/* The bytes of a script, the caller's to free. */
struct slice script_build(const struct scripts *s, const char *script);
void script_feed(const struct scripts *s, enum proto_dir dir, const char *script);

/* What detect() says of a script that lacks its last `cut` bytes. */
int script_detect(const struct scripts *s, enum proto_dir dir, const char *script, size_t cut);

#endif
