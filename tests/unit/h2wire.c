// SPDX-License-Identifier: Apache-2.0
#include "h2wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPLIT = 5, PAD = 3, FIELDS = 32, LINE = 4096, GOAWAY = 15 };

void h2wire_init(struct h2wire *w)
{
	*w = (struct h2wire){ .bytes = malloc(H2WIRE_MAX) };
	if (!w->bytes || nghttp2_hd_deflate_new(&w->deflater, 4096) != 0)
		abort();
}

void h2wire_free(struct h2wire *w)
{
	nghttp2_hd_deflate_del(w->deflater);
	free(w->bytes);
	*w = (struct h2wire){ 0 };
}

struct slice h2wire_since(const struct h2wire *w, size_t from)
{
	return (struct slice){ w->bytes + from, w->n - from };
}

static void put(struct h2wire *w, const void *p, size_t n)
{
	if (w->n + n > H2WIRE_MAX)
		abort();
	if (n)
		memcpy(w->bytes + w->n, p, n);
	w->n += n;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void h2wire_frame(struct h2wire *w, uint8_t type, uint8_t flags, uint32_t id, struct slice payload)
{
	uint8_t head[9];

	put_u32(head, (uint32_t)payload.n << 8 | type);
	head[4] = flags;
	put_u32(head + 5, id);
	w->frame = w->n;
	put(w, head, sizeof(head));
	put(w, payload.p, payload.n);
}

static bool has(const char *line, const char *word)
{
	const char *at = strstr(line, word), *bar = strchr(line, '|');

	return at && (!bar || at < bar);
}

/* "|NAME VALUE|NAME VALUE" compressed. */
static struct slice block(struct h2wire *w, char *fields, uint8_t *out, size_t size)
{
	nghttp2_nv nv[FIELDS];
	size_t n = 0;
	ssize_t len;

	for (char *f = strtok(fields, "|"); f && n < FIELDS; f = strtok(NULL, "|")) {
		char *value = strchr(f, ' ');

		if (!value)
			abort();
		*value++ = '\0';
		nv[n++] = (nghttp2_nv){ (uint8_t *)f, (uint8_t *)value, strlen(f), strlen(value),
					NGHTTP2_NV_FLAG_NONE };
	}
	len = nghttp2_hd_deflate_hd(w->deflater, out, size, nv, n);
	if (len < 0)
		abort();
	return (struct slice){ out, (size_t)len };
}

static void write_headers(struct h2wire *w, char *line, uint32_t id, uint8_t type)
{
	uint8_t compressed[LINE], payload[LINE + 64], flags = 0;
	struct slice in = block(w, strchr(line, '|'), compressed, sizeof(compressed));
	size_t n = 0, first = has(line, "split") && in.n > SPLIT ? SPLIT : in.n;

	flags |= has(line, "end") ? NGHTTP2_FLAG_END_STREAM : 0;
	flags |= first == in.n ? NGHTTP2_FLAG_END_HEADERS : 0;
	if (has(line, "pad")) {
		flags |= NGHTTP2_FLAG_PADDED;
		payload[n++] = PAD;
	}
	if (has(line, "prio")) {
		flags |= NGHTTP2_FLAG_PRIORITY;
		memset(payload + n, 0, 5);
		n += 5;
	}
	if (type == NGHTTP2_PUSH_PROMISE) {
		put_u32(payload + n, id + 1);
		n += 4;
	}
	memcpy(payload + n, in.p, first);
	n += first;
	if (flags & NGHTTP2_FLAG_PADDED) {
		memset(payload + n, 0, PAD);
		n += PAD;
	}
	h2wire_frame(w, type, flags, id, (struct slice){ payload, n });
	for (size_t at = first; at < in.n; at += SPLIT) {
		size_t len = in.n - at < SPLIT ? in.n - at : SPLIT;

		h2wire_frame(w, NGHTTP2_CONTINUATION,
			     at + len == in.n ? NGHTTP2_FLAG_END_HEADERS : 0, id,
			     (struct slice){ in.p + at, len });
	}
}

/* The number at the end of a line, or behind a place in it. */
static unsigned long last_number(const char *line)
{
	return strtoul(strrchr(line, ' '), NULL, 10);
}

static void write_data(struct h2wire *w, const char *line, uint32_t id)
{
	static uint8_t payload[65536];
	bool is_padded = has(line, "pad");
	size_t n = last_number(line);
	uint8_t flags = (has(line, "end") ? NGHTTP2_FLAG_END_STREAM : 0) |
			(is_padded ? NGHTTP2_FLAG_PADDED : 0);

	memset(payload, 'x', sizeof(payload));
	payload[0] = is_padded ? PAD : 'x';
	h2wire_frame(w, NGHTTP2_DATA, flags, id,
		     (struct slice){ payload, is_padded ? 1 + n + PAD : n });
}

static void write_messages(struct h2wire *w, const char *line, uint32_t id)
{
	uint8_t payload[LINE] = { 0 };
	size_t n = 0;
	const char *at = strchr(strchr(line, ' ') + 1, ' ');

	if (has(line, "end"))
		at = strchr(at + 1, ' ');
	for (char *next; at && *at; at = next) {
		unsigned long len = strtoul(at, &next, 10);

		if (next == at || n + len + 5 > sizeof(payload))
			abort();
		payload[n] = 0;
		put_u32(payload + n + 1, (uint32_t)len);
		memset(payload + n + 5, 'm', len);
		n += 5 + len;
	}
	h2wire_frame(w, NGHTTP2_DATA, has(line, "end") ? NGHTTP2_FLAG_END_STREAM : 0, id,
		     (struct slice){ payload, n });
}

static bool write_control(struct h2wire *w, const char *op, const char *line, uint32_t id)
{
	static const uint8_t zeros[8], settings[] = { 0, 3, 0, 0, 0, 100 };
	uint8_t word[4], goaway[GOAWAY] = "----\0\0\0\0so long";

	put_u32(goaway, id);
	put_u32(word, (uint32_t)last_number(line[strlen(op)] ? line : "x 1"));
	if (strcmp(op, "preface") == 0)
		put(w, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	else if (strcmp(op, "settings") == 0)
		h2wire_frame(w, NGHTTP2_SETTINGS, 0, 0, (struct slice){ settings, 6 });
	else if (strcmp(op, "ack") == 0)
		h2wire_frame(w, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, (struct slice){ 0 });
	else if (strcmp(op, "ping") == 0)
		h2wire_frame(w, NGHTTP2_PING, 0, 0, (struct slice){ zeros, 8 });
	else if (strcmp(op, "goaway") == 0)
		h2wire_frame(w, NGHTTP2_GOAWAY, 0, 0, (struct slice){ goaway, GOAWAY });
	else if (strcmp(op, "window") == 0)
		h2wire_frame(w, NGHTTP2_WINDOW_UPDATE, 0, id, (struct slice){ word, 4 });
	else if (strcmp(op, "priority") == 0)
		h2wire_frame(w, NGHTTP2_PRIORITY, 0, id, (struct slice){ zeros, 5 });
	else if (strcmp(op, "unknown") == 0)
		h2wire_frame(w, 0xbe, 0xff, id, (struct slice){ zeros, 7 });
	else if (strcmp(op, "reset") == 0)
		h2wire_frame(w, NGHTTP2_RST_STREAM, 0, id, (struct slice){ word, 4 });
	else
		return false;
	return true;
}

static void write_line(struct h2wire *w, char *line)
{
	char op[16] = "";
	unsigned id = 0;

	sscanf(line, "%15[a-z] %u", op, &id);
	if (strcmp(op, "headers") == 0)
		write_headers(w, line, id, NGHTTP2_HEADERS);
	else if (strcmp(op, "push") == 0)
		write_headers(w, line, id, NGHTTP2_PUSH_PROMISE);
	else if (strcmp(op, "data") == 0)
		write_data(w, line, id);
	else if (strcmp(op, "messages") == 0)
		write_messages(w, line, id);
	else if (!write_control(w, op, line, id))
		abort();
}

void h2wire_write(struct h2wire *w, const char *script)
{
	char line[LINE];

	while (*script) {
		size_t n = strcspn(script, ";");

		if (n >= sizeof(line))
			abort();
		memcpy(line, script, n);
		line[n] = '\0';
		write_line(w, line);
		script += n + (script[n] == ';');
	}
}
