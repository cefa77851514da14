// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A traceparent in outgoing requests, when it was asked for and of the processes it was asked for.
 * Their client sockets are put into a map of sockets as they are established; from then on each of
 * their sends is shown to sonde_request before TCP takes it. It looks at the first bytes of each
 * request and at nothing else: a body passes by its length alone. When in doubt it passes, and
 * looks at that connection no more.
 *
 * What is never done: to hold back bytes (they would be lost with the observer), to send them
 * elsewhere, to take part in what is received.
 */
#include "conn.bpf.h"
#include "head.bpf.h"
#include "inject.bpf.h"

/* enum of linux/bpf.h without a name, and so not in vmlinux.h under these */
#define OPS_ESTABLISHED	 4	  /* BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB */
#define OPS_RECEIVED	 13	  /* BPF_SOCK_OPS_PARSE_HDR_OPT_CB */
#define OPS_SENDS	 14	  /* BPF_SOCK_OPS_HDR_OPT_LEN_CB */
#define OPS_ASK_RECEIVED (1 << 4) /* BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG */
#define OPS_ASK_SENDS	 (1 << 6) /* BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG */

#define LOOPBACK 0x7f000001

#define O_NONBLOCK 04000 /* asm-generic/fcntl.h */

enum {
	ROOMS = 64,
	ROOMS_TRIED = 4,
	BODY_MAX = 1 << 30,	 /* numbers are compared modulo 2^32 */
	IN_ONE_PIECE = 32 << 10, /* what TCP is given at once, as it would be without us */
};

/* A connection of those processes. Written under the socket's lock. */
struct speaker {
	u64 cookie;
	u32 next;   /* where the next request begins */
	u32 read;   /* how much had been read when the last one did */
	u32 is_off; /* looked at no more */
	u32 is_brief;
	u32 has_asked;
	u32 is_staying; /* off, and found no room among those that leave */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct speaker);
} speakers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1); /* set at load */
	__type(key, u64);
	__type(value, u64);
} speaking SEC(".maps");

/* Cookies of those that are off: user space takes them out of the map. Who finds no room is
 * counted, passes everything, and asks again with each of its sends. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4096);
	__type(value, u64);
} leaving SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROOMS);
	__type(key, u32);
	__type(value, struct head_room);
} heads SEC(".maps");

struct passes {
	u64 n[SONDE_PASSED_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct passes);
} passes SEC(".maps");

/* A trace that begins here is sampled if the last 56 bits of its id are less: trace/sampler.h. */
const volatile __u64 sampled_below = 1ULL << 56;

/* Some kernels tell a program with FIONREAD that nothing is there to be read, for as long as its
 * socket is in a map (tcp_bpf_ioctl(), Linux 6.18.44 among them). There a connection is looked at
 * until its first byte in either direction, and let go before anybody could ask. */
__u32 is_brief;
/* Not 0: the observer tries it all on a connection of its own, over loopback to this port, and no
 * other is looked at. */
__u32 trial_port;

/*
 * A receive that waits on a socket in a map fails with EAGAIN where it is woken for anything but
 * data: by a signal, by the end of its own way being acknowledged, by room to send
 * (tcp_bpf_recvmsg(); that of TCP goes on waiting). Who never waits is used to EAGAIN; any other's
 * connection is let go with its first request, before the answer can be waited for.
 */
static __always_inline bool may_wait(struct tcp_sock *tp)
{
	struct sock *sk = (struct sock *)tp;

	if (!tp || trial_port)
		return !tp;
	return !(BPF_CORE_READ(sk, sk_socket, file, f_flags) & O_NONBLOCK);
}

static __always_inline bool is_wanted(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct conn *c;

	if (trial_port)
		return bpf_ntohl(ops->remote_port) == trial_port &&
		       ops->remote_ip4 == bpf_htonl(LOOPBACK);
	c = conn_of((struct sock *)sk);
	return c && c->role == SONDE_ROLE_CLIENT && c->flags & CONN_OBSERVED;
}

static __always_inline void tell_passed(enum sonde_passed what)
{
	u32 zero = 0;
	struct passes *p = bpf_map_lookup_elem(&passes, &zero);

	if (p)
		__sync_fetch_and_add(&p->n[what], 1);
}

static __always_inline void begin(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct speaker *sp;
	u64 cookie;

	if (!is_wanted(ops, sk))
		return;
	if (ops->data_segs_out) { /* it has begun already: TCP Fast Open */
		tell_passed(SONDE_PASSED_UNSEEN);
		return;
	}
	cookie = bpf_get_socket_cookie(ops);
	sp = bpf_sk_storage_get(&speakers, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (sp) {
		sp->cookie = cookie;
		sp->next = ops->snd_nxt;
		sp->is_brief = is_brief || may_wait(bpf_skc_to_tcp_sock(sk));
	}
	if (!sp || bpf_sock_hash_update(ops, &speaking, &cookie, BPF_NOEXIST)) {
		tell_passed(SONDE_PASSED_NO_ROOM);
		return;
	}
	if (sp->is_brief)
		bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | OPS_ASK_SENDS |
						       OPS_ASK_RECEIVED);
}

