/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/print.h"

#include <errno.h>
#include <unistd.h>
#include "export/json.h"
#include "util/log.h"

int print_init(struct print *p, const char *expr, bool is_json)
{
	char err[512];

	p->filter = NULL;
	p->is_json = is_json;
	p->realtime_offset_ns = 0;
	p->printed = 0;
	out_init(&p->out, STDOUT_FILENO);
	if (!expr)
		return 0;
	p->filter = filter_new(expr, err, sizeof(err));
	if (p->filter)
		return 0;
	log_error("--filter: %s", err);
	return -EINVAL;
}

static void on_txn(void *self, const struct txn *t)
{
	struct print *p = self;
	char line[TXN_JSON_MAX];
	size_t n;

	if (!filter_match(p->filter, t))
		return;
	if (p->is_json)
		n = txn_json(t, p->realtime_offset_ns, line, sizeof(line));
	else
		n = txn_text(t, p->realtime_offset_ns, line, sizeof(line));
	out_line(&p->out, line, n);
	p->printed++;
}

void print_exporter(struct print *p, struct exporter *out)
{
	*out = (struct exporter){ .name = "print", .self = p, .on_txn = on_txn };
}

void print_free(struct print *p)
{
	out_flush(&p->out);
	filter_free(p->filter);
}
