// SPDX-License-Identifier: Apache-2.0
#include "capture/pcapfile.h"

#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/pcap_again.h"
#include "capture/pcap_bytes.h"
#include "capture/pcap_conns.h"
#include "capture/pcap_link.h"

#define TICK_NS (1000 * 1000 * 1000ULL)

struct pcapfile {
	struct source source; /* first: see source.h */
	pcap_t *pcap;
	struct pcap_conns *conns;
	uint64_t next_tick_ns; /* 0: no packet yet */
	uint64_t found[PCAP_FOUND_MAX];
	int error; /* negative: nothing more will come */
	bool is_cut;
	struct pcap_again again;
	struct pcap_records records;
};

bool pcapfile_is_capture(const void *head, size_t size)
{
	/* microseconds, nanoseconds, Kuznetzov's variant, and the section header of pcapng */
	static const uint32_t magics[] = { 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0x0a0d0d0a };
	uint32_t magic;

	if (size < sizeof(magic))
		return false;
	magic = be32(head);
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (magic == magics[i] || magic == __builtin_bswap32(magics[i]))
			return true;
	return false;
}

const char *pcapfile_library(void)
{
	return pcap_lib_version();
}

static void pcapfile_close(struct source *s)
{
	struct pcapfile *f = (struct pcapfile *)s;

	if (!f)
		return;
	if (f->pcap)
		pcap_close(f->pcap); /* and the FILE */
	pcap_conns_free(f->conns);
	free(f);
}

static int pcapfile_fd(struct source *s)
{
	return -1; /* always readable */
}

/* One for each second in which there is a packet: a silence of an hour is one tick at its end. */
static void tick(struct pcapfile *f, uint64_t now_ns)
{
	uint64_t second_ns = now_ns - now_ns % TICK_NS;

	if (f->next_tick_ns && now_ns < f->next_tick_ns)
		return;
	if (f->next_tick_ns)
		pcap_records_tick(&f->records, second_ns);
	f->next_tick_ns = second_ns + TICK_NS;
}

/* Nothing more comes: what waits for more need not wait any longer. */
static void last_tick(struct pcapfile *f)
{
	if (f->next_tick_ns)
		pcap_records_tick(&f->records, f->next_tick_ns + TICK_NS);
}

static int take_packet(struct pcapfile *f, const struct pcap_pkthdr *h, const uint8_t *bytes)
{
	/* opened with nanoseconds: tv_usec holds them */
	uint64_t now_ns = (uint64_t)h->ts.tv_sec * TICK_NS + (uint64_t)h->ts.tv_usec;
	struct slice frame = { bytes, h->caplen };
	size_t wire = h->len > h->caplen ? h->len : h->caplen;
	enum pcap_found found = PCAP_FOUND_OTHER;
	struct pcap_segment seg;
	int err;

	f->records.now_ns = now_ns;
	tick(f, now_ns);
	err = pcap_link_strip(pcap_datalink(f->pcap), &frame);
	if (err == 0)
		found = pcap_ip_decode(frame, wire - (h->caplen - frame.n), &seg);
	else if (err == -EBADMSG)
		found = PCAP_FOUND_CUT;
	f->found[found]++;
	if (found != PCAP_FOUND_TCP && found != PCAP_FOUND_UDP)
		return 0;
	seg.ts_ns = now_ns;
	if (found == PCAP_FOUND_UDP) {
		if (!pcap_again(&f->again, &seg))
			pcap_records_datagram(&f->records, &seg);
		return 0;
	}
	return pcap_conns_segment(f->conns, &f->records, &seg);
}

/* The end of the file within a packet is not damage: what was whole has been handed out. */
static int read_error(struct pcapfile *f, int rc)
{
	if (rc == PCAP_ERROR_BREAK) /* the end */
		return -ENODATA;
	if (!feof(pcap_file(f->pcap)))
		return -EBADMSG;
	f->is_cut = true;
	return -ENODATA;
}

