/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF side of a live run: the only module that knows the skeleton. Opens, configures, loads
 * and attaches the programs one by one; each is optional or needed by a tier, and each that is off
 * has a reason a person can read.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sonde_abi.h"

enum probe_tier { PROBE_TIER_AUTO, PROBE_TIER_SOCKET, PROBE_TIER_SYSCALL };

struct probe_opts {
	struct sonde_filter filter; /* self_tgid is filled in by probe_open */
	size_t ring_size;	    /* bytes, 0: 16 MiB; rounded up to a power of two of pages */
	enum probe_tier tier;
	bool stats;		/* kernel.bpf_stats for the life of the probe */
	bool tls;		/* load the programs for plaintext of TLS libraries */
	bool propagate;		/* load those that put a line into requests: propagate.h */
	uint64_t sampled_below; /* traces that begin there: struct sampler's most */
};

enum probe_error {
	PROBE_OK,
	PROBE_NO_RIGHTS, /* message names the capability */
	PROBE_NO_BTF,
	PROBE_TOO_OLD, /* kernel below the floor */
	PROBE_FAILED,
};

/* One line of the feature table. */
struct probe_program {
	const char *name;  /* of the BPF program */
	const char *hook;  /* "tp_btf/sock_send_length" */
	const char *gives; /* what is lost without it */
	bool is_required;
	bool is_attached;
	char reason[160];	    /* why not, when it is not */
	uint64_t run_count, run_ns; /* when BPF statistics are on */
	uint64_t recursion_misses;  /* runs that the kernel left out */
	bool is_aid; /* makes others' records better, makes none: what it misses is not lost */
};

struct probe;

/* Writes one line (no newline) into err on failure. *out is set on success only. */
enum probe_error probe_open(const struct probe_opts *opts, struct probe **out, char *err,
			    size_t size);
void probe_close(struct probe *p); /* detaches everything; NULL accepted */

size_t probe_programs(struct probe *p, struct probe_program *out,
		      size_t max); /* refreshed counts */
enum probe_tier probe_tier(const struct probe *p);
int probe_ring_fd(const struct probe *p);
size_t probe_ring_size(const struct probe *p);
uint64_t
probe_map_memory(const struct probe *p); /* bytes of BPF maps as the kernel accounts them */
uint64_t probe_propagate_memory(const struct probe *p); /* of them what probe_opts.propagate adds */

/* Sums over CPUs. */
void probe_counters(const struct probe *p, uint64_t out[SONDE_CNT_MAX]);

/*
 * Two programs matter to some connections only and cost every other a little: the true start of a
 * send to clients and to threads, the order of reads to threads. Where all processes are observed
 * they are attached at once; where few are, when the first open record asks for them.
 */
void probe_needs_of(struct probe *p, const struct sonde_ev_open *ev);
/* Each second: attaches what makes up for runs that the kernel has begun to leave out. */
void probe_tick(struct probe *p);

/* The programs of TLS libraries' functions: tls_attach.c attaches them, file by file. */
enum probe_tls {
	PROBE_TLS_ENTRY,
	PROBE_TLS_END,
	PROBE_TLS_BOTH, /* entry and, where the program asks for it, return */
	PROBE_TLS_GO,	/* of crypto/tls, at beginnings and at return instructions: go_files.c */
	PROBE_TLS_MAX
};

int probe_tls_program(const struct probe *p, enum probe_tls which); /* its descriptor */
/* Before what is called TLS is attached to, and behind it: the time that its probes' cookies give,
 * the low bits (SONDE_TLS_COOKIE_BITS) being clear. A connection that was made before the end is
 * not one that was watched from its first byte. */
uint64_t probe_tls_attaching(struct probe *p);
void probe_tls_attached(struct probe *p, uint64_t cookie);
int probe_go_program(const struct probe *p); /* of go_files.c; -ENOENT: not loaded */
/* Of real_file.c, an iterator that tells which file this process has mapped at `at`, from now on. */
int probe_mapped_program(struct probe *p, const void *at);
/* NULL: loaded. Else why they are not: not asked for, or what the kernel said. */
const char *probe_tls_off(const struct probe *p);
/* Will more functions be attached to by perf events? Each takes CAP_SYS_ADMIN. */
bool probe_needs_perf(const struct probe *p);
int probe_tls_sessions(const struct probe *p); /* descriptor of the map */

/* The descriptor of a program that others attach. Negative: it is not loaded. */
int probe_program(const struct probe *p, const char *name);
/* For those of propagate.h. Unless port is 0, connections over loopback to that port are looked at,
 * whosever they are, and no others. is_brief: a connection is until its first byte only. */
enum { PROBE_TRIAL_OF_NONE = 1 << 16 };
void probe_set_trial(struct probe *p, uint32_t port, bool is_brief);
/* NULL: the programs of propagate.h are loaded. Else why they are not. */
const char *probe_propagate_off(const struct probe *p);

/* The verdicts, shared with the kernel. */
void probe_verdict(struct probe *p, uint32_t slot, const struct sonde_verdict *v);

/* Tells the kernel about a process: SONDE_P_*. Used for processes older than the observer, and for
 * the Go runtime. */
int probe_set_process(struct probe *p, uint32_t tgid, uint32_t flags);

/* Where processes are asked for by what the kernel does not know (sonde_filter.asks_where): is this
 * one? 0 or -errno. */
int probe_say_where(struct probe *p, uint32_t tgid, bool is_inside);
bool probe_is_inside(const struct probe *p, uint32_t tgid); /* true where that is not asked for */

/* Calls fn for every process whose threads' waits are counted, with what they have come to. */
void probe_each_offcpu(struct probe *p,
		       void (*fn)(void *ctx, uint32_t tgid, const struct sonde_offcpu *o),
		       void *ctx);
void probe_forget_offcpu(struct probe *p, uint32_t tgid); /* from fn too */

/* Likewise for every process that made room in memory, with how long it has in all. */
void probe_each_reclaim(struct probe *p, void (*fn)(void *ctx, uint32_t tgid, uint64_t ns),
			void *ctx);
void probe_forget_reclaim(struct probe *p, uint32_t tgid); /* from fn too */

/* The descriptor of a map that others read: sonde_abi.h says what is in it. Negative: none. */
int probe_map(const struct probe *p, const char *name);

/*
 * A walk over all sockets of TCP that descriptors name: what is open is counted into tcp_tallies
 * under the number of this walk, which counts from 1. A descriptor, the caller's to close, that is
 * read to its end: of each listening socket, as often as it is named, a struct sonde_listener; and
 * one of nothing after every few thousand descriptors, so that a read of one is never long.
 * -ENOENT where there is no such program, or -errno.
 */
int probe_tcp_walk(struct probe *p, uint32_t walk);

/* Calls fn for the cookie of every socket that still has state. 0 or -errno. */
int probe_each_cookie(struct probe *p, void (*fn)(void *ctx, uint64_t cookie), void *ctx);

#endif
