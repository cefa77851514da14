/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/spans.h"

#include <unistd.h>
#include "cmd/cmd.h"
#include "util/log.h"
#include "version.h"

enum {
	SPANS_OF_A_LINE = 512,
	SPANS_QUEUE_BYTES = 16 << 20, /* has room for a line of the longest spans */
};

int spans_init(struct spans *s, const char *filter, int64_t realtime_offset_ns)
{
	struct otlp_spans_opts opts = {
		.form = OTLP_JSON,
		.max_bytes = SPANS_QUEUE_BYTES,
		.realtime_offset_ns = realtime_offset_ns,
		.origin = &s->origin,
	};
	char err[512];

	out_init(&s->out, STDOUT_FILENO);
	s->origin = (struct otlp_origin){ .version = SONDE_VERSION };
	s->filter = NULL;
	otlp_out_init(&s->line, OTLP_JSON, 0);
	if (filter) {
		s->filter = filter_new(filter, err, sizeof(err));
		if (!s->filter) {
			log_error("--filter: %s", err);
			return EXIT_USAGE;
		}
	}
	s->queue = otlp_spans_new(&opts);
	if (s->queue)
		return 0;
	filter_free(s->filter);
	log_error("out of memory");
	return EXIT_CANNOT;
}

static void write_line(struct spans *s)
{
	uint8_t *end;

	otlp_out_clear(&s->line);
	if (!otlp_spans_take(s->queue, &s->line, SIZE_MAX, SPANS_OF_A_LINE))
		return;
	end = otlp_reserve(&s->line, 1);
	if (!end)
		return;
	*end = '\n';
	out_write(&s->out, (const char *)s->line.p, s->line.n + 1);
}

static void on_txn(void *self, const struct txn *t)
{
	struct spans *s = self;

	if (!filter_match(s->filter, t))
		return;
	if (otlp_spans_add(s->queue, t))
		log_error("out of memory: spans are missing");
	if (otlp_spans_count(s->queue) == SPANS_OF_A_LINE)
		write_line(s);
}

void spans_exporter(struct spans *s, struct exporter *out)
{
	*out = (struct exporter){ .name = "spans", .self = s, .on_txn = on_txn };
}

void spans_free(struct spans *s)
{
	write_line(s);
	out_flush(&s->out);
	otlp_spans_free(s->queue);
	otlp_out_free(&s->line);
	filter_free(s->filter);
}
