/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Prelude of every BPF program: the maps they share, the configuration, the filter, the ways to
 * count and to submit. One file per hook family includes it; the linker merges the weak maps.
 */
#ifndef SONDE_BPF_H
#define SONDE_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "sonde_abi.h"

#define PF_KTHREAD 0x00200000

#define AF_UNIX	 1
#define AF_INET	 2
#define AF_INET6 10

enum {
	CONN_DECIDED = 1 << 0,	/* the filter has spoken for conn.tgid */
	CONN_OBSERVED = 1 << 1, /* in favour */
	CONN_OPENED = 1 << 2,	/* its open record is in the ring */
	CONN_FRESH = 1 << 3,	/* seen since it was established */
	CONN_FIN_SENT = 1 << 4,
	CONN_OWN_SEQ = 1 << 5, /* no usable TCP sequence numbers: unix, kernel TLS */
	CONN_TLS = 1 << 6,     /* its plaintext is told, and its ciphertext is not */
};

enum { CONN_MARKS = 4, CONN_READERS = 4 };

enum { FRAME_HEAD = 9, FRAMES_STREAMS = 8 };

/* Where one direction of an HTTP/2 connection stands: see frames.bpf.h. */
struct frames {
	u32 next;    /* the byte behind what was followed */
	u32 left;    /* of the payload at hand, still to come */
	u32 wanted;  /* of that, so many first bytes are copied */
	u32 is_busy; /* somebody is at it */
	u8 head[FRAME_HEAD];
	u8 n_head;   /* bytes there are of the next head */
	u8 is_first; /* the payload's first byte tells what its stream's DATA is */
	u8 may_skip;
	u8 is_lost;
	u32 streams[FRAMES_STREAMS]; /* what is known of some */
};

/*
 * State of one socket, living and dying with it. Written without locks: receive side by readers
 * and the softirq that delivers, send side by senders; what two threads can confuse is marked.
 * Laid out by who writes: the value begins 8 bytes into a cache line, so the first 56 bytes, which
 * everybody reads and hardly anybody writes, share one, the marks that the delivering CPU writes
 * have the next to themselves, and the two ends' CPUs do not take turns at a line.
 */
struct conn {
	u64 cookie;
	u64 connect_ns;
	u64 established_ns;
	u32 slot; /* 0: it is only being made, see conn_new() */
	u32 tgid; /* whom the filter spoke about */
	u32 tid;
	u32 fin_tx_seq;
	u8 flags;
	u8 role;
	u8 family;
	u8 tls;		  /* TLS_*: does it look encrypted? */
	u8 tls_tries;	  /* operations that did not */
	u8 tls_is_memory; /* its records are handed over in memory */
	u8 is_framed;	  /* began as HTTP/2, or turned to it: heads of frames lie everywhere */
	u8 is_datagram;	  /* of UDP */
	u32 generation;	  /* syscall tier: the socket's inode, 0 until a descriptor named it */
	u32 seen;	  /* syscall tier: the sweep that last found it in use */

	u32 marks_in, marks_out; /* single producer, single consumer */
	u64 mark_ns[CONN_MARKS]; /* bytes before mark_seq had arrived by mark_ns */
	u32 mark_seq[CONN_MARKS];
	u64 pad;

	u64 skipped_ns[2]; /* completion of the last operation left out, by direction */
	u64 tx_start_ns;   /* a send under way: when, who, where */
	u32 tx_tid;
	u32 tx_seq;
	u32 tx_other;
	u32 lost[2];
	u32 own_seq[2];
	u32 run; /* bytes copied since the direction last changed */
	u8 last_dir;
	u8 follows[2]; /* FRAMES_*, by direction */
	u32 feed_tid;
	u64 feed_first_ns; /* unix: the sender's thread delivered to this socket */
	u64 feed_last_ns;
	u32 reader_tid[CONN_READERS]; /* programs of several threads: where a reader's read ended */
	u32 reader_seq[CONN_READERS];
	u32 rx_next; /* where the last read known ended */
	u64 tls_ssl; /* the TLS library's object, key of its session; 0: none is known */

	u64 told_sent, told_received; /* tcp.bpf.h: how far the socket's counters are counted */
	u64 tcp_seen_ns;	      /* a walk first found it */
	u32 told_retransmits;
	u32 tcp_walk; /* the last to find it */
	u8 tcp_role;  /* of one that is older than the observer, by the port */
	u8 tcp_is_begun;
	u8 is_over; /* its end was told: in the syscall tier the address may be another's by now */
	u8 tcp_closed_windows; /* 1 << enum sonde_dir: of which a walk found the window closed */
	u32 is_port_off;       /* its ports are not asked for */

