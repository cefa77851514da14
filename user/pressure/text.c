// SPDX-License-Identifier: Apache-2.0
#include "pressure/text.h"

enum { NANO_DIGITS = 9 };

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static void advance(struct slice *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

bool text_line(struct slice *text, struct slice *line)
{
	const uint8_t *end;

	if (!text->n)
		return false;
	end = memchr(text->p, '\n', text->n);
	line->p = text->p;
	line->n = end ? (size_t)(end - text->p) : text->n;
	advance(text, end ? line->n + 1 : line->n);
	return true;
}

struct slice text_word(struct slice *line)
{
	struct slice word;
	size_t n = 0;

	while (line->n && is_blank(line->p[0]))
		advance(line, 1);
	while (n < line->n && !is_blank(line->p[n]))
		n++;
	word = (struct slice){ line->p, n };
	advance(line, n);
	return word;
}

void text_skip(struct slice *line, int words)
{
	while (words-- > 0)
		text_word(line);
}

static uint64_t add_digit(uint64_t value, uint8_t digit)
{
	if (__builtin_mul_overflow(value, 10, &value) ||
	    __builtin_add_overflow(value, (uint64_t)(digit - '0'), &value))
		return UINT64_MAX;
	return value;
}

uint64_t text_u64(struct slice word)
{
	uint64_t value = 0;

	for (size_t i = 0; i < word.n && is_digit(word.p[i]); i++)
		value = add_digit(value, word.p[i]);
	return value;
}

uint64_t text_nano(struct slice word)
{
	uint64_t value = 0;
	int after = -1; /* digits behind the point; -1: before it */

	for (size_t i = 0; i < word.n && after < NANO_DIGITS; i++) {
		if (word.p[i] == '.' && after < 0) {
			after = 0;
			continue;
		}
		if (!is_digit(word.p[i]))
			break;
		value = add_digit(value, word.p[i]);
		after += after >= 0;
	}
	for (after = after < 0 ? 0 : after; after < NANO_DIGITS; after++)
		value = add_digit(value, '0');
	return value;
}
