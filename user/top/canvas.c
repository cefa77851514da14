/* SPDX-License-Identifier: Apache-2.0 */
#include "top/canvas.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/utf8.h"

enum { ELLIPSIS = 0x2026 };

int canvas_reset(struct canvas *c, int width, int height)
{
	size_t n = (size_t)width * (size_t)height;
	struct cell *cells = c->cells;

	if (width != c->width || height != c->height || !cells) {
		cells = realloc(c->cells, (n ? n : 1) * sizeof(*cells));
		if (!cells)
			return -ENOMEM;
		c->cells = cells;
		c->width = width;
		c->height = height;
	}
	for (size_t i = 0; i < n; i++)
		cells[i] = (struct cell){ .glyph = L' ' };
	return 0;
}

void canvas_free(struct canvas *c)
{
	free(c->cells);
	*c = (struct canvas){ 0 };
}

static struct cell *cell_at(struct canvas *c, int y, int x)
{
	if (y < 0 || y >= c->height || x < 0 || x >= c->width)
		return NULL;
	return &c->cells[(size_t)y * (size_t)c->width + (size_t)x];
}

/* The code point that s begins with; *n: its bytes. */
static wchar_t code_point(const char *s, size_t *n)
{
	static const uint8_t first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const uint8_t *p = (const uint8_t *)s;
	wchar_t w;

	*n = utf8_next(slice_str(s));
	if (*n == 0) {
		*n = 1;
		return L'?';
	}
	w = p[0] & first[*n];
	for (size_t i = 1; i < *n; i++)
		w = w << 6 | (p[i] & 0x3f);
	return w;
}

/* Columns of a glyph: what cannot be printed is replaced. */
static int glyph_width(const struct canvas *c, wchar_t *w)
{
	int width;

	if (*w >= 0x20 && *w < 0x7f)
		return 1;
	width = *w < 0xa0 || (c && !c->is_unicode) ? -1 : wcwidth(*w);
	if (width > 0)
		return width;
	*w = L'?';
	return width == 0 ? 0 : 1; /* what combines is left out */
}

int canvas_width(const char *text)
{
	int width = 0;
	size_t n;

	for (; *text; text += n) {
		wchar_t w = code_point(text, &n);

		width += glyph_width(NULL, &w);
	}
	return width;
}

void canvas_glyph(struct canvas *c, int y, int x, enum style style, wchar_t glyph)
{
	struct cell *cell = cell_at(c, y, x);

	if (cell) {
		cell->glyph = glyph;
		cell->style = (uint8_t)style;
	}
}

int canvas_text(struct canvas *c, int y, int x, int room, enum style style, const char *text)
{
	bool is_cut = canvas_width(text) > room;
	int used = 0, width;
	size_t n;

	if (x + room > c->width)
		room = c->width - x;
	for (; *text; text += n) {
		wchar_t w = code_point(text, &n);

		width = glyph_width(c, &w);
		if (used + width > room - is_cut)
			break;
		if (width == 0)
			continue;
		canvas_glyph(c, y, x + used, style, w);
		if (width == 2)
			canvas_glyph(c, y, x + used + 1, style, 0);
		used += width;
	}
	if (*text && is_cut && used < room)
		canvas_glyph(c, y, x + used++, style, c->is_unicode ? ELLIPSIS : L'~');
	return used;
}

void canvas_right(struct canvas *c, int y, int x, int room, enum style style, const char *text)
{
	int width = canvas_width(text);

	if (width < room)
		canvas_text(c, y, x + room - width, width, style, text);
	else
		canvas_text(c, y, x, room, style, text);
}

void canvas_fill(struct canvas *c, int y, int x, int room, enum style style)
{
	for (int i = 0; i < room; i++) {
		struct cell *cell = cell_at(c, y, x + i);

		if (cell)
			cell->style = (uint8_t)style;
	}
}

void canvas_select(struct canvas *c, int y)
{
	for (int x = 0; x < c->width; x++) {
		struct cell *cell = cell_at(c, y, x);

		if (cell)
			cell->is_selected = true;
	}
}

static size_t encode(char *out, wchar_t w)
{
	uint32_t u = (uint32_t)w;

	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3f));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 0x3f));
		out[2] = (char)(0x80 | (u & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 0x3f));
	out[2] = (char)(0x80 | (u >> 6 & 0x3f));
	out[3] = (char)(0x80 | (u & 0x3f));
	return 4;
}

void canvas_line(const struct canvas *c, int y, char *out, size_t size)
{
	size_t n = 0, end = 0;

	for (int x = 0; y < c->height && x < c->width && n + 5 < size; x++) {
		wchar_t w = c->cells[(size_t)y * (size_t)c->width + (size_t)x].glyph;

		if (!w)
			continue;
		n += encode(out + n, w);
		end = w == L' ' ? end : n;
	}
	out[end] = '\0';
}
