/* SPDX-License-Identifier: Apache-2.0 */
#include "export/figures_json.h"

#include <math.h>
#include <string.h>

/* Durations: null where there is none to tell. */
static const struct {
	const char *name;
	size_t offset;
} times[] = {
	{ "p50_seconds", offsetof(struct recent_figures, p50_ns) },
	{ "p95_seconds", offsetof(struct recent_figures, p95_ns) },
	{ "p99_seconds", offsetof(struct recent_figures, p99_ns) },
	{ "max_seconds", offsetof(struct recent_figures, max_ns) },
};

static const struct {
	const char *name;
	size_t offset;
} counts[] = {
	{ "count", offsetof(struct recent_figures, count) },
	{ "errors", offsetof(struct recent_figures, errors) },
	{ "request_bytes", offsetof(struct recent_figures, request_bytes) },
	{ "response_bytes", offsetof(struct recent_figures, response_bytes) },
};

enum {
	TIMES = sizeof(times) / sizeof(times[0]),
	COUNTS = sizeof(counts) / sizeof(counts[0]),
};

static uint64_t *field(const struct recent_figures *f, size_t offset)
{
	return (uint64_t *)(void *)((char *)(uintptr_t)f + offset);
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)ns * 1e-9);
}

static uint64_t nanoseconds(const json_t *value)
{
	double s = json_number_value(value);

	return s > 0 && s < 1e9 ? (uint64_t)llround(s * 1e9) : 0;
}

static void present_json(json_t *o, const struct recent_figures *f)
{
	json_object_set_new(o, "in_flight", json_integer((json_int_t)f->in_flight));
	json_object_set_new(o, "oldest_in_flight_seconds",
			    f->in_flight ? seconds(f->oldest_ns) : json_null());
}

void figures_json(json_t *o, const struct recent_row *row)
{
	const struct recent_figures *f = &row->f;
	json_t *waits = json_object(), *spark = json_array();

	json_object_set_new(o, "rate", json_real(f->rate));
	json_object_set_new(o, "rate_now", json_real(f->rate_now));
	for (size_t i = 0; i < COUNTS; i++)
		json_object_set_new(o, counts[i].name,
				    json_integer((json_int_t)*field(f, counts[i].offset)));
	json_object_set_new(o, "error_ratio", json_real(f->error_ratio));
	for (size_t i = 0; i < TIMES; i++)
		json_object_set_new(o, times[i].name,
				    f->count ? seconds(*field(f, times[i].offset)) : json_null());
	json_object_set_new(o, "total_seconds", seconds(f->duration_ns));
	for (int i = 0; i < WAIT_MAX; i++)
		json_object_set_new(waits, txn_wait_name(i), seconds(f->waits[i]));
	json_object_set_new(o, "waits_seconds", waits);
	if (row->group == RECENT_BY_SERVICE)
		present_json(o, f);
	for (int i = 0; i < RECENT_SPARK; i++)
		json_array_append_new(spark, json_integer(f->spark[i]));
	json_object_set_new(o, "per_second", spark);
	json_object_set_new(o, "tls", json_boolean(row->is_tls));
}

static uint64_t count_of(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

void figures_parse(const json_t *o, struct recent_row *row)
{
	const json_t *waits = json_object_get(o, "waits_seconds");
	const json_t *spark = json_object_get(o, "per_second");
	struct recent_figures *f = &row->f;

	f->rate = json_number_value(json_object_get(o, "rate"));
	f->rate_now = json_number_value(json_object_get(o, "rate_now"));
	f->error_ratio = json_number_value(json_object_get(o, "error_ratio"));
	for (size_t i = 0; i < COUNTS; i++)
		*field(f, counts[i].offset) = count_of(o, counts[i].name);
	for (size_t i = 0; i < TIMES; i++)
		*field(f, times[i].offset) = nanoseconds(json_object_get(o, times[i].name));
	f->duration_ns = nanoseconds(json_object_get(o, "total_seconds"));
	for (int i = 0; i < WAIT_MAX; i++)
		f->waits[i] = nanoseconds(json_object_get(waits, txn_wait_name(i)));
	f->in_flight = count_of(o, "in_flight");
	f->oldest_ns = nanoseconds(json_object_get(o, "oldest_in_flight_seconds"));
	for (size_t i = 0; i < RECENT_SPARK; i++)
		f->spark[i] = (uint32_t)json_integer_value(json_array_get(spark, i));
	row->is_tls = json_is_true(json_object_get(o, "tls"));
}
