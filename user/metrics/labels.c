/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/labels.h"

/* Printable ASCII eight bytes at a time; the rest code point by code point. */
static bool labels_is_text(struct slice s)
{
	if (s.n > SERIES_VALUE_MAX)
		return false;
	while (s.n) {
		size_t n = 8;
		uint64_t x;

		if (s.n >= 8) {
			x = octets_load(s.p);
			/* a byte over 0x7f, or a zero byte: Bit Twiddling Hacks, "haszero" */
			if ((x | (x - 0x0101010101010101ULL)) & 0x8080808080808080ULL)
				n = s.p[0] ? utf8_next(s) : 0;
		} else {
			n = s.p[0] ? utf8_next(s) : 0;
		}
		if (n == 0)
			return false;
		s.p += n;
		s.n -= n;
	}
	return true;
}

const struct slice *labels_clean(struct labels *room, const struct slice *values, size_t n)
{
	size_t bad = 0;

	while (bad < n && labels_is_text(values[bad]))
		bad++;
	if (bad == n)
		return values;
	for (size_t i = 0; i < n; i++) {
		room->values[i] = values[i];
		if (i < bad || labels_is_text(values[i]))
			continue;
		room->values[i].n = utf8_clean(room->text[i], sizeof(room->text[i]), values[i]);
		room->values[i].p = (const uint8_t *)room->text[i];
	}
	return room->values;
}
