/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include <assert.h>
#include <stdlib.h>

uint8_t script_byte(char c)
{
	return c == '~' ? 0 : c == '#' ? 1 : (uint8_t)c;
}

struct slice script_build(const struct scripts *s, const char *script)
{
	uint8_t *bytes = malloc(4 * strlen(script) + 64), *p = bytes;

	while (*script) {
		size_t n = strcspn(script, "\n");

		if (n)
			p = s->put_line(p, script, n);
		script += n + (script[n] == '\n');
	}
	return (struct slice){ bytes, (size_t)(p - bytes) };
}

void script_feed(const struct scripts *s, enum proto_dir dir, const char *script)
{
	struct slice bytes = script_build(s, script);

	feed_bytes(s->feed, dir, bytes);
	free((void *)bytes.p);
}

int script_detect(const struct scripts *s, enum proto_dir dir, const char *script, size_t cut)
{
	struct slice bytes = script_build(s, script);
	int rc;

	bytes.n -= cut;
	rc = proto_get(s->id)->detect(bytes, dir);
	free((void *)bytes.p);
	return rc;
}

void scripts_setup(struct scripts *s)
{
	assert(s->n <= SCRIPTS_MAX);
	s->feed = feed_new(proto_get(s->id));
	for (size_t i = 0; i < s->n; i++) {
		s->built[i].name = s->v[i].name;
		for (int d = 0; d < 2; d++) {
			s->built[i].bytes[d] = script_build(s, s->v[i].side[d]);
			s->built[i].log[d] = s->v[i].log[d];
		}
	}
	s->cases = (struct cases){ proto_get(s->id), s->built, s->n };
}

void scripts_teardown(struct scripts *s)
{
	for (size_t i = 0; i < s->n; i++)
		for (int d = 0; d < 2; d++)
			free((void *)s->built[i].bytes[d].p);
	feed_free(s->feed);
}
