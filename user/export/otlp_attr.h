/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: a list of key and value, as resources, spans and data points carry them. */
#ifndef OTLP_ATTR_H
#define OTLP_ATTR_H

#include "export/otlp_out.h"

/* Where the list is a field: its number differs from message to message. Between the two only
 * attributes may be written: in JSON each ends with a comma, so that none has to look at what is
 * before it, and the list's end takes the last one back. */
struct otlp_attrs {
	struct otlp_out *o;
	struct otlp_field field;
};

enum { ATTR_NAME_MAX = 32, ATTR_JSON_MAX = 64 };

struct otlp_attrs otlp_attrs(struct otlp_out *o, uint32_t number);
void otlp_attrs_end(const struct otlp_attrs *a);

/* A key is plain ASCII. */
void attr_string(const struct otlp_attrs *a, struct slice key, struct slice value);
/* The same, but an empty one is left out. */
void attr_string_if(const struct otlp_attrs *a, struct slice key, struct slice value);
void attr_int(const struct otlp_attrs *a, struct slice key, int64_t value);
void attr_bool(const struct otlp_attrs *a, struct slice key, bool value);

/* A key that the program knows, with what stands before its value in JSON. Both are copied at their
 * full length, which is faster than at their own. */
struct attr_key {
	uint8_t n, json_n;
	char name[ATTR_NAME_MAX];
	char json[ATTR_JSON_MAX];
};

#define ATTR_JSON_STRING "\"stringValue\":\""
#define ATTR_JSON_INT	 "\"intValue\":\""
#define ATTR_JSON_DOUBLE "\"doubleValue\":"
#define ATTR_JSON_BOOL	 "\"boolValue\":"

#define ATTR_JSON(name, type) "{\"key\":\"" name "\",\"value\":{" type
#define ATTR_KEY(name, type)                                                                       \
	{                                                                                          \
		OTLP_SHORT(name, ATTR_NAME_MAX), OTLP_SHORT(ATTR_JSON(name, type), ATTR_JSON_MAX), \
			name, ATTR_JSON(name, type)                                                \
	}
#define ATTR_KNOWN(name, type)                                                 \
	({                                                                     \
		static const struct attr_key attr_key_ = ATTR_KEY(name, type); \
		&attr_key_;                                                    \
	})

/* Strings, one that is left out when it is empty, and one of our own words, in which nothing is
 * looked at: plain ASCII. Seconds are a double. */
#define ATTR_STRING(a, name, ...) \
	attr_known_string(a, ATTR_KNOWN(name, ATTR_JSON_STRING), __VA_ARGS__)
#define ATTR_STRING_IF(a, name, ...) \
	attr_known_string_if(a, ATTR_KNOWN(name, ATTR_JSON_STRING), __VA_ARGS__)
#define ATTR_WORD(a, name, ...) attr_known_word(a, ATTR_KNOWN(name, ATTR_JSON_STRING), __VA_ARGS__)
#define ATTR_INT(a, name, ...)	attr_known_int(a, ATTR_KNOWN(name, ATTR_JSON_INT), __VA_ARGS__)
#define ATTR_BOOL(a, name, ...) attr_known_bool(a, ATTR_KNOWN(name, ATTR_JSON_BOOL), __VA_ARGS__)

void attr_known_string(const struct otlp_attrs *a, const struct attr_key *k, struct slice value);
void attr_known_string_if(const struct otlp_attrs *a, const struct attr_key *k, struct slice value);
void attr_known_word(const struct otlp_attrs *a, const struct attr_key *k, struct slice value);
void attr_known_int(const struct otlp_attrs *a, const struct attr_key *k, uint64_t value);
void attr_known_bool(const struct otlp_attrs *a, const struct attr_key *k, bool value);
void attr_known_seconds(const struct otlp_attrs *a, const struct attr_key *k, uint64_t ns);

#endif
