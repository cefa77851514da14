/* SPDX-License-Identifier: Apache-2.0 */
#include "top/bar.h"

#include <stdio.h>

static const struct {
	char letter;
	const char *name;
} waits[WAIT_MAX] = {
	[WAIT_RECEIVE_QUEUE] = { 'q', "receive queue" },
	[WAIT_RUNQUEUE] = { 'r', "run queue" },
	[WAIT_CPU] = { 'c', "cpu" },
	[WAIT_BLOCKED] = { 'b', "blocked" },
	[WAIT_THROTTLED] = { 't', "throttled" },
	[WAIT_DOWNSTREAM] = { 'd', "downstream" },
	[WAIT_UNKNOWN] = { 'u', "unknown" },
};

/* In the order that time passes, as far as there is one. */
static const enum txn_wait order[WAIT_MAX] = {
	WAIT_RECEIVE_QUEUE, WAIT_RUNQUEUE,   WAIT_THROTTLED, WAIT_CPU,
	WAIT_BLOCKED,	    WAIT_DOWNSTREAM, WAIT_UNKNOWN,
};

char bar_letter(enum txn_wait w)
{
	return waits[w].letter;
}

/* By largest remainder: the cells are as many as there is room, whatever is rounded. */
void bar_share(const uint64_t parts[WAIT_MAX], uint64_t total, int room, int cells[WAIT_MAX])
{
	double rest[WAIT_MAX];
	int left = room;

	for (int i = 0; i < WAIT_MAX; i++) {
		double exact = total ? (double)parts[i] / (double)total * room : 0;

		cells[i] = exact < room ? (int)exact : room;
		rest[i] = exact - cells[i];
		left -= cells[i];
	}
	while (total && left > 0) {
		int most = 0;

		for (int i = 1; i < WAIT_MAX; i++)
			if (rest[i] > rest[most])
				most = i;
		if (rest[most] <= 0)
			break;
		cells[most]++;
		rest[most] = 0;
		left--;
	}
}

void bar_waits(struct canvas *c, int y, int x, int room, const uint64_t parts[WAIT_MAX],
	       uint64_t total)
{
	int cells[WAIT_MAX];

	bar_share(parts, total, room, cells);
	for (int i = 0; i < WAIT_MAX; i++) {
		enum txn_wait w = order[i];
		wchar_t glyph = c->is_color && c->is_unicode ? L'█' : (wchar_t)waits[w].letter;

		for (int n = cells[w]; n > 0 && room > 0; n--, room--)
			canvas_glyph(c, y, x++, STYLE_WAIT + w, glyph);
	}
}

/* Cells from the first word to the end of the last; one more for what says that some are left out. */
static int legend_width(const int widths[WAIT_MAX], bool is_cut)
{
	int sum = is_cut ? 3 : 0;

	for (int i = 0; i < WAIT_MAX; i++)
		sum += widths[i] ? widths[i] + 4 : 0;
	return sum - 2;
}

void bar_legend(struct canvas *c, int y, int x, int room, const uint64_t parts[WAIT_MAX],
		uint64_t total)
{
	char texts[WAIT_MAX][32];
	int widths[WAIT_MAX] = { 0 };
	bool is_cut = false;

	for (int w = 0; w < WAIT_MAX; w++) {
		double percent = total ? (double)parts[w] * 100 / (double)total : 0;

		if (percent >= 1)
			widths[w] = snprintf(texts[w], sizeof(texts[w]), "%s %.0f%%", waits[w].name,
					     percent);
	}
	/* where there is no room for all, the largest are what one looks for */
	while (legend_width(widths, is_cut) > room) {
		int least = -1;

		for (int w = 0; w < WAIT_MAX; w++)
			if (widths[w] && (least < 0 || parts[w] < parts[least]))
				least = w;
		if (least < 0)
			return;
		widths[least] = 0;
		is_cut = true;
	}
	for (int i = 0; i < WAIT_MAX; i++) {
		enum txn_wait w = order[i];

		if (!widths[w])
			continue;
		canvas_glyph(c, y, x, STYLE_WAIT + w,
			     c->is_color && c->is_unicode ? L'█' : (wchar_t)waits[w].letter);
		canvas_text(c, y, x + 2, widths[w], STYLE_NORMAL, texts[w]);
		x += widths[w] + 4;
	}
	if (is_cut)
		canvas_glyph(c, y, x, STYLE_DIM, c->is_unicode ? L'…' : L'~');
}

void bar_spark(struct canvas *c, int y, int x, int room, const uint32_t seconds[RECENT_SPARK])
{
	static const wchar_t blocks[] = L" ▁▂▃▄▅▆▇█", ascii[] = L" .:-=+*#@";
	const wchar_t *glyphs = c->is_unicode ? blocks : ascii;
	uint32_t most = 0;
	int first = RECENT_SPARK - (room < RECENT_SPARK ? room : RECENT_SPARK);

	for (int i = first; i < RECENT_SPARK; i++)
		most = seconds[i] > most ? seconds[i] : most;
	/* what is not nothing is seen; what is most is the highest */
	for (int i = first; most && i < RECENT_SPARK; i++, x++) {
		uint64_t level = ((uint64_t)seconds[i] * 8 + most - 1) / most;

		canvas_glyph(c, y, x, STYLE_SPARK, glyphs[level]);
	}
}
