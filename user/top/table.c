/* SPDX-License-Identifier: Apache-2.0 */
#include "top/table.h"

#include <errno.h>
#include <jansson.h>
#include <locale.h>
#include <string.h>
#include "top/canvas.h"
#include "util/human.h"
#include "util/utf8.h"

enum { NAME_WIDTH = 24 };

static const char *role_name(enum sonde_role role)
{
	return role == SONDE_ROLE_SERVER ? "server" : "client";
}

/* A name comes from the observed program: nothing of it may steer a terminal. It is UTF-8, as in
 * the other lines that are printed, whatever the environment says of characters. */
static void print_name(FILE *out, const char *name)
{
	struct canvas c = { .is_unicode = setlocale(LC_CTYPE, "C.UTF-8") };
	char text[4 * NAME_WIDTH + 8];

	if (canvas_reset(&c, NAME_WIDTH, 1))
		return;
	canvas_text(&c, 0, 0, NAME_WIDTH, STYLE_NORMAL, name);
	canvas_line(&c, 0, text, sizeof(text));
	canvas_free(&c);
	fprintf(out, "%s%*s", text, NAME_WIDTH - canvas_width(text), "");
}

static void print_row(FILE *out, const struct recent_row *r)
{
	const struct recent_figures *f = &r->f;
	const uint64_t times[] = { f->p50_ns, f->p95_ns, f->p99_ns, f->max_ns };

	print_name(out, r->name);
	fprintf(out, " %-6s %9.1f %6.1f", role_name(r->role), f->rate, f->error_ratio * 100);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		fprintf(out, " %9s", f->count ? human_duration_column(times[i]).text : "-");
	fprintf(out, " %9llu\n", (unsigned long long)f->in_flight);
}

size_t table_dark(const struct conns_stats *s, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	if (s->encrypted)
		n += (size_t)snprintf(out, size, "%u encrypted (no TLS library that is watched)",
				      s->encrypted);
	if (s->unknown)
		snprintf(out + n, size - n, "%s%u of a protocol this build does not parse",
			 n ? ", " : "", s->unknown);
	return s->encrypted + s->unknown;
}

void table_text(const struct table *t, FILE *out)
{
	char dark[160];

	fprintf(out, "%-*s %-6s %9s %6s %9s %9s %9s %9s %9s\n", NAME_WIDTH, "SERVICE", "ROLE",
		"RATE/S", "ERR%", "P50", "P95", "P99", "MAX", "IN FLIGHT");
	for (size_t i = 0; i < t->n; i++)
		print_row(out, &t->rows[i]);
	if (!t->n)
		fprintf(out, "no transaction in %s\n", human_duration(t->window_ns).text);
	if (table_dark(t->conns, dark, sizeof(dark)))
		fprintf(out, "dark connections: %s\n", dark);
	if (t->lost)
		fprintf(out, "events lost: %llu\n", (unsigned long long)t->lost);
}

static json_t *clean_string(const char *s)
{
	char clean[512];

	utf8_clean(clean, sizeof(clean), slice_str(s));
	return json_string(clean);
}

static json_t *row_json(const struct recent_row *r)
{
	const struct recent_figures *f = &r->f;
	json_t *o = json_pack("{s:o, s:o, s:s, s:f, s:I, s:I, s:f}", "service",
			      clean_string(r->name), "namespace",
			      r->name_space[0] ? clean_string(r->name_space) : json_null(), "role",
			      role_name(r->role), "rate", f->rate, "count", (json_int_t)f->count,
			      "errors", (json_int_t)f->errors, "error_ratio", f->error_ratio);
	const struct {
		const char *name;
		uint64_t ns;
	} times[] = { { "p50_ns", f->p50_ns },
		      { "p95_ns", f->p95_ns },
		      { "p99_ns", f->p99_ns },
		      { "max_ns", f->max_ns } };

	for (size_t i = 0; o && i < sizeof(times) / sizeof(times[0]); i++)
		json_object_set_new(o, times[i].name,
				    f->count ? json_integer((json_int_t)times[i].ns) : json_null());
	if (o)
		json_object_set_new(o, "in_flight", json_integer((json_int_t)f->in_flight));
	return o;
}

int table_json(const struct table *t, FILE *out)
{
	json_t *services = json_array();
	json_t *root;

	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(services, row_json(&t->rows[i]));
	root = json_pack("{s:I, s:I, s:o, s:{s:i, s:i, s:i, s:i}, s:I}", "time_unix_nano",
			 (json_int_t)t->time_unix_nano, "window_ns", (json_int_t)t->window_ns,
			 "services", services, "connections", "parsed", (int)t->conns->parsed,
			 "undecided", (int)t->conns->undecided, "unknown", (int)t->conns->unknown,
			 "encrypted", (int)t->conns->encrypted, "events_lost", (json_int_t)t->lost);
	if (!root)
		return -ENOMEM;
	json_dumpf(root, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
	fputc('\n', out);
	json_decref(root);
	return 0;
}
