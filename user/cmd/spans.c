/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/spans.h"

#include <unistd.h>
#include "cmd/cmd.h"
#include "util/log.h"
#include "version.h"

int spans_init(struct spans *s, const char *filter, int64_t realtime_offset_ns)
{
	char err[512];

	out_init(&s->out, STDOUT_FILENO);
	s->origin = (struct otlp_origin){ .version = SONDE_VERSION };
	s->filter = NULL;
	if (filter) {
		s->filter = filter_new(filter, err, sizeof(err));
		if (!s->filter) {
			log_error("--filter: %s", err);
			return EXIT_USAGE;
		}
	}
	s->lines = otlp_lines_new(&s->origin, realtime_offset_ns);
	if (s->lines)
		return 0;
	filter_free(s->filter);
	log_error("out of memory");
	return EXIT_CANNOT;
}

static void put(void *ctx, const char *bytes, size_t n)
{
	out_write(ctx, bytes, n);
}

static void on_txn(void *self, const struct txn *t)
{
	struct spans *s = self;

	if (!filter_match(s->filter, t))
		return;
	if (otlp_lines_add(s->lines, t))
		log_error("out of memory: spans are missing");
	if (otlp_lines_is_full(s->lines))
		otlp_lines_write(s->lines, put, &s->out);
}

void spans_exporter(struct spans *s, struct exporter *out)
{
	*out = (struct exporter){ .name = "spans", .self = s, .on_txn = on_txn };
}

void spans_free(struct spans *s)
{
	otlp_lines_write(s->lines, put, &s->out);
	out_flush(&s->out);
	otlp_lines_free(s->lines);
	filter_free(s->filter);
}
