/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a service beside its three names: facts.def lists it. A set of facts never
 * changes once it is made; whoever keeps one holds a reference.
 */
#ifndef FACTS_H
#define FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

enum fact_id {
#define FACT(ID, ...) FACT_##ID,
#include "identity/facts.def"
	FACT_MAX
};

enum {
	FACT_VALUE_MAX = 255,  /* bytes of a value; longer ones are cut */
	FACTS_TEXT_MAX = 4096, /* of all values of a set; what does not fit is left out */
};

struct fact_name {
	const char *label;     /* Prometheus */
	const char *attribute; /* OpenTelemetry */
	bool is_label;	       /* on every series, not on target_info alone */
};

struct facts; /* NULL is the empty set, wherever one is taken */

/* A set in the making. Zeroed: empty. */
struct facts_draft {
	size_t n; /* bytes of text used */
	uint16_t at[FACT_MAX], len[FACT_MAX];
	char text[FACTS_TEXT_MAX];
};

const struct fact_name *fact_name(enum fact_id id);
enum fact_id fact_by_attribute(struct slice attribute); /* FACT_MAX: no such */

/* The value becomes valid UTF-8 and is cut to FACT_VALUE_MAX; an empty one says nothing. */
void facts_set(struct facts_draft *d, enum fact_id id, struct slice value);
void facts_set_str(struct facts_draft *d, enum fact_id id, const char *value);
/* All of a set, where the draft says nothing yet. */
void facts_merge(struct facts_draft *d, const struct facts *f);

/* The set, with one reference, the caller's. NULL: it is empty, or out of memory. */
struct facts *facts_make(const struct facts_draft *d);
struct facts *facts_hold(struct facts *f); /* f */
void facts_release(struct facts *f);

struct slice fact(const struct facts *f, enum fact_id id); /* empty: not known. Borrowed */
bool facts_equal(const struct facts *a, const struct facts *b);

/* "attribute=value", each ended by NUL, as recordings hold them. Writes whole pairs only, at most
 * `size` bytes; returns how many. */
size_t facts_write(const struct facts *f, char *out, size_t size);
/* Reads that; what it does not know is left out. */
void facts_read(struct facts_draft *d, struct slice text);
/* The value of one pair, known or not; empty: there is none. */
struct slice facts_find(struct slice text, struct slice attribute);

#endif
