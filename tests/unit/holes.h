/* SPDX-License-Identifier: Apache-2.0 */
/* Holes anywhere: what they do not touch is found, and nothing is made up behind them. */
#ifndef HOLES_H
#define HOLES_H

#include "cases.h"

enum { HOLES_MESSAGES = 10, HOLES_BYTES = 1024 };

/* cmocka tests, state: struct cases *. Each hole over each case: no message comes out that is not
 * one of the case's, and no more than they are. Where a protocol's responses cannot be told from
 * the middle of one, the matching rule leaves them nothing to answer: see test_loss.c. */
void holes_invent_no_request(void **state);
void holes_invent_no_response(void **state);

/* Ten requests one behind the other, and of each a part of what feed.h writes that no other has. */
struct holes {
	const struct proto *proto;
	uint8_t bytes[HOLES_BYTES];
	size_t end[HOLES_MESSAGES]; /* where each ends */
	char want[HOLES_MESSAGES][64];
	const char *mark;   /* stands once in what feed.h writes of any request */
	size_t more;	    /* requests that a hole touched and that may still be told */
	bool is_by_message; /* behind a hole each message is an operation of its own */
};

/* Every hole over the ten: those it does not touch are found, each once, and nothing else. */
void holes_cost_only_what_they_touch(const struct holes *h);

#endif
