// SPDX-License-Identifier: Apache-2.0
#include "cap.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/pcapfile.h"

const char cap_get[29] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const char cap_ok[41] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void put(struct cap *c, const void *p, size_t n)
{
	if (c->n + n > c->size) {
		c->size = (c->n + n) * 2;
		c->bytes = realloc(c->bytes, c->size);
		if (!c->bytes)
			abort();
	}
	if (n)
		memcpy(c->bytes + c->n, p, n);
	c->n += n;
}

static void put8(struct cap *c, uint8_t v)
{
	put(c, &v, 1);
}

static void put16(struct cap *c, uint16_t v)
{
	put8(c, v >> 8);
	put8(c, (uint8_t)v);
}

static void put32(struct cap *c, uint32_t v)
{
	put16(c, (uint16_t)(v >> 16));
	put16(c, (uint16_t)v);
}

/* In network order, that is as a big endian machine writes it. DLT_RAW has a number of its own in
 * files. */
void cap_header(struct cap *c)
{
	uint32_t link = c->dlt == DLT_RAW ? 101 : (uint32_t)c->dlt;

	c->n = 0;
	if (!c->is_ng) {
		put32(c, 0xa1b23c4d);
		put16(c, 2);
		put16(c, 4);
		put32(c, 0);
		put32(c, 0);
		put32(c, c->snaplen ? c->snaplen : 262144);
		put32(c, link);
		return;
	}
	put32(c, 0x0a0d0d0a); /* section header */
	put32(c, 28);
	put32(c, 0x1a2b3c4d);
	put16(c, 1);
	put16(c, 0);
	put32(c, UINT32_MAX);
	put32(c, UINT32_MAX);
	put32(c, 28);
	put32(c, 1); /* interface description, times in nanoseconds */
	put32(c, 32);
	put16(c, (uint16_t)link);
	put16(c, 0);
	put32(c, 262144);
	put16(c, 9);
	put16(c, 1);
	put32(c, 9u << 24);
	put32(c, 0);
	put32(c, 32);
}

void cap_init(struct cap *c)
{
	*c = (struct cap){
		.dlt = DLT_EN10MB,
		.now_ns = 1700000000 * 1000000000ULL,
		.step_ns = 1000000,
		.seq = { 1000, 5000 },
		.port = 40000,
	};
	cap_header(c);
}

void cap_free(struct cap *c)
{
	free(c->bytes);
	*c = (struct cap){ 0 };
}

static void put_zeroes(struct cap *c, size_t n)
{
	while (n--)
		put8(c, 0);
}

static void put_link(struct cap *c)
{
	uint16_t type = c->is_ipv6 ? 0x86dd : 0x0800;

	if (c->dlt == DLT_EN10MB) {
		put_zeroes(c, 12);
	} else if (c->dlt == DLT_LINUX_SLL) {
		put_zeroes(c, 14);
	} else if (c->dlt == DLT_LINUX_SLL2) {
		put16(c, type);
		put_zeroes(c, 18);
		return;
	} else if (c->dlt == DLT_NULL || c->dlt == DLT_LOOP) {
		put32(c, c->is_ipv6 ? 10 : 2);
		return;
	} else {
		return; /* raw */
	}
	for (int i = 0; i < c->vlan_tags; i++) {
		put16(c, i ? 0x8100 : 0x88a8);
		put16(c, 7);
	}
	put16(c, type);
}

static void put_ipv4(struct cap *c, int from, size_t payload)
{
	put16(c, 0x4500);
	put16(c, c->is_offloaded ? 0 : (uint16_t)(20 + payload));
	put16(c, 1);
	put16(c, c->is_fragment ? 0x2000 : 0x4000);
	put16(c, 64 << 8 | 6);
	put16(c, 0);
	put32(c, from == CAP_CLIENT ? 0x0a000001 : 0x0a000002);
	put32(c, from == CAP_CLIENT ? 0x0a000002 : 0x0a000001);
}

/* With a hop-by-hop header, destination options of 16 bytes and the header of an only fragment. */
static void put_ipv6(struct cap *c, int from, size_t payload)
{
	put32(c, 0x60000000);
	put16(c, c->is_offloaded ? 0 : (uint16_t)(8 + 16 + 8 + payload));
	put16(c, 0 << 8 | 64);
	for (int i = 0; i < 2; i++) {
		put32(c, 0xfd000000);
		put_zeroes(c, 11);
		put8(c, (from == CAP_CLIENT) == (i == 0) ? 1 : 2);
	}
	put16(c, 60 << 8 | 0);
	put_zeroes(c, 6);
	put16(c, 44 << 8 | 1);
	put_zeroes(c, 14);
	put16(c, 6 << 8);
	put16(c, c->is_fragment ? 1 : 0);
	put32(c, 77);
}

static void put_frame(struct cap *c, int from, uint8_t flags, uint32_t seq, uint32_t ack,
		      const void *bytes, size_t n)
{
	put_link(c);
	if (c->is_ipv6)
		put_ipv6(c, from, 24 + n);
	else
		put_ipv4(c, from, 24 + n);
	put16(c, from == CAP_CLIENT ? c->port : 80);
	put16(c, from == CAP_CLIENT ? 80 : c->port);
	put32(c, seq);
	put32(c, ack);
	put8(c, 6 << 4); /* with four bytes of options */
	put8(c, flags);
	put_zeroes(c, 6);
	put32(c, 0x01010101);
	put(c, bytes, n);
	put_zeroes(c, c->pad);
}