/* A send that is under way still ends as it began: it has the socket's lock, and counts. */
static __always_inline void let_go(struct bpf_sock_ops *ops)
{
	u64 cookie = bpf_get_socket_cookie(ops);

	bpf_map_delete_elem(&speaking, &cookie);
	bpf_sock_ops_cb_flags_set(ops,
				  ops->bpf_sock_ops_cb_flags & ~(OPS_ASK_SENDS | OPS_ASK_RECEIVED));
}

static __always_inline bool has_payload(struct bpf_sock_ops *ops)
{
	struct tcphdr *h = ops->skb_data;

	if ((void *)(h + 1) > ops->skb_data_end)
		return true;
	return ops->skb_len > h->doff * 4;
}

SEC("?sockops")
int sonde_speaker(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct speaker *sp;

	if (!sk)
		return 1;
	switch (ops->op) {
	case OPS_ESTABLISHED: begin(ops, sk); break;
	case OPS_SENDS:
		sp = bpf_sk_storage_get(&speakers, sk, NULL, 0);
		if (sp && sp->is_brief && ops->skb_len)
			let_go(ops);
		break;
	case OPS_RECEIVED:
		sp = bpf_sk_storage_get(&speakers, sk, NULL, 0);
		if (sp && sp->is_brief && has_payload(ops))
			let_go(ops);
		break;
	}
	return 1;
}

static __always_inline void leave(struct speaker *sp)
{
	u64 cookie = sp->cookie;
	bool was_staying = sp->is_staying;

	sp->is_off = 1;
	if (sp->is_brief) /* it goes with this send */
		return;
	/* BPF_ANY: nobody who waits there is put out for it */
	sp->is_staying = bpf_map_push_elem(&leaving, &cookie, BPF_ANY) != 0;
	if (sp->is_staying && !was_staying)
		count(SONDE_CNT_NO_LEAVING);
}

static __always_inline void give_up(struct speaker *sp, enum sonde_passed why)
{
	tell_passed(why);
	leave(sp);
}

/* A thread that lost its CPU may have the first one still. */
static __always_inline struct head_room *room_take(void)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	for (u32 n = 0; n < ROOMS_TRIED; n++) {
		u32 i = (tid + n * (ROOMS / ROOMS_TRIED)) % ROOMS;
		struct head_room *r = bpf_map_lookup_elem(&heads, &i);

		if (r && !__sync_val_compare_and_swap(&r->is_taken, 0, 1))
			return r;
	}
	return NULL;
}

static __always_inline void room_give(struct head_room *r)
{
	__sync_val_compare_and_swap(&r->is_taken, 1, 0);
}

