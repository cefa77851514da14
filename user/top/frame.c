/* SPDX-License-Identifier: Apache-2.0 */
#include "top/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metrics/overview.h"

enum { REQUESTS_MAX = 1000 };

void frame_free(struct top_frame *f)
{
	free(f->rows);
	free(f->requests);
	*f = (struct top_frame){ 0 };
}

struct recent_query top_query(const struct top_ask *ask, uint64_t now_ns)
{
	static const enum recent_group groups[] = {
		[TOP_ENDPOINTS] = RECENT_BY_ENDPOINT,
		[TOP_PEERS] = RECENT_BY_PEER,
	};

	return (struct recent_query){
		.now_ns = now_ns,
		.group = ask->level == TOP_TOP || ask->level == TOP_REQUESTS ? ask->group
									     : groups[ask->level],
		.service = ask->service[0] ? ask->service : NULL,
		.endpoint = ask->endpoint[0] ? ask->endpoint : NULL,
		.peer = ask->peer[0] ? ask->peer : NULL,
		.role = ask->role,
		.errors_only = ask->errors_only,
	};
}

static void judge(struct top_row *row, const struct overview *all)
{
	const struct recent_row *r = &row->r;
	const struct overview_service *s;

	if (r->group == RECENT_BY_PEER && r->role == SONDE_ROLE_CLIENT) {
		row->is_judged = true;
		row->health = overview_dependency(all, r);
		return;
	}
	s = r->group == RECENT_BY_SERVICE ? overview_find(all, r->name) : NULL;
	if (!s || (s->serves && s->calls && overview_row(s)->role != r->role))
		return;
	row->is_judged = true;
	row->health = s->health.status;
	if (s->health.n)
		snprintf(row->reason, sizeof(row->reason), "%s", s->health.reasons[0]);
}

static int read_rows(struct top_frame *f, const struct recent *r, const struct recent_query *q,
		     char *const *rules, size_t n_rules)
{
	struct recent_row *list;
	ssize_t n = recent_rows(r, q, &list);
	struct top_row *rows = n < 0 ? NULL : calloc((size_t)n + 1, sizeof(*rows));
	struct overview all;
	bool is_judged = false;

	if (rows && q->group == RECENT_BY_SERVICE && !q->errors_only)
		is_judged = overview_of(&all, r, rules, n_rules, q->now_ns, list, (size_t)n) == 0;
	else if (rows && (q->group == RECENT_BY_SERVICE || q->group == RECENT_BY_PEER))
		is_judged = overview_read(&all, r, rules, n_rules, q->now_ns) == 0;

	for (ssize_t i = 0; rows && i < n; i++) {
		rows[i].r = list[i];
		if (is_judged)
			judge(&rows[i], &all);
	}
	if (is_judged)
		overview_free(&all);
	if (n >= 0)
		free(list);
	if (!rows)
		return -ENOMEM;
	f->rows = rows;
	f->n_rows = (size_t)n;
	return 0;
}

size_t frame_without_twins(struct recent_request *list, size_t n, size_t first)
{
	size_t kept = first;

	for (size_t i = first; i < n; i++) {
		bool is_twin = false;

		for (size_t k = 0; k < first && !is_twin; k++)
			is_twin = list[k].start_ns == list[i].start_ns &&
				  list[k].end_ns == list[i].end_ns && list[k].tid == list[i].tid &&
				  list[k].role == list[i].role;
		if (!is_twin)
			list[kept++] = list[i];
	}
	return kept;
}

static int read_requests(struct top_frame *f, const struct recent *r, const struct recent_query *q)
{
	struct recent_request *list = calloc(3 * REQUESTS_MAX, sizeof(*list));
	size_t n, first;

	if (!list)
		return -ENOMEM;
	n = q->errors_only ? 0 : recent_in_flight(r, q, list, REQUESTS_MAX);
	first = n + recent_requests(r, q, RECENT_LATEST, list + n, REQUESTS_MAX);
	n = first + recent_requests(r, q, RECENT_SLOWEST, list + first, REQUESTS_MAX);
	f->requests = list;
	f->n_requests = frame_without_twins(list, n, first);
	return 0;
}

int frame_read(struct top_frame *f, const struct recent *r, const struct top_ask *ask,
	       char *const *rules, size_t n_rules, uint64_t now_ns)
{
	const struct recent_query q = top_query(ask, now_ns);

	free(f->rows);
	free(f->requests);
	f->rows = NULL;
	f->requests = NULL;
	f->n_rows = f->n_requests = 0;
	f->now_ns = now_ns;
	return ask->level == TOP_REQUESTS ? read_requests(f, r, &q)
					  : read_rows(f, r, &q, rules, n_rules);
}
