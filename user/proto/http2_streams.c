// SPDX-License-Identifier: Apache-2.0
/* The streams that are open, by id. At the cap the oldest one goes: what comes of it is no message
 * any more. */
#include "proto/http2_parts.h"

#include <stdlib.h>
#include "util/hash.h"

bool http2_is_refused(const struct http2_streams *ss, uint32_t id)
{
	return ss->refused_from && id >= ss->refused_from;
}

struct http2_stream *http2_stream_get(struct http2_streams *ss, uint32_t id)
{
	return http2_is_refused(ss, id) ? NULL : map_get(&ss->map, id);
}

static void forget(struct http2_streams *ss, struct http2_stream *s)
{
	if (!s)
		return;
	map_del(&ss->map, s->id);
	list_del(&s->age);
	free(s);
}

struct http2_stream *http2_stream_add(struct http2_streams *ss, uint32_t id)
{
	struct http2_stream *s;

	if (!ss->age.next) {
		list_init(&ss->age);
		ss->map.seed = hash_seed(); /* the client chooses the ids */
	}
	if (ss->map.n >= HTTP2_STREAMS_MAX)
		forget(ss, LIST_ENTRY(ss->age.next, struct http2_stream, age));
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->id = id;
	if (map_put(&ss->map, id, s) < 0) {
		free(s);
		return NULL;
	}
	list_push(&ss->age, &s->age);
	return s;
}

void http2_stream_del(struct http2_streams *ss, uint32_t id)
{
	forget(ss, map_get(&ss->map, id));
}

void http2_streams_free(struct http2_streams *ss)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&ss->map, &i, &key, &value);)
		free(value);
	map_free(&ss->map);
}
