// SPDX-License-Identifier: Apache-2.0
#include "proto/sql_parts.h"

static const struct {
	const char *text;
	uint8_t n, flags;
} words[SQLW_MAX] = {
#define WORD(ID, text, flags) [SQLW_##ID] = { text, sizeof(text) - 1, flags },
#include "proto/sql_words.def"
#undef WORD
};

enum { WORD_LONGEST = 16 };

static int compare(const uint8_t *upper, size_t n, enum sql_word word)
{
	size_t m = words[word].n;
	int order = memcmp(upper, words[word].text, n < m ? n : m);

	return order ? order : (int)n - (int)m;
}

enum sql_word sql_word_find(struct slice text)
{
	uint8_t upper[WORD_LONGEST];
	int low = SQLW_NAME + 1, high = SQLW_MAX - 1;

	if (text.n < 2 || text.n > sizeof(upper))
		return SQLW_NAME;
	for (size_t i = 0; i < text.n; i++)
		upper[i] = text.p[i] >= 'a' && text.p[i] <= 'z' ? text.p[i] - 32 : text.p[i];
	while (low <= high) {
		int middle = (low + high) / 2, order = compare(upper, text.n, middle);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return SQLW_NAME;
}

uint8_t sql_word_flags(enum sql_word word)
{
	return words[word].flags;
}
