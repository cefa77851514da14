/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A protocol's cases as data, and what every protocol must do with them however they arrive. A case
 * is what is requested, what is answered, and the messages that feed.h is to write down of each.
 */
#ifndef CASES_H
#define CASES_H

#include "feed.h"

struct proto_case {
	const char *name;
	struct slice bytes[2];
	const char *log[2];
	unsigned errors;
};

#define CASE(name, request, response, requests, responses, errors)   \
	{ name,                                                      \
	  { { (const uint8_t *)(request), sizeof(request) - 1 },     \
	    { (const uint8_t *)(response), sizeof(response) - 1 } }, \
	  { requests, responses },                                   \
	  errors },

struct cases {
	const struct proto *proto;
	const struct proto_case *v;
	size_t n;
};

/* cmocka tests, state: struct cases * */
void cases_find_every_message(void **state);
void cases_same_at_every_cut(void **state);
void cases_same_byte_by_byte(void **state);
void cases_prefix_gives_the_first(void **state);
void cases_one_wrong_byte_does_no_harm(void **state);

/* The first bytes of a stream, and what detect() says of them either way. */
struct first_bytes {
	struct slice bytes;
	int request, response;
};

#define FIRST(bytes, request, response)                                            \
	{                                                                          \
		{ (const uint8_t *)(bytes), sizeof(bytes) - 1 }, request, response \
	}

void cases_detect(const struct proto *proto, const struct first_bytes *t, size_t n);

#define CASES_TESTS                                                                            \
	cmocka_unit_test(cases_find_every_message), cmocka_unit_test(cases_same_at_every_cut), \
		cmocka_unit_test(cases_same_byte_by_byte),                                     \
		cmocka_unit_test(cases_prefix_gives_the_first),                                \
		cmocka_unit_test(cases_one_wrong_byte_does_no_harm)

#endif
