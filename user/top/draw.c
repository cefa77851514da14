/* SPDX-License-Identifier: Apache-2.0 */
/* The live view as cells: head, table, the row in hand, and a footer that is honest about us. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "top/bar.h"
#include "top/view.h"
#include "util/clock.h"
#include "util/human.h"

/* Lines of the screen from the top, and from the bottom. */
enum { LINE_TITLE, LINE_PATH, LINE_HEAD, LINE_TABLE };
enum { FROM_LEGEND = 4, FROM_REASON = 3, FROM_SELF = 2, FROM_KEYS = 1 };

/* --- head --- */

static void draw_totals(const struct top_frame *f, struct canvas *c, int x)
{
	double rate = 0, failed = 0;
	uint64_t count = 0;
	char text[160];
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++) {
		const struct recent_row *r = &f->rows[i].r;

		if (r->group == RECENT_BY_SERVICE && r->role == SONDE_ROLE_SERVER) {
			rate += r->f.rate_now;
			failed += (double)r->f.errors;
			count += r->f.count;
			n++;
		}
	}
	if (!n)
		return;
	snprintf(text, sizeof(text), "%zu service%s  %.0f req/s  %.1f%% errors", n,
		 n > 1 ? "s" : "", rate, count ? failed * 100 / (double)count : 0);
	/* what there are is seen below; how they are is not cut for it */
	if (canvas_width(text) > c->width - x - 1)
		memmove(text, strstr(text, "  ") + 2, strlen(strstr(text, "  ") + 2) + 1);
	canvas_right(c, LINE_TITLE, x, c->width - x - 1, STYLE_TITLE, text);
}

