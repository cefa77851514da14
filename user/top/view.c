/* SPDX-License-Identifier: Apache-2.0 */
#include "top/view.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"

enum {
	LINES_AROUND = 7, /* of the screen, that are not the table's rows */
	CORE_PERCENT = 3, /* for pictures, at most */
};

static void sort_as_at_first(struct view *v)
{
	v->sort[v->ask.level] = columns_of(v->ask.level, v->ask.group)->sort;
	v->is_reverse = false;
}

void view_init(struct view *v)
{
	*v = (struct view){ 0 };
	sort_as_at_first(v);
}

void view_free(struct view *v)
{
	free(v->order);
	*v = (struct view){ 0 };
}

int view_table_height(int height)
{
	return height > LINES_AROUND ? height - LINES_AROUND : 0;
}

uint64_t view_due_ns(uint64_t now_ns, uint64_t cost_ns)
{
	uint64_t pause_ns = cost_ns * 100 / CORE_PERCENT;

	/* turns come once a second, give or take: the one a second away is not to be missed */
	return now_ns + (pause_ns > NS_PER_S ? pause_ns : NS_PER_S - NS_PER_S / 4);
}

/* --- what is shown, in which order --- */

static size_t items(const struct view *v, const struct top_frame *f)
{
	return v->ask.level == TOP_REQUESTS ? f->n_requests : f->n_rows;
}

static const void *item(const struct view *v, const struct top_frame *f, size_t i)
{
	return v->ask.level == TOP_REQUESTS ? (const void *)&f->requests[i]
					    : (const void *)&f->rows[i];
}

static uint64_t key_of(const struct view *v, const struct top_frame *f, size_t i)
{
	const struct recent_request *t;

	if (v->ask.level != TOP_REQUESTS)
		return f->rows[i].r.key;
	t = &f->requests[i];
	return t->start_ns ^ (uint64_t)t->tid << 40 ^ (uint64_t)t->role << 62;
}

static bool contains(const char *text, const char *part)
{
	return strcasestr(text, part) != NULL;
}

static bool is_shown(const struct view *v, const struct top_frame *f, size_t i)
{
	const struct recent_request *t;
	const struct recent_row *r;

	if (!v->filter[0])
		return true;
	if (v->ask.level == TOP_REQUESTS) {
		t = &f->requests[i];
		return contains(t->what, v->filter) || contains(t->service, v->filter) ||
		       contains(t->peer, v->filter) || contains(t->error_type, v->filter);
	}
	r = &f->rows[i].r;
	return contains(r->name, v->filter) || contains(r->service, v->filter) ||
	       contains(r->protocol, v->filter);
}

struct sorting {
	const struct view *v;
	const struct top_frame *f;
	int (*compare)(const void *a, const void *b);
};

static int by_column(const void *a, const void *b, void *arg)
{
	const struct sorting *s = arg;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	int order = s->compare(item(s->v, s->f, i), item(s->v, s->f, k));

	if (s->v->is_reverse)
		order = -order;
	return order ? order : i < k ? -1 : i > k; /* as they came: busiest first */
}

static void find_cursor(struct view *v, const struct top_frame *f)
{
	if (v->n_order == 0) {
		v->cursor = 0;
		return;
	}
	for (size_t i = 0; v->cursor_key && i < v->n_order; i++) {
		if (key_of(v, f, v->order[i]) == v->cursor_key) {
			v->cursor = i;
			return;
		}
	}
	/* its row is gone: it stays where it was */
	v->cursor = v->cursor < v->n_order ? v->cursor : v->n_order - 1;
	v->cursor_key = v->cursor_key ? key_of(v, f, v->order[v->cursor]) : 0;
}

static void scroll(struct view *v, int height)
{
	size_t room = (size_t)view_table_height(height);

	if (v->cursor < v->first)
		v->first = v->cursor;
	if (room && v->cursor >= v->first + room)
		v->first = v->cursor - room + 1;
	if (v->n_order <= room)
		v->first = 0;
	else if (v->first + room > v->n_order)
		v->first = v->n_order - room;
}

