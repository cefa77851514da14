// SPDX-License-Identifier: Apache-2.0
#include "stream/hello.h"

#include <string.h>

/* RFC 8446, 4 and 5.1 */
enum {
	CHANGE_CIPHER_SPEC = 0x14,
	HANDSHAKE = 0x16,
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_ALPN = 16,
	RECORD_MAX = (1 << 14) + 2048,
};

bool hello_begins(struct slice first)
{
	return first.n >= 3 && first.p[0] == HANDSHAKE && first.p[1] == 3 && first.p[2] <= 4;
}

/* --- records --- */

static bool head_ok(const struct hello_half *half)
{
	return half->head[0] >= CHANGE_CIPHER_SPEC && half->head[0] <= 0x17 && half->head[1] == 3 &&
	       half->left <= RECORD_MAX;
}

static void keep(struct hello_half *half, const uint8_t *p, size_t n)
{
	size_t room = sizeof(half->body) - half->n_body;

	if (half->has_body || half->head[0] != HANDSHAKE)
		return;
	n = n < room ? n : room;
	memcpy(half->body + half->n_body, p, n);
	half->n_body = (uint16_t)(half->n_body + n);
}

/* -1: no TLS. */
static int take_bytes(struct hello_half *half, struct slice in)
{
	while (in.n && !half->is_over) {
		size_t n;

		if (half->n_head < sizeof(half->head)) {
			half->head[half->n_head++] = *in.p++;
			in.n--;
			if (half->n_head < sizeof(half->head))
				continue;
			half->left = (uint32_t)(half->head[3] << 8 | half->head[4]);
			if (!head_ok(half))
				return -1;
			half->is_over = half->head[0] == CHANGE_CIPHER_SPEC;
			if (!half->is_over && half->head[0] != HANDSHAKE)
				return -1; /* an alert, or encrypted without a word */
		} else {
			n = half->left < in.n ? half->left : in.n;
			keep(half, in.p, n);
			in.p += n;
			in.n -= n;
			half->left -= (uint32_t)n;
		}
		if (half->n_head == sizeof(half->head) && !half->left) {
			half->has_body = true;
			half->n_head = 0;
		}
	}
	return 0;
}

int hello_take(struct hello *h, enum sonde_dir d, uint32_t seq, uint32_t len, struct slice in)
{
	struct hello_half *half = &h->half[d];
	uint32_t hole = len - (uint32_t)in.n;

	if (!half->is_known) {
		half->next = seq;
		half->is_known = true;
	}
	if (half->is_over)
		return h->half[!d].is_over;
	if (seq != half->next)
		return -1;
	half->next += len;
	if (take_bytes(half, in))
		return -1;
	if (hole && !half->is_over) {
		if (half->n_head < sizeof(half->head) || hole > half->left)
			return -1;
		half->left -= hole;
	}
	return half->is_over && h->half[!d].is_over;
}

/* --- messages --- */

/* Takes n bytes off the front. False: there are not as many. */
static bool skip(struct slice *in, size_t n)
{
	if (in->n < n)
		return false;
	in->p += n;
	in->n -= n;
	return true;
}

/* A vector with a length of `width` bytes before it; one that was cut is as long as what is there. */
static bool vector(struct slice *in, size_t width, struct slice *out)
{
	size_t n = 0;

	if (in->n < width)
		return false;
	for (size_t i = 0; i < width; i++)
		n = n << 8 | in->p[i];
	skip(in, width);
	*out = (struct slice){ in->p, n < in->n ? n : in->n };
	return skip(in, out->n);
}

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

static void read_server_name(struct slice in, struct hello_words *out)
{
	struct slice list, name;

	if (vector(&in, 2, &list) && skip(&list, 1) && vector(&list, 2, &name) &&
	    name.n < sizeof(out->server_name) && is_printable(name))
		slice_copy(out->server_name, sizeof(out->server_name), name);
}

static void read_protocol(struct slice in, struct hello_words *out)
{
	struct slice list, name;

	if (vector(&in, 2, &list) && vector(&list, 1, &name) &&
	    name.n < sizeof(out->next_protocol) && is_printable(name))
		slice_copy(out->next_protocol, sizeof(out->next_protocol), name);
}

static void read_extensions(struct slice in, uint8_t message, struct hello_words *out)
{
	struct slice all, one;

	if (!vector(&in, 2, &all))
		return;
	while (all.n >= 4) {
		unsigned int type = (unsigned int)(all.p[0] << 8 | all.p[1]);

		skip(&all, 2);
		if (!vector(&all, 2, &one))
			return;
		if (type == EXTENSION_SERVER_NAME && message == CLIENT_HELLO)
			read_server_name(one, out);
		else if (type == EXTENSION_ALPN && message == SERVER_HELLO)
			read_protocol(one, out);
	}
}

/* RFC 8446, 4.1.2 and 4.1.3 */
static void read_message(struct slice in, struct hello_words *out)
{
	uint8_t message = in.n ? in.p[0] : 0;
	struct slice ignored;

	if (message != CLIENT_HELLO && message != SERVER_HELLO)
		return;
	if (!skip(&in, 1 + 3 + 2 + 32) || !vector(&in, 1, &ignored))
		return;
	if (message == CLIENT_HELLO) {
		if (!vector(&in, 2, &ignored) || !vector(&in, 1, &ignored))
			return;
	} else if (!skip(&in, 2 + 1)) {
		return;
	}
	read_extensions(in, message, out);
}

void hello_read(const struct hello *h, struct hello_words *out)
{
	*out = (struct hello_words){ { 0 }, { 0 } };
	for (int d = SONDE_TX; d <= SONDE_RX; d++)
		read_message((struct slice){ h->half[d].body, h->half[d].n_body }, out);
}
