/* SPDX-License-Identifier: Apache-2.0 */
/* How it stands with one who is asked about containers, or addresses: what went wrong, when to ask
 * again. */
#ifndef ASKED_H
#define ASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/fetch.h"

enum { ASKED_REASON_MAX = 256, ASKED_WHERE_MAX = 544 };

struct asked {
	const char *name;	       /* "kubernetes", ...; static */
	const char *about;	       /* what it would tell of; static; NULL: containers */
	char where[ASKED_WHERE_MAX];   /* URL or path */
	bool has_answered;	       /* ever, in full */
	char reason[ASKED_REASON_MAX]; /* why it does not now; empty: it does, or was not asked yet */
	uint64_t failures;
	uint64_t due_ns; /* when to ask next; 0: not before something happens */
	uint32_t tries;	 /* without an answer, since the last */
	uint64_t seed;	 /* of the jitter */
	/* of asked_is_time() */
	uint64_t asked_ns, soon_ns, misses, changes;
};

/* Nobody was asked yet, and it is time to. `where` is copied. */
void asked_init(struct asked *a, const char *name, const char *where);
/* Asks again after 1 s, then ever later, up to a minute. */
void asked_failed(struct asked *a, uint64_t now_ns, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same by how a request ended; `body` is the answer's, that of an error says why. */
void asked_refused(struct asked *a, uint64_t now_ns, const struct fetch_end *end,
		   struct slice body);
void asked_answered(struct asked *a);

/* Is it time to ask for a list? When it is due; sooner when containers were met since that nobody
 * knows (misses), ever later while that brings nothing new (changes). If so, it counts as asked. */
bool asked_is_time(struct asked *a, uint64_t now_ns, uint64_t misses, uint64_t changes);

/* Bytes of an answer, bounded. */
struct answer_text {
	char *p; /* owned */
	size_t n, cap, max;
};

bool answer_text_add(struct answer_text *t, struct slice piece); /* false: too much, or no memory */
void answer_text_free(struct answer_text *t);			 /* keeps max */

#endif
