// SPDX-License-Identifier: Apache-2.0
/* The streams that are open, by id. At the cap the oldest one goes: what comes of it is no message
 * any more. */
#include "proto/http2_parts.h"

#include <stdlib.h>

struct http2_stream *http2_stream_get(struct http2_streams *ss, uint32_t id)
{
	return map_get(&ss->map, id);
}

static void evict(struct http2_streams *ss)
{
	uint64_t key, least = UINT64_MAX;
	void *value;

	for (size_t i = 0; map_next(&ss->map, &i, &key, &value);)
		if (key < least)
			least = key;
	free(map_del(&ss->map, least));
}

struct http2_stream *http2_stream_add(struct http2_streams *ss, uint32_t id)
{
	struct http2_stream *s;

	if (ss->map.n >= HTTP2_STREAMS_MAX)
		evict(ss);
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->id = id;
	if (map_put(&ss->map, id, s) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

void http2_stream_del(struct http2_streams *ss, uint32_t id)
{
	free(map_del(&ss->map, id));
}

void http2_streams_free(struct http2_streams *ss)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&ss->map, &i, &key, &value);)
		free(value);
	map_free(&ss->map);
}