int view_take(struct view *v, const struct top_frame *f, int height)
{
	const struct columns *cs = columns_of(v->ask.level, v->ask.group);
	struct sorting s = { v, f, cs->list[v->sort[v->ask.level]].compare };
	size_t n = items(v, f);
	size_t *order;

	if (n > v->room) {
		order = realloc(v->order, n * sizeof(*order));
		if (!order)
			return -ENOMEM;
		v->order = order;
		v->room = n;
	}
	v->n_order = 0;
	for (size_t i = 0; i < n; i++)
		if (is_shown(v, f, i))
			v->order[v->n_order++] = i;
	if (v->n_order && s.compare)
		qsort_r(v->order, v->n_order, sizeof(*v->order), by_column, &s);
	find_cursor(v, f);
	scroll(v, height);
	return 0;
}

const struct top_row *view_row(const struct view *v, const struct top_frame *f)
{
	return v->ask.level != TOP_REQUESTS && v->cursor < v->n_order
		       ? &f->rows[v->order[v->cursor]]
		       : NULL;
}

const struct recent_request *view_request(const struct view *v, const struct top_frame *f)
{
	return v->ask.level == TOP_REQUESTS && v->cursor < v->n_order
		       ? &f->requests[v->order[v->cursor]]
		       : NULL;
}

/* --- keys --- */

static enum view_action to_level(struct view *v, enum top_level level)
{
	v->ask.level = level;
	v->cursor = v->first = 0;
	v->cursor_key = 0;
	v->filter[0] = '\0';
	sort_as_at_first(v);
	return VIEW_ASK;
}

/* Into the row in hand: what it is made of. */
static enum view_action zoom(struct view *v, const struct top_frame *f)
{
	const struct top_row *row = view_row(v, f);
	const struct recent_row *r = row ? &row->r : NULL;

	if (!r || r->group == RECENT_BY_PROTOCOL) {
		if (r)
			snprintf(v->message, sizeof(v->message),
				 "a protocol has nothing inside: g groups by something else");
		return VIEW_NOTHING;
	}
	v->ask.role = r->role;
	snprintf(v->ask.service, sizeof(v->ask.service), "%s", r->service);
	switch (r->group) {
	case RECENT_BY_SERVICE: return to_level(v, TOP_ENDPOINTS);
	case RECENT_BY_ENDPOINT:
		snprintf(v->ask.endpoint, sizeof(v->ask.endpoint), "%s", r->name);
		return to_level(v, TOP_PEERS);
	case RECENT_BY_PEER:
	case RECENT_BY_PROTOCOL: break;
	}
	snprintf(v->ask.peer, sizeof(v->ask.peer), "%s", r->name);
	return to_level(v, TOP_REQUESTS);
}

/* Out again, by the way one came in; what was narrowed first. */
static enum view_action back(struct view *v)
{
	struct top_ask *a = &v->ask;

	if (v->filter[0]) {
		v->filter[0] = '\0';
		return VIEW_ASK;
	}
	switch (a->level) {
	case TOP_TOP: return VIEW_NOTHING;
	case TOP_ENDPOINTS:
		a->service[0] = '\0';
		a->role = SONDE_ROLE_UNKNOWN;
		return to_level(v, TOP_TOP);
	case TOP_PEERS:
		a->endpoint[0] = '\0';
		if (a->group == RECENT_BY_SERVICE)
			return to_level(v, TOP_ENDPOINTS);
		break;
	case TOP_REQUESTS:
		a->peer[0] = '\0';
		if (a->endpoint[0])
			return to_level(v, TOP_PEERS);
		break;
	}
	a->service[0] = '\0';
	a->role = SONDE_ROLE_UNKNOWN;
	return to_level(v, TOP_TOP);
}

static enum view_action group(struct view *v)
{
	struct top_ask *a = &v->ask;

	a->group = a->group == RECENT_BY_PROTOCOL ? RECENT_BY_SERVICE : a->group + 1;
	a->service[0] = a->endpoint[0] = a->peer[0] = '\0';
	a->role = SONDE_ROLE_UNKNOWN;
	return to_level(v, TOP_TOP);
}

static enum view_action sort_by(struct view *v, int step)
{
	const struct columns *cs = columns_of(v->ask.level, v->ask.group);
	size_t *at = &v->sort[v->ask.level];