static void draw_title(const struct view *v, const struct top_frame *f, struct canvas *c)
{
	time_t s = (time_t)(f->unix_ns / (int64_t)NS_PER_S);
	char clock[16] = "--:--:--";
	char text[256];
	struct tm tm;
	int x;

	if (f->unix_ns > 0 && localtime_r(&s, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(text, sizeof(text), " sonde top  %s  %s%s%s", clock, f->self.where,
		 v->is_paused ? "  PAUSED" : "", v->is_recording ? "  RECORDING" : "");
	canvas_fill(c, LINE_TITLE, 0, c->width, STYLE_TITLE);
	x = canvas_text(c, LINE_TITLE, 0, c->width, STYLE_TITLE, text);
	draw_totals(f, c, x + 2);
}

static int draw_step(struct canvas *c, int x, const char *what, enum style style)
{
	if (!*what)
		return x;
	if (x > 1)
		x += canvas_text(c, LINE_PATH, x, 3, STYLE_DIM, c->is_unicode ? " › " : " > ");
	return x + canvas_text(c, LINE_PATH, x, c->width - x - 1, style, what);
}

static void draw_path(const struct view *v, struct canvas *c)
{
	static const char *const groups[] = {
		[RECENT_BY_SERVICE] = "services",
		[RECENT_BY_ENDPOINT] = "endpoints",
		[RECENT_BY_PEER] = "peers",
		[RECENT_BY_PROTOCOL] = "protocols",
	};
	static const char *const levels[] = { "", "endpoints", "peers", "requests" };
	const struct top_ask *a = &v->ask;
	const char *role = a->role == SONDE_ROLE_SERVER ? " (server)" : " (client)";
	char text[256];
	int x = draw_step(c, 1, groups[a->group], STYLE_NORMAL);

	if (a->level != TOP_TOP) {
		snprintf(text, sizeof(text), "%s%s", a->service, role);
		x = draw_step(c, x, text, STYLE_BOLD);
		x = draw_step(c, x, a->endpoint, STYLE_BOLD);
		x = draw_step(c, x, a->peer, STYLE_BOLD);
		x = draw_step(c, x, levels[a->level], STYLE_NORMAL);
	}
	if (a->errors_only)
		x += 2 +
		     canvas_text(c, LINE_PATH, x + 2, c->width - x - 2, STYLE_BAD, "errors only");
	if (!v->filter[0] && !v->is_typing)
		return;
	snprintf(text, sizeof(text), "/%s%s", v->filter, v->is_typing ? "_" : "");
	canvas_text(c, LINE_PATH, x + 2, c->width - x - 2, STYLE_WARN, text);
}

/* --- table --- */

struct table_shape {
	const struct columns *cs;
	size_t places[COLUMNS_MAX];
	int widths[COLUMNS_MAX];
	size_t n;
};

static void draw_heads(const struct view *v, const struct table_shape *t, struct canvas *c)
{
	int x = 0;

	canvas_fill(c, LINE_HEAD, 0, c->width, STYLE_HEAD);
	for (size_t i = 0; i < t->n; i++) {
		const struct column *col = &t->cs->list[t->places[i]];
		enum style style =
			t->places[i] == v->sort[v->ask.level] ? STYLE_SORTED : STYLE_HEAD;

		canvas_fill(c, LINE_HEAD, x, t->widths[i], style);
		if (col->kind == COLUMN_RIGHT)
			canvas_right(c, LINE_HEAD, x, t->widths[i], style, col->title);
		else
			canvas_text(c, LINE_HEAD, x, t->widths[i], style, col->title);
		x += t->widths[i] + 1;
	}
}

/* What the item's time went into, and how much it was. */
static uint64_t waits_of(const struct view *v, const void *item, uint64_t parts[WAIT_MAX])
{
	const struct top_row *row = item;
	const struct recent_request *t = item;

	if (v->ask.level == TOP_REQUESTS) {
		for (int i = 0; i < WAIT_MAX; i++)
			parts[i] = txn_waits_known(&t->waits, i);
		return t->is_in_flight ? 0 : t->end_ns - t->start_ns;
	}
	memcpy(parts, row->r.f.waits, sizeof(row->r.f.waits));
	return row->r.f.duration_ns;
}

static void draw_cell(const struct view *v, struct canvas *c, int y, int x, int width,
		      const struct column *col, const void *item)
{
	char text[COLUMN_TEXT_LEN];
	uint64_t parts[WAIT_MAX], total;
	enum style style;

	switch (col->kind) {
	case COLUMN_LEFT:
		style = col->text(item, text);
		canvas_text(c, y, x, width, style, text);
		break;
	case COLUMN_RIGHT:
		style = col->text(item, text);
		canvas_right(c, y, x, width, style, text);
		break;
	case COLUMN_WAITS:
		total = waits_of(v, item, parts);
		bar_waits(c, y, x, width, parts, total);
		break;
	case COLUMN_SPARK:
		bar_spark(c, y, x, width, ((const struct top_row *)item)->r.f.spark);
		break;
	}
}

static const void *item_at(const struct view *v, const struct top_frame *f, size_t at)
{
	return v->ask.level == TOP_REQUESTS ? (const void *)&f->requests[v->order[at]]
					    : (const void *)&f->rows[v->order[at]];
}

static void draw_rows(const struct view *v, const struct top_frame *f, const struct table_shape *t,
		      struct canvas *c)
{
	int height = view_table_height(c->height);

	for (int line = 0; line < height && v->first + (size_t)line < v->n_order; line++) {
		size_t at = v->first + (size_t)line;
		int x = 0, y = LINE_TABLE + line;

		for (size_t i = 0; i < t->n; i++) {
			draw_cell(v, c, y, x, t->widths[i], &t->cs->list[t->places[i]],
				  item_at(v, f, at));
			x += t->widths[i] + 1;
		}
		if (at == v->cursor)
			canvas_select(c, y);
	}
}

static void draw_nothing(const struct view *v, const struct top_frame *f, struct canvas *c)
{
	const char *why = "no request ended in the last minute";

	if (v->filter[0])
		why = "nothing here has that in its name: Esc takes the filter away";
	else if (v->ask.errors_only)
		why = "no errors in the last minute: e shows all";
	else if (f->error[0])
		why = f->error;
	canvas_text(c, LINE_TABLE + 1, 2, c->width - 2, STYLE_DIM, why);
}

/* --- the row in hand --- */

static void draw_in_hand(const struct view *v, const struct top_frame *f, struct canvas *c)
{
	int y = c->height - FROM_LEGEND, bar = c->width >= 120 ? 30 : 16;
	const struct top_row *row = view_row(v, f);
	uint64_t parts[WAIT_MAX], total;
	const void *item;

	for (int x = 0; x < c->width; x++)
		canvas_glyph(c, y - 0, x, STYLE_NORMAL, L' ');
	if (v->cursor >= v->n_order)
		return;
	item = item_at(v, f, v->cursor);
	total = waits_of(v, item, parts);
	canvas_text(c, y, 1, 6, STYLE_DIM, "waits");
	bar_waits(c, y, 7, bar, parts, total);
	if (total)
		bar_legend(c, y, 9 + bar, c->width - 9 - bar, parts, total);
	else
		canvas_text(c, y, 7, c->width - 8, STYLE_DIM, "not known before the end");
	if (row && row->reason[0])
		canvas_text(c, c->height - FROM_REASON, 1, c->width - 2,
			    row->health == HEALTH_UNHEALTHY ? STYLE_BAD : STYLE_WARN, row->reason);
}

/* --- footer --- */

/* In the longer words, in the shorter, or not at all: half of it would hide the other half. */
static void draw_pressure(const struct top_self *s, struct canvas *c, int y, int x)
{
	static const char *const words[][2] = { { "pressure", "memory" }, { "psi", "mem" } };
	char text[128];

	for (int i = 0; s->pressure[0] >= 0 && i < 2; i++) {
		snprintf(text, sizeof(text), "%s cpu %.0f%% %s %.0f%% io %.0f%%", words[i][0],
			 s->pressure[0] * 100, words[i][1], s->pressure[1] * 100,
			 s->pressure[2] * 100);
		if (canvas_width(text) > c->width - x)
			continue;
		canvas_text(c, y, x, c->width - x, STYLE_DIM, text);
		return;
	}
}

static void draw_self(const struct top_frame *f, struct canvas *c)
{
	const struct top_self *s = &f->self;
	int y = c->height - FROM_SELF, x = 1;
	char text[128];

	snprintf(text, sizeof(text), "%.0f events/s", s->events_rate);
	x += 2 + canvas_text(c, y, x, c->width - x, STYLE_DIM, text);
	snprintf(text, sizeof(text), "%llu lost", (unsigned long long)s->lost);
	x += 2 + canvas_text(c, y, x, c->width - x, s->lost ? STYLE_BAD : STYLE_GOOD, text);
	snprintf(text, sizeof(text), "%u unknown", s->unknown);
	x += 2 + canvas_text(c, y, x, c->width - x, s->unknown ? STYLE_WARN : STYLE_DIM, text);
	snprintf(text, sizeof(text), "%u encrypted", s->encrypted);
	x += 2 + canvas_text(c, y, x, c->width - x, s->encrypted ? STYLE_WARN : STYLE_DIM, text);
	snprintf(text, sizeof(text), "sonde %.1f%% cpu %s", s->cpu_cores * 100,
		 human_bytes(s->memory_bytes).text);
	x += 2 + canvas_text(c, y, x, c->width - x, STYLE_DIM, text);
	if (s->tier[0]) {
		snprintf(text, sizeof(text), "%s tier", s->tier);
		if (canvas_width(text) > c->width - x)
			snprintf(text, sizeof(text), "%s", s->tier);
		x += 2 + canvas_text(c, y, x, c->width - x, STYLE_DIM, text);
	}
	draw_pressure(s, c, y, x);
}

struct key {
	const char *key, *what;
};

static int key_width(const struct key *k)
{
	return canvas_width(k->key) + 1 + canvas_width(k->what);
}

static int draw_key(const struct key *k, struct canvas *c, int x)
{
	int y = c->height - FROM_KEYS;

	x += canvas_text(c, y, x, c->width - x, STYLE_KEY, k->key) + 1;
	return x + canvas_text(c, y, x, c->width - x, STYLE_DIM, k->what) + 2;
}

/* Whoever sees too few of them sees at least where the others are told, and how to leave. */
static void draw_keys(const struct view *v, const struct top_frame *f, struct canvas *c)
{
	static const struct key last[] = { { "?", "help" }, { "q", "quit" } };
	const struct key keys[] = {
		{ "Enter", "zoom" },
		{ "Esc", "back" },
		{ "/", "filter" },
		{ "s", "sort" },
		{ "g", "group" },
		{ "e", "errors" },
		{ "space", "pause" },
		v->is_replay ? (struct key){ "t T", "step" } : (struct key){ "r", "record" },
		{ "y", "copy" },
	};
	int end = c->width - key_width(&last[0]) - 2 - key_width(&last[1]);
	int x = 1;

	if (v->message[0] || f->error[0]) {
		canvas_text(c, c->height - FROM_KEYS, 1, c->width - 2,
			    v->message[0] ? STYLE_BOLD : STYLE_BAD,
			    v->message[0] ? v->message : f->error);
		return;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (x + key_width(&keys[i]) + 2 > end)
			break;
		x = draw_key(&keys[i], c, x);
	}
	draw_key(&last[1], c, draw_key(&last[0], c, x));
}

/* --- help --- */

/* The ones that are on the screen, or those that a wider one has; returns the line behind. */
static int draw_columns(const struct columns *cs, const bool *is_shown, bool which,
			struct canvas *c, int y)
{
	for (size_t i = 0; i < cs->n && y < c->height - FROM_SELF - 1; i++) {
		if (is_shown[i] != which)
			continue;
		canvas_text(c, y, 2, 14, STYLE_KEY, cs->list[i].title);
		canvas_text(c, y++, 16, c->width - 17, STYLE_DIM, cs->list[i].help);
	}
	return y;
}

static void draw_help(const struct table_shape *t, struct canvas *c)
{
	static const char *const lines[] = {
		"Enter  into the row: endpoints, peers, requests    Esc  back",
		"/      show only what has this in its name         e    errors only",
		"s < >  sort by another column    i  the other way  space  pause",
		"g      group by service, endpoint, peer, protocol  y    copy the row as JSON",
		"t T    forward and back through a recording        q    quit",
		"r      record to a file (holds payload)            up down page home end",
	};
	bool is_shown[COLUMNS_MAX] = { false };
	int y = LINE_PATH + 1;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		canvas_text(c, y++, 2, c->width - 3, STYLE_NORMAL, lines[i]);
	for (size_t i = 0; i < t->n; i++)
		is_shown[t->places[i]] = true;
	y = draw_columns(t->cs, is_shown, true, c, y + 1);
	draw_columns(t->cs, is_shown, false, c, y);
	canvas_text(c, c->height - FROM_KEYS, 1, c->width - 2, STYLE_BOLD,
		    "any key: back to the table");
}

void view_draw(const struct view *v, const struct top_frame *f, struct canvas *c)
{
	struct table_shape t = { .cs = columns_of(v->ask.level, v->ask.group) };

	draw_title(v, f, c);
	t.n = columns_fit(t.cs, f, c->width, t.places, t.widths);
	if (v->is_help) {
		draw_help(&t, c);
		draw_self(f, c);
		return;
	}
	draw_path(v, c);
	draw_heads(v, &t, c);
	if (v->n_order)
		draw_rows(v, f, &t, c);
	else
		draw_nothing(v, f, c);
	draw_in_hand(v, f, c);
	draw_self(f, c);
	draw_keys(v, f, c);
}
