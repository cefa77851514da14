// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* TCP beyond the beginning and the end of connections: resets, and a walk over all open sockets. */
#include "again.bpf.h"
#include "tcp.bpf.h"

/* Ports of this host that somebody listens on: what a connection older than the observer was
 * accepted from. */
struct port_key {
	u32 netns;
	u32 port;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct port_key);
	__type(value, u32); /* the walk that last found it */
} tcp_listeners SEC(".maps");

enum { WALK_PIECE = 4096 }; /* descriptors, a power of two: a millisecond or so */

__u32 tcp_walk; /* number of the walk under way, from 1; written by user space */
__u32 tcp_walked;

static __always_inline int reset_seen(struct sock *sk, u32 dir)
{
	struct conn *c = conn_of(sk);
	struct sonde_tcp *t;

	if (!c || !(c->flags & CONN_OBSERVED) || c->is_datagram)
		return 0;
	t = tcp_tally(sk, c->tgid, c->role ? c->role : c->tcp_role);
	if (t)
		tcp_add(&t->resets[dir], 1);
	return 0;
}

SEC("?tp_btf/tcp_receive_reset")
int BPF_PROG(sonde_reset_in, struct sock *sk)
{
	turn_take(TURNS_RESET_IN, sk);
	return reset_seen(sk, SONDE_RX);
}

SEC("?tp_btf/tcp_receive_reset")
int BPF_PROG(sonde_reset_in_again, struct sock *sk)
{
	return turn_is_mine(TURNS_RESET_IN, sk) ? reset_seen(sk, SONDE_RX) : 0;
}

/* There may be no socket: somebody knocked at a port that nobody listens on. */
SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(sonde_reset_out, struct sock *sk)
{
	if (!sk)
		return 0;
	turn_take(TURNS_RESET_OUT, sk);
	return reset_seen(sk, SONDE_TX);
}

SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(sonde_reset_out_again, struct sock *sk)
{
	return sk && turn_is_mine(TURNS_RESET_OUT, sk) ? reset_seen(sk, SONDE_TX) : 0;
}

static __always_inline struct port_key port_of(const struct sock *sk)
{
	return (struct port_key){
		.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum),
		.port = sk->__sk_common.skc_num,
	};
}

static __noinline void tell_listener(struct seq_file *seq, struct file *file, struct sock *sk,
				     u32 tgid)
{
	struct sonde_listener out = {
		.socket = (u64)sk,
		.inode = BPF_CORE_READ(file, f_inode, i_ino),
		.tgid = tgid,
		.waiting = sk->sk_ack_backlog,
		.room = sk->sk_max_ack_backlog,
		.drops = sk->sk_drops.counter,
	};
	struct port_key key = port_of(sk);
	u32 walk = tcp_walk;

	if (bpf_map_update_elem(&tcp_listeners, &key, &walk, BPF_ANY))
		count(SONDE_CNT_NO_TALLY);
	if (!filter_wants_ports(key.port, 0))
		return;
	bpf_seq_write(seq, &out, sizeof(out));
}

/* Which end an old connection is; 0: the first walk may find a listener only after what it has
 * accepted, so it leaves open what the second decides. */
static __always_inline u32 role_of(struct sock *sk, struct conn *c)
{
	struct port_key key = port_of(sk);
	u32 *found;

	if (c->role || c->tcp_role)
		return c->role ? c->role : c->tcp_role;
	found = bpf_map_lookup_elem(&tcp_listeners, &key);
	if (found)
		c->tcp_role = SONDE_ROLE_SERVER;
	else if (tcp_walk > 1)
		c->tcp_role = SONDE_ROLE_CLIENT;
	return c->tcp_role;
}

static __always_inline void count_windows(struct conn *c, const struct tcp_sock *tp,
					  struct sonde_tcp *t)
{
	u8 closed = !tp->rcv_wnd << SONDE_TX | !tp->snd_wnd << SONDE_RX;
	u8 newly = closed & ~c->tcp_closed_windows;

	tcp_add(&t->zero_windows[SONDE_TX], newly >> SONDE_TX & 1);
	tcp_add(&t->zero_windows[SONDE_RX], newly >> SONDE_RX & 1);
	c->tcp_closed_windows = closed;
}

/* One thread walks at a time, so these are not contended. */
static __always_inline void count_open(struct conn *c, struct sonde_tcp *t)
{
	u64 since = c->established_ns ? c->established_ns : c->tcp_seen_ns;

	if (t->walk != tcp_walk) {
		t->walk = tcp_walk;
		t->active = 0;
		t->oldest_ns = since;
	}
	t->active++;
	if (since < t->oldest_ns)
		t->oldest_ns = since;
}

static __noinline void walk_connection(struct sock *sk, u32 tgid)
{
	struct conn *c = conn_of(sk);
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct sonde_tcp *t;
	u32 role;

	/* by the socket's address alone the other tier could not tell when it is gone */
	if (!is_syscall_tier && (!c || !c->slot))
		c = conn_new(sk);
	if (!c || !tp || c->tcp_walk == tcp_walk || c->is_port_off)
		return;
	c->tcp_walk = tcp_walk;
	if (!c->tcp_seen_ns)
		c->tcp_seen_ns = bpf_ktime_get_ns();
	role = role_of(sk, c);
	if (!role || (c->flags & CONN_DECIDED && !(c->flags & CONN_OBSERVED)))
		return;
	/* accepted, and not used yet: whose it is the descriptor says */
	t = tcp_tally(sk, c->flags & CONN_DECIDED ? c->tgid : tgid, role);
	if (!t)
		return;
	count_open(c, t);
	if (c->flags & CONN_DECIDED) {
		tcp_count(sk, c, tp, t);
		count_windows(c, tp, t);
	}
}

/* Something to read, so that the reader gets its turn. */
static __always_inline void walk_pause(struct seq_file *seq)
{
	const struct sonde_listener nothing = {};

	if (++tcp_walked % WALK_PIECE == 0)
		bpf_seq_write(seq, (void *)&nothing, sizeof(nothing));
}

/* Every descriptor of every process, in all network namespaces. Tells listening sockets, of which
 * several processes may hold the same, and counts connections, each once. */
SEC("?iter/task_file")
int sonde_tcp_walk(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct seq_file *seq;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	seq = ctx->meta->seq;
	walk_pause(seq);
	if (!filter_wanted(task->tgid))
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_tcp(sk) || sk->sk_kern_sock)
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN)
		tell_listener(seq, file, sk, task->tgid);
	else if (sk->__sk_common.skc_state == TCP_ESTABLISHED)
		walk_connection(sk, task->tgid);
	return 0;
}