void cap_raw(struct cap *c, int from, uint8_t flags, uint32_t seq, uint32_t ack, const void *bytes,
	     size_t n)
{
	struct cap frame = *c;
	uint32_t len, caplen;

	frame.bytes = NULL;
	frame.n = frame.size = 0;
	put_frame(&frame, from, flags, seq, ack, bytes, n);
	len = (uint32_t)frame.n;
	caplen = c->snaplen && c->snaplen < len ? c->snaplen : len;
	if (c->is_ng) {
		put32(c, 6); /* enhanced packet */
		put32(c, 32 + (caplen + 3) / 4 * 4);
		put32(c, 0);
		put32(c, (uint32_t)(c->now_ns >> 32));
		put32(c, (uint32_t)c->now_ns);
	} else {
		put32(c, (uint32_t)(c->now_ns / 1000000000));
		put32(c, (uint32_t)(c->now_ns % 1000000000));
	}
	put32(c, caplen);
	put32(c, len);
	put(c, frame.bytes, caplen);
	if (c->is_ng) {
		put_zeroes(c, (4 - caplen % 4) % 4);
		put32(c, 32 + (caplen + 3) / 4 * 4);
	}
	c->now_ns += c->step_ns;
	free(frame.bytes);
}

void cap_send(struct cap *c, int from, const char *text)
{
	cap_raw(c, from, TCP_ACK, c->seq[from], c->seq[!from], text, strlen(text));
	c->seq[from] += (uint32_t)strlen(text);
}

void cap_syn(struct cap *c)
{
	cap_raw(c, CAP_CLIENT, TCP_SYN, c->seq[0] - 1, 0, NULL, 0);
	cap_raw(c, CAP_SERVER, TCP_SYN | TCP_ACK, c->seq[1] - 1, c->seq[0], NULL, 0);
	cap_raw(c, CAP_CLIENT, TCP_ACK, c->seq[0], c->seq[1], NULL, 0);
}

void cap_fin(struct cap *c)
{
	cap_raw(c, CAP_CLIENT, TCP_FIN | TCP_ACK, c->seq[0]++, c->seq[1], NULL, 0);
	cap_raw(c, CAP_SERVER, TCP_FIN | TCP_ACK, c->seq[1]++, c->seq[0], NULL, 0);
	cap_raw(c, CAP_CLIENT, TCP_ACK, c->seq[0], c->seq[1], NULL, 0);
}

void cap_ack(struct cap *c, int from)
{
	cap_raw(c, from, TCP_ACK, c->seq[from], c->seq[!from], NULL, 0);
}

void cap_exchange(struct cap *c)
{
	cap_send(c, CAP_CLIENT, cap_get);
	cap_send(c, CAP_SERVER, cap_ok);
}

static int keep(void *ctx, const void *rec, size_t size)
{
	struct sim *s = ctx;
	union decoded d;

	if (decode(rec, size, &d) < 0)
		abort();
	sim_append(s, rec, d.h->size);
	return 0;
}

int cap_read(const struct cap *c, struct sim *s, char *flaws, size_t size)
{
	int fd = memfd_create("capture", 0), n;
	char path[64], err[256];
	struct source *source;

	flaws[0] = '\0';
	if (fd < 0 || write(fd, c->bytes, c->n) != (ssize_t)c->n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	source = pcapfile_open(path, err, sizeof(err));
	close(fd);
	if (!source) {
		snprintf(flaws, size, "%s", err + strlen(path));
		return -EINVAL;
	}
	do
		n = source->ops->read(source, keep, s, 3);
	while (n > 0);
	if (!pcapfile_flaws(source, flaws, size))
		flaws[0] = '\0';
	source->ops->close(source);
	return n;
}

char *cap_run(const struct cap *c)
{
	char flaws[512], *out;
	struct sim s;

	sim_init(&s);
	if (cap_read(c, &s, flaws, sizeof(flaws)) != -ENODATA)
		abort();
	out = sim_run(&s);
	sim_free(&s);
	return out;
}

size_t cap_count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

void cap_expect(const struct cap *c, size_t n, const char *sizes)
{
	char *out = cap_run(c), server[64], client[64];

	snprintf(server, sizeof(server), "server 1.1 GET /a 200 %s", sizes);
	snprintf(client, sizeof(client), "client 1.1 GET /a 200 %s", sizes);
	if (cap_count(out, "\n") != 2 * n || cap_count(out, server) != n ||
	    cap_count(out, client) != n)
		fail_msg("expected %zu of %s, got:\n%s", n, sizes, out);
	free(out);
}

uint64_t cap_lost(const struct cap *c)
{
	struct sim_play play = { 0 };
	const struct conns_stats *stats;
	char flaws[512];
	struct sim s;
	uint64_t n;

	sim_init(&s);
	cap_read(c, &s, flaws, sizeof(flaws));
	sim_play_init(&play);
	sim_play(&play, &s, 0, s.n);
	stats = conns_stats(play.conns);
	n = stats->lost_requests;
	for (int i = 0; i < LOSS_MAX; i++)
		n += stats->losses.n[i];
	sim_play_free(&play);
	sim_free(&s);
	return n;
}

void cap_expect_flaws(const struct cap *c, const char *flaws)
{
	char got[512];
	struct sim s;

	sim_init(&s);
	assert_int_equal(cap_read(c, &s, got, sizeof(got)), -ENODATA);
	assert_string_equal(got, flaws);
	sim_free(&s);
}
