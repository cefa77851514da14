// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_attach.h"

#include <errno.h>

enum {
	READS = 1 << SONDE_TLS_READ | 1 << SONDE_TLS_READ_EX | 1 << SONDE_TLS_RECV,
	WRITES = 1 << SONDE_TLS_WRITE | 1 << SONDE_TLS_WRITE_EX,
	ALL = (1 << SONDE_TLS_FN_MAX) - 1,
};

enum tls_attach_by tls_attach_by(struct probe *p)
{
	if (uprobe_has_multi(probe_tls_program(p, PROBE_TLS_BOTH), UPROBE_SESSION))
		return TLS_ATTACH_SESSION;
	if (uprobe_has_multi(probe_tls_program(p, PROBE_TLS_ENTRY), UPROBE_ENTRY))
		return TLS_ATTACH_MULTI;
	return TLS_ATTACH_PERF;
}

/* Of the functions in the set those that the file has. */
static int attach(struct uprobe_points *at, const struct tls_symbols *s, unsigned int set,
		  uint64_t cookie, struct uprobe_links *to)
{
	uint64_t more = s->cookie_bits | (s->library == TLS_LIB_NSS ? SONDE_TLS_SHARED : 0);

	at->n = 0;
	for (unsigned int fn = 0; fn < SONDE_TLS_FN_MAX; fn++) {
		if (!(set >> fn & 1) || !s->at[fn])
			continue;
		at->offsets[at->n] = s->at[fn];
		at->cookies[at->n++] = cookie | more | fn;
	}
	return uprobe_attach(at, to);
}

static int attach_all(struct probe *p, const char *path, const struct tls_symbols *s, uint32_t tgid,
		      uint64_t cookie, struct uprobe_links *to)
{
	struct uprobe_points at = { .path = path, .tgid = tgid };
	struct uprobe_links l = { .n = 0 };
	int err;

	if (tgid && s->library == TLS_LIB_RUSTLS)
		return 0; /* the returns of its writes are watched anyway */
	if (tls_attach_by(p) == TLS_ATTACH_SESSION) {
		if (tgid)
			return 0;
		at.program_fd = probe_tls_program(p, PROBE_TLS_BOTH);
		at.kind = UPROBE_SESSION;
		return attach(&at, s, ALL, cookie, to);
	}
	/* the ends first: one without its beginning does nothing */
	at.program_fd = probe_tls_program(p, PROBE_TLS_END);
	at.kind = UPROBE_RETURN;
	err = attach(&at, s,
		     s->library == TLS_LIB_RUSTLS ? READS | WRITES
		     : tgid			  ? WRITES
						  : READS,
		     cookie, &l);
	if (!err && !tgid) {
		at.program_fd = probe_tls_program(p, PROBE_TLS_ENTRY);
		at.kind = UPROBE_ENTRY;
		err = attach(&at, s, ALL, cookie, &l);
	}
	if (!err && to->n + l.n > UPROBE_LINKS_MAX)
		err = -ENOSPC;
	if (err) {
		uprobe_detach(&l);
		return err;
	}
	for (int i = 0; i < l.n; i++)
		to->fd[to->n++] = l.fd[i];
	return 0;
}

int tls_attach(struct probe *p, const char *path, const struct tls_symbols *s, uint32_t tgid,
	       struct uprobe_links *to)
{
	uint64_t cookie = probe_tls_attaching(p);
	int err = attach_all(p, path, s, tgid, cookie, to);

	probe_tls_attached(p, cookie);
	return err;
}