static int pcapfile_read(struct source *s, source_fn fn, void *ctx, int budget)
{
	struct pcapfile *f = (struct pcapfile *)s;
	struct pcap_records *r = &f->records;

	r->fn = fn;
	r->ctx = ctx;
	r->n = 0;
	r->is_stopped = false;
	while (r->n < budget && !r->is_stopped && !f->error) {
		struct pcap_pkthdr *h;
		const uint8_t *bytes;
		int rc = pcap_next_ex(f->pcap, &h, &bytes);

		f->error = rc == 1 ? take_packet(f, h, bytes) : read_error(f, rc);
		if (f->error)
			last_tick(f);
	}
	return r->n > 0 ? r->n : f->error;
}

static const struct source_ops pcapfile_ops = {
	.name = "capture",
	.fd = pcapfile_fd,
	.read = pcapfile_read,
	.close = pcapfile_close,
};

bool pcapfile_is_cut(const struct source *s)
{
	return ((const struct pcapfile *)s)->is_cut;
}

const char *pcapfile_error(const struct source *s)
{
	const struct pcapfile *f = (const struct pcapfile *)s;

	if (f->error == -ENOMEM)
		return "out of memory";
	return f->error == -EBADMSG || f->is_cut ? pcap_geterr(f->pcap) : "";
}

/* --- what was missing --- */

struct flaws {
	char *line;
	size_t n, size;
};

static void __attribute__((format(printf, 3, 4)))
flaw(struct flaws *fl, uint64_t n, const char *fmt, ...)
{
	const char *comma = fl->n ? ", " : "";
	va_list ap;
	int len;

	if (!n || fl->n >= fl->size)
		return;
	fl->n += (size_t)snprintf(fl->line + fl->n, fl->size - fl->n, "%s%" PRIu64 " ", comma, n);
	if (fl->n >= fl->size)
		return;
	va_start(ap, fmt);
	len = vsnprintf(fl->line + fl->n, fl->size - fl->n, fmt, ap);
	va_end(ap);
	fl->n += (size_t)len;
}

bool pcapfile_flaws(const struct source *s, char *line, size_t size)
{
	const struct pcapfile *f = (const struct pcapfile *)s;
	const struct pcap_conns_stats *st = pcap_conns_stats(f->conns);
	struct flaws fl = { .line = line, .size = size };

	flaw(&fl, st->holes, "holes of %" PRIu64 " bytes that no packet has", st->hole_bytes);
	flaw(&fl, st->cut_segments, "packets cut by the snapshot length (%" PRIu64 " bytes)",
	     st->cut_bytes);
	flaw(&fl, f->found[PCAP_FOUND_CUT], "packets cut within their headers");
	flaw(&fl, f->found[PCAP_FOUND_FRAGMENT], "IP fragments not looked into");
	flaw(&fl, f->found[PCAP_FOUND_BAD], "malformed packets");
	flaw(&fl, st->strays, "segments far outside of any window");
	flaw(&fl, st->evicted, "connections given up beyond %d at once", PCAP_CONNS_MAX);
	return fl.n > 0;
}

/* --- opening --- */

static bool is_known_link(struct pcapfile *f, const char *path, char *err, size_t size)
{
	int dlt = pcap_datalink(f->pcap);
	const char *name = pcap_datalink_val_to_name(dlt);

	if (pcap_link_is_known(dlt))
		return true;
	snprintf(err, size,
		 "%s is a capture of link type %s (%d), which sonde does not read: it reads "
		 "Ethernet, Linux cooked (SLL, SLL2), loopback (NULL, LOOP) and raw IP",
		 path, name ? name : "unknown", dlt);
	return false;
}

struct source *pcapfile_open(const char *path, char *err, size_t size)
{
	struct pcapfile *f = calloc(1, sizeof(*f));
	char why[PCAP_ERRBUF_SIZE] = "";
	FILE *file = NULL;

	if (!f || !(f->conns = pcap_conns_new(0))) {
		snprintf(err, size, "cannot read %s: out of memory", path);
		goto fail;
	}
	f->source.ops = &pcapfile_ops;
	file = fopen(path, "re");
	if (!file) {
		snprintf(err, size, "cannot read %s: %s", path, strerror(errno));
		goto fail;
	}
	f->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!f->pcap) {
		fclose(file);
		snprintf(err, size, "cannot read %s: %s", path, why);
		goto fail;
	}
	if (!is_known_link(f, path, err, size))
		goto fail;
	return &f->source;
fail:
	pcapfile_close(&f->source);
	return NULL;
}