	do
		*at = (*at + cs->n + (size_t)step) % cs->n;
	while (!cs->list[*at].compare);
	v->is_reverse = false;
	snprintf(v->message, sizeof(v->message), "sorted by %s", cs->list[*at].title);
	return VIEW_NOTHING;
}

static enum view_action move(struct view *v, const struct top_frame *f, long by)
{
	long at = (long)v->cursor + by;

	if (!v->n_order)
		return VIEW_NOTHING;
	at = at < 0 ? 0 : at >= (long)v->n_order ? (long)v->n_order - 1 : at;
	v->cursor = (size_t)at;
	v->cursor_key = key_of(v, f, v->order[at]);
	return VIEW_NOTHING;
}

/* UTF-8 as it is typed, cut at whole characters. */
static void type(struct view *v, int key)
{
	size_t n = strlen(v->filter);
	char bytes[5] = { 0 };

	if (key < 0x80)
		bytes[0] = (char)key;
	else if (key < 0x800)
		snprintf(bytes, sizeof(bytes), "%c%c", 0xc0 | key >> 6, 0x80 | (key & 0x3f));
	else if (key < 0x10000)
		snprintf(bytes, sizeof(bytes), "%c%c%c", 0xe0 | key >> 12, 0x80 | (key >> 6 & 0x3f),
			 0x80 | (key & 0x3f));
	if (n + strlen(bytes) < sizeof(v->filter))
		memcpy(v->filter + n, bytes, strlen(bytes) + 1);
}

static void erase(struct view *v)
{
	size_t n = strlen(v->filter);

	while (n && ((uint8_t)v->filter[--n] & 0xc0) == 0x80)
		;
	v->filter[n] = '\0';
}

static enum view_action press_typing(struct view *v, int key)
{
	if (key == VIEW_ENTER)
		v->is_typing = false;
	else if (key == VIEW_BACKSPACE)
		erase(v);
	else if (key >= 0x20 && key < VIEW_UP)
		type(v, key);
	if (key == VIEW_ESCAPE) {
		v->is_typing = false;
		v->filter[0] = '\0';
	}
	v->cursor_key = 0;
	v->cursor = v->first = 0;
	return VIEW_NOTHING;
}

static enum view_action press_moving(struct view *v, int key, const struct top_frame *f)
{
	switch (key) {
	case VIEW_UP:
	case 'k': return move(v, f, -1);
	case VIEW_DOWN:
	case 'j': return move(v, f, 1);
	case VIEW_PAGE_UP: return move(v, f, -10);
	case VIEW_PAGE_DOWN: return move(v, f, 10);
	case VIEW_HOME: return move(v, f, -(long)v->n_order);
	case VIEW_END: return move(v, f, (long)v->n_order);
	case VIEW_ENTER: return zoom(v, f);
	case VIEW_ESCAPE:
	case VIEW_BACKSPACE: return back(v);
	default: return VIEW_NOTHING;
	}
}

static enum view_action step(struct view *v, enum view_action way)
{
	if (v->is_replay)
		return way;
	snprintf(v->message, sizeof(v->message),
		 "time goes back in a recording only: sonde top FILE");
	return VIEW_NOTHING;
}

enum view_action view_press(struct view *v, int key, const struct top_frame *f)
{
	v->message[0] = '\0';
	if (v->is_help) { /* any key ends it */
		v->is_help = false;
		return key == 'q' ? VIEW_QUIT : VIEW_NOTHING;
	}
	if (v->is_typing)
		return press_typing(v, key);
	switch (key) {
	case 'q': return VIEW_QUIT;
	case '?': v->is_help = true; return VIEW_NOTHING;
	case '/': v->is_typing = true; return VIEW_NOTHING;
	case 's':
	case '>': return sort_by(v, 1);
	case '<': return sort_by(v, -1);
	case 'i': v->is_reverse = !v->is_reverse; return VIEW_NOTHING;
	case 'g': return group(v);
	case 'e': v->ask.errors_only = !v->ask.errors_only; return VIEW_ASK;
	case ' ': v->is_paused = !v->is_paused; return VIEW_ASK;
	case 't': return step(v, VIEW_FORWARD);
	case 'T': return step(v, VIEW_BACK);
	case 'r': return VIEW_RECORD;
	case 'y': return VIEW_COPY;
	default: return press_moving(v, key, f);
	}
}