	struct frames frames[2]; /* by direction */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps") __weak;

/* Where a socket's own storage is refused (its address was read from a descriptor): by address. */
enum { CONNS_MAX = 65536 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CONNS_MAX);
	__type(key, u64);
	__type(value, struct conn);
} conns_at SEC(".maps") __weak;

/* Never written: what a connection begins as. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct conn);
} blanks SEC(".maps") __weak;

/* One ring by default; N rings and N readers share nothing. Chosen by connection. */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SONDE_SLOTS);
	__type(key, u32);
	__type(value, struct sonde_verdict);
} verdicts SEC(".maps") __weak;

struct counters {
	u64 n[SONDE_CNT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters SEC(".maps") __weak;

/* Known processes: SONDE_P_* by tgid. Evicted ones are decided again at their next operation. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u32);
} processes SEC(".maps") __weak;

const volatile struct sonde_filter filter __weak = {};
/* The tier: operations come from their tracepoints, or from the ends of system calls. */
const volatile __u32 is_syscall_tier __weak = 0;
/* Plaintext of TLS is asked for. */
const volatile __u32 is_tls_wanted __weak = 0;
/* The kernel is older than Linux 5.17: loop.bpf.h. */
const volatile __u32 is_bare __weak = 0;
const volatile __u32 n_rings __weak = 1;
const volatile __u32 ring_bytes __weak = 64 * 1024;
/* The observer itself, in the root pid namespace; written by sonde_self at start. */
__u32 self_tgid __weak;
__u32 next_slot __weak;
/* A Go program is among the observed; written by user space. */
__u32 go_seen __weak;
__u64 next_cookie __weak;
__u32 sweep_turn __weak;
__u64 ring_woken_at __weak; /* how far it was filled when its reader was woken last */

static __always_inline void count(enum sonde_counter what)
{
	u32 zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c) /* one program can interrupt another */
		__sync_fetch_and_add(&c->n[what], 1);
}

/* The sums of that key, begun at zero if there were none. NULL: there is no room, which is counted.
 */
static __always_inline void *tally_of(void *map, const void *key, const void *zero)
{
	void *sums = bpf_map_lookup_elem(map, key);

	if (sums)
		return sums;
	bpf_map_update_elem(map, key, zero, BPF_NOEXIST);
	sums = bpf_map_lookup_elem(map, key);
	if (!sums)
		count(SONDE_CNT_NO_TALLY);
	return sums;
}

static __always_inline void *ring_of(u32 slot)
{
	u32 i = n_rings > 1 ? slot % n_rings : 0;

	return bpf_map_lookup_elem(&rings, &i);
}

/* The reader polls by a timer; it is woken early only when a quarter of the ring waits for it, and
 * once for each quarter: one that is late for want of a CPU is no sooner there for being woken
 * again, which is an interrupt each time. Asked once in a while: the answer lies in a cache line
 * that the reader writes. */
static __always_inline u64 ring_flags(void *ring, u32 turn)
{
	u64 quarter = ring_bytes / 4, at;

	if (turn & 15 || bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) <= quarter)
		return BPF_RB_NO_WAKEUP;
	at = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
	if (at - ring_woken_at < quarter)
		return BPF_RB_NO_WAKEUP;
	ring_woken_at = at;
	return BPF_RB_FORCE_WAKEUP;
}

/* Room for a record that is not an operation's, its head filled in and the rest clean: what the
 * ring held there before, of other processes perhaps, is nobody's to read. One that finds no room
 * is counted. To be given to control_submit(). */
static __always_inline void *control_new(u32 slot, u16 kind, u32 size)
{
	void *ring = ring_of(slot);
	struct sonde_ev_hdr *h = ring ? bpf_ringbuf_reserve(ring, size, 0) : NULL;

	if (!h) {
		count(SONDE_CNT_LOST_CONTROL);
		return NULL;
	}
	__builtin_memset(h, 0, size);
	h->kind = kind;
	h->size = size;
	h->ts_ns = bpf_ktime_get_ns();
	return h;
}

static __always_inline void control_submit(void *record)
{
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family;

	return (family == AF_INET || family == AF_INET6) && sk->sk_protocol == IPPROTO_TCP;
}

static __always_inline bool is_udp(const struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family;

	return (family == AF_INET || family == AF_INET6) && sk->sk_protocol == IPPROTO_UDP;
}

static __always_inline bool is_unix_stream(const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_UNIX && sk->sk_type == SOCK_STREAM;
}

#endif
