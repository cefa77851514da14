/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of HTTP messages, of whichever version, that are looked at. */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

enum http_field {
	HTTP_FIELD_OTHER,
	HTTP_FIELD_HOST,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_CONNECTION,
	HTTP_FIELD_CONTENT_TYPE,
	HTTP_FIELD_EXPECT,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_TRACEPARENT,
	HTTP_FIELD_TRACESTATE,
	HTTP_FIELD_REQUEST_ID,
	HTTP_FIELD_B3,
	HTTP_FIELD_B3_TRACE_ID,
	HTTP_FIELD_B3_SPAN_ID,
	HTTP_FIELD_B3_SAMPLED,
	HTTP_FIELD_B3_FLAGS,
	/* of HTTP/2 */
	HTTP_FIELD_METHOD,
	HTTP_FIELD_PATH,
	HTTP_FIELD_AUTHORITY,
	HTTP_FIELD_STATUS,
	HTTP_FIELD_PROTOCOL,
	HTTP_FIELD_GRPC_STATUS,
	HTTP_FIELD_GRPC_TIMEOUT,
};

/* Does the name of any begin so? Most fields that are sent are told by that. A test holds it to the
 * names there are. */
static inline bool http_field_may_begin(uint8_t first)
{
	switch (first | 0x20) {
	case 'b':
	case 'c':
	case 'e':
	case 'g':
	case 'h':
	case 'r':
	case 't':
	case 'u':
	case 'x':
	case ':': return true;
	default: return false;
	}
}

/* Which one a name is, whatever its case. *rank: of several request ids in one head the one of the
 * highest rank counts. */
enum http_field http_field_find(struct slice name, uint8_t *rank);
/* Their names, in lower case, from 0 on; NULL: there are no more. */
const char *http_field_name(size_t i);
/* The media type without its parameters. */
bool http_type_is(struct slice content_type, struct slice type);

#endif