static __always_inline u64 random64(void)
{
	u64 v = (u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();

	return v ?: 1; /* all zero is no id */
}

static __always_inline void put_hex(char *to, u64 v)
{
	for (int i = 0; i < 16; i++) {
		u8 c = v >> (60 - 4 * i) & 15;

		to[i] = c < 10 ? '0' + c : 'a' - 10 + c;
	}
}

/* W3C Trace Context level 1, 3.2 */
static __always_inline void put_line(char *to)
{
	u64 high = random64(), low = random64();

	__builtin_memcpy(to, "traceparent: 00-", 16);
	put_hex(to + 16, high);
	put_hex(to + 32, low);
	to[48] = '-';
	put_hex(to + 49, random64());
	__builtin_memcpy(to + 65, "-00\r\n", 5);
	if ((low & BYTES(7)) < sampled_below)
		to[67] = '1';
}

/* The line has been made room for at `at`: 0 when it is in place and the head in one piece. */
static __always_inline int fill(struct sk_msg_md *msg, const char *line, u32 at, u32 all)
{
	char *data;

	if (bpf_msg_pull_data(msg, at, at + SONDE_INJECTED_LEN, 0))
		return -1;
	data = msg->data;
	if ((void *)(data + SONDE_INJECTED_LEN) > msg->data_end)
		return -1;
	__builtin_memcpy(data, line, SONDE_INJECTED_LEN);
	/* What TCP is given in several pieces it may send as several segments, or take a part of. */
	return bpf_msg_pull_data(msg, 0, all, 0) ? -1 : 0;
}

/* Puts the line behind the first one. How many bytes that made. */
static __always_inline u32 inject(struct sk_msg_md *msg, struct head_room *r, const struct head *h,
				  struct tcp_sock *tp)
{
	struct injection in = { .sk = (u64)tp, .seq = tp->write_seq, .is.at = h->first };
	u32 tid = (u32)bpf_get_current_pid_tgid(), all = msg->size + SONDE_INJECTED_LEN;

	put_line(r->line);
	__builtin_memcpy(in.is.line, r->line, SONDE_INJECTED_LEN);
	if (bpf_map_update_elem(&injections, &tid, &in, BPF_ANY))
		return 0;
	if (all > IN_ONE_PIECE)
		all = h->end + SONDE_INJECTED_LEN;
	if (bpf_msg_push_data(msg, h->first, SONDE_INJECTED_LEN, 0) == 0) {
		if (fill(msg, r->line, h->first, all) == 0)
			return SONDE_INJECTED_LEN;
		bpf_msg_pop_data(msg, h->first, SONDE_INJECTED_LEN, 0);
	}
	bpf_map_delete_elem(&injections, &tid);
	return 0;
}

/*
 * May a line be put in? A send that TCP cannot take now says how much of it was taken, and ours
 * must not be among what was not: so only where TCP has nothing to send and will take the head into
 * one segment; and where the last answer was read, so that the head is what this call begins with.
 */
static __always_inline enum sonde_passed may_inject(const struct speaker *sp, const struct head *h,
						    struct tcp_sock *tp)
{
	if (h->flags & HEAD_TRACED)
		return SONDE_PASSED_OWN;
	if (h->flags & HEAD_UPGRADE)
		return SONDE_PASSED_UPGRADE;
	if (sp->has_asked && tp->copied_seq == sp->read)
		return SONDE_PASSED_AHEAD;
	if (tp->snd_nxt != tp->write_seq || h->first + SONDE_INJECTED_LEN > tp->mss_cache)
		return SONDE_PASSED_UNSENT;
	return SONDE_PASSED_NOT;
}

static __always_inline void request(struct sk_msg_md *msg, struct speaker *sp, struct tcp_sock *tp,
				    struct head_room *r, u32 n)
{
	struct head_walk w = { .r = r };
	u32 size = msg->size, put;
	enum sonde_passed what;

	head_read(&w, n);
	if (!w.h.end || w.h.flags & HEAD_DOUBT || w.h.length > BODY_MAX ||
	    (w.h.flags & HEAD_CHUNKED && w.h.flags & HEAD_LENGTH)) {
		give_up(sp, w.h.flags & HEAD_OTHER ? SONDE_PASSED_NOT_HTTP : SONDE_PASSED_DOUBT);
		return;
	}
	/* another one behind it, or a body that was not announced */
	if (!(w.h.flags & HEAD_CHUNKED) && size > w.h.end + w.h.length) {
		give_up(sp, SONDE_PASSED_MORE);
		return;
	}
	sp->next = tp->write_seq + w.h.end + w.h.length;
	what = may_inject(sp, &w.h, tp);
	if (what == SONDE_PASSED_NOT) {
		put = inject(msg, r, &w.h, tp);
		if (!put)
			what = SONDE_PASSED_NO_ROOM;
		sp->next += put;
	}
	tell_passed(what);
	sp->read = tp->copied_seq;
	sp->has_asked = 1;
	if (sp->is_brief || w.h.flags & (HEAD_CHUNKED | HEAD_UPGRADE) || may_wait(tp))
		leave(sp);
}

/* The head's bytes, in the room. How many; 0: it is not one, and why. */
static __always_inline u32 head_copy(struct sk_msg_md *msg, struct head_room *r,
				     enum sonde_passed *why)
{
	u32 n = msg->size < HEAD_MAX ? msg->size : HEAD_MAX;
	char *data = msg->data, *end = msg->data_end;

	*why = SONDE_PASSED_NO_ROOM;
	if (end - data < n) {
		if (bpf_msg_pull_data(msg, 0, n, 0))
			return 0;
		data = msg->data;
		end = msg->data_end;
	}
	*why = SONDE_PASSED_NOT_HTTP;
	if (data + HEAD_LEAST > end) {
		char c = 0;

		if (!bpf_probe_read_kernel(&c, n > 0, data) && c >= 'A' && c <= 'Z')
			*why = SONDE_PASSED_DOUBT; /* it may be the beginning of one */
		return 0;
	}
	if (!is_method(*(u64 *)data) || n > end - data)
		return 0;
	asm volatile("" : "+r"(n));
	if (n > HEAD_MAX)
		return 0;
	return bpf_probe_read_kernel(r->bytes, n, data) ? 0 : n;
}

/* What is sent where a request begins. */
static __always_inline void look(struct sk_msg_md *msg, struct speaker *sp, struct tcp_sock *tp)
{
	enum sonde_passed why = SONDE_PASSED_NO_ROOM;
	struct head_room *r = room_take();
	u32 n = r ? head_copy(msg, r, &why) : 0;

	if (n)
		request(msg, sp, tp, r, n);
	else
		give_up(sp, why);
	if (r)
		room_give(r);
}

SEC("?sk_msg")
int sonde_request(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct speaker *sp;
	struct tcp_sock *tp;
	u32 ahead;

	if (!sk)
		return SK_PASS;
	sp = bpf_sk_storage_get(&speakers, sk, NULL, 0);
	if (!sp)
		return SK_PASS;
	if (sp->is_off) {
		if (sp->is_staying)
			leave(sp);
		return SK_PASS;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return SK_PASS;
	ahead = sp->next - tp->write_seq;
	if (ahead) {
		/* within a body; else something has gone by unseen */
		if (ahead > BODY_MAX + HEAD_MAX || msg->size > ahead)
			give_up(sp, SONDE_PASSED_UNSEEN);
		return SK_PASS;
	}
	look(msg, sp, tp);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
