/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Capture, tier 2, for kernels without the socket tier's tracepoints: every system call that sends
 * or receives, at its end, when the registers still hold its arguments. The descriptor leads to the
 * socket, by reading: the verifier does not trust it, so that the state of a connection is found by
 * the socket's address, and the inode tells whether that still is the same socket.
 *
 * Not a file of its own for the compiler: bpftool can link only one object that calls kernel
 * functions.
 */
#ifndef SYSCALL_BPF_H
#define SYSCALL_BPF_H

#include "compat.bpf.h"
#include "datagram.bpf.h"
#include "tls.bpf.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

enum { MESSAGES_MAX = 1024 }; /* UIO_MAXIOV */

/* What a system call did, told by its number, arguments and result. Small, for it lies under the
 * deepest row of calls there is: Linux 6.1 rounds each frame up to 32 bytes. */
struct call {
	s64 ret;
	u64 vec; /* its second argument */
	u32 nr;
	u32 fd;
	u32 other_fd; /* of a splice: where it took from */
	u32 flags;
	u8 dir;
	bool is_many;	 /* a vector of messages: the result counts them */
	bool asks_bytes; /* a result of 0 is the end of the stream */
};

static __always_inline bool call_of(struct pt_regs *regs, struct call *call)
{
	call->nr = CALL_NR(regs);
	call->vec = CALL_ARG2(regs);
	call->fd = CALL_ARG1(regs);
	call->dir = SONDE_RX;
	switch (call->nr) {
	case NR_READ: call->asks_bytes = CALL_ARG3(regs); return true;
	case NR_RECVFROM:
		call->asks_bytes = CALL_ARG3(regs);
		call->flags = CALL_ARG4(regs);
		return true;
	case NR_READV:
	case NR_PREADV2: call->asks_bytes = 1; return true;
	case NR_RECVMMSG:
		call->is_many = 1;
		call->flags = CALL_ARG4(regs);
		return true;
	case NR_RECVMSG:
		call->asks_bytes = 1;
		call->flags = CALL_ARG3(regs);
		return true;
	}
	call->dir = SONDE_TX;
	switch (call->nr) {
	case NR_WRITE:
	case NR_WRITEV:
	case NR_PWRITEV2:
	case NR_SENDFILE: return true;
	case NR_SENDTO: call->flags = CALL_ARG4(regs); return true;
	case NR_SENDMSG: call->flags = CALL_ARG3(regs); return true;
	case NR_SENDMMSG:
		call->is_many = 1;
		call->flags = CALL_ARG4(regs);
		return true;
	case NR_SPLICE:
		call->fd = CALL_ARG3(regs);
		call->other_fd = CALL_ARG1(regs);
		return true;
	}
	return false;
}

/* Apart, as is what follows on the way to the record: old kernels add up the stacks of callers. */
static __noinline bool compat_call_of(struct pt_regs *regs, struct call *call)
{
	struct compat_call c;

	compat_read(regs, &c);
	call->fd = c.args[0];
	call->dir = SONDE_RX;
	switch (c.nr) {
	case COMPAT_READ: call->asks_bytes = c.args[2]; return true;
	case COMPAT_READV: call->asks_bytes = 1; return true;
	case COMPAT_RECVFROM:
		call->asks_bytes = c.args[2];
		call->flags = c.args[3];
		return true;
	case COMPAT_RECVMSG:
		call->asks_bytes = 1;
		call->flags = c.args[2];
		return true;
	}
	call->dir = SONDE_TX;
	switch (c.nr) {
	case COMPAT_WRITE:
	case COMPAT_WRITEV:
	case COMPAT_SENDFILE:
	case COMPAT_SENDFILE64: return true;
	case COMPAT_SENDTO: call->flags = c.args[3]; return true;
	case COMPAT_SENDMSG: call->flags = c.args[2]; return true;
	case COMPAT_SPLICE:
		call->nr = NR_SPLICE;
		call->fd = c.args[2];
		call->other_fd = c.args[0];
		return true;
	}
	return false;
}

struct found {
	struct sock *sk;
	u32 inode;
	u16 family;
	bool is_datagram;
};

/* The socket a descriptor names, of a stream or of UDP. */
static __always_inline bool socket_of(struct task_struct *task, u32 fd, struct found *out)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL, **files;
	struct socket *socket;
	struct inode *inode;
	struct sock *sk;
	u16 type, protocol;

	if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
		return false;
	files = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	inode = BPF_CORE_READ(file, f_inode);
	/* a file of this mode is one of a socket: those in file systems cannot be opened */
	if (!inode || (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	out->sk = sk;
	out->inode = BPF_CORE_READ(inode, i_ino);
	out->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	type = BPF_CORE_READ(socket, type);
	if (out->family == AF_UNIX)
		return type == SOCK_STREAM;
	if (out->family != AF_INET && out->family != AF_INET6)
		return false;
	protocol = BPF_CORE_READ(sk, sk_protocol);
	out->is_datagram = type == SOCK_DGRAM && protocol == IPPROTO_UDP;
	return out->is_datagram || (type == SOCK_STREAM && protocol == IPPROTO_TCP);
}

/* Its state. One that was of another socket at this address makes room; the sweep finds it gone. */
static __always_inline struct conn *conn_found(const struct found *f)
{
	struct conn *c = conn_of(f->sk);

	if (c && c->generation && c->generation != f->inode)
		c = conn_begun(f->sk);
	else if (!c || !c->slot)
		c = conn_new(f->sk);
	if (!c)
		return NULL;
	c->generation = f->inode;
	c->seen = sweep_turn;
	return c;
}

/* The socket's streams, kernel TLS's excepted, whose numbers are not those of what is written. */
static __noinline int place_found(struct op *op, struct sock *sk, struct conn *c, u32 len)
{
	struct actor by = { .c = c, .task = bpf_get_current_task_btf() };
	u32 done = 1U << bpf_core_enum_value(enum sock_flags, SOCK_DONE);
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct tcp_at at;

	if (c->flags & CONN_OWN_SEQ)
		return 0;
	if (BPF_CORE_READ(tp, inet_conn.icsk_ulp_ops)) {
		c->flags |= CONN_OWN_SEQ;
		return 0;
	}
	at.tx_next = BPF_CORE_READ(tp, write_seq);
	at.snd_nxt = BPF_CORE_READ(tp, snd_nxt);
	at.wstamp_ns = BPF_CORE_READ(tp, tcp_wstamp_ns);
	at.rx_next = BPF_CORE_READ(tp, copied_seq);
	/* the peer's FIN, once read, is counted too */
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & done &&
	    at.rx_next == BPF_CORE_READ(tp, rcv_nxt))
		at.rx_next--;
	place(op, &by, &at, len);
	return 0;
}

/* An operation where it was placed. */
struct placed {
	struct op op;
	u32 is_datagram;
	u32 error; /* of a datagram */
};

/* Is the operation's ciphertext told as plaintext? No function of its own: what follows needs all
 * the stack that older kernels give to a chain of calls. */
static __always_inline bool tls_found(struct placed *p, struct conn *c)
{
	struct actor by = { .sk = (struct sock *)p->op.sk, .c = c };

	by.task = bpf_get_current_task_btf();
	return is_plaintext_told(&p->op, &by);
}

/* The same of a datagram: apart, so that the two do not share a stack. */
__noinline int datagram_found(struct placed *p, struct conn *c)
{
	struct datagram d = {};

	if (!p || !c || (!p->op.len && !p->error))
		return 0;
	d.sk = p->op.sk;
	d.msg = p->op.msg;
	d.len = p->op.len;
	d.dir = p->op.dir;
	d.flags = p->op.flags;
	d.error = p->error;
	datagram_capture(&d, c);
	return 0;
}

static __always_inline u32 message_len(u64 vec, u32 i)
{
	u32 len = 0;

	bpf_probe_read_user(
		&len, sizeof(len),
		(void *)(vec + i * sizeof(struct mmsghdr) + offsetof(struct mmsghdr, msg_len)));
	return len > (u32)__INT_MAX__ ? 0 : len;
}

/* A call under way: one operation after the other. The CPU's own, which is held: the stack has no
 * room for it. */
struct messages {
	struct placed at;
	u64 vec;
	u32 n, total;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct messages);
} calls SEC(".maps");

/* What a loop is given has to be on the stack. */
struct messages_at {
	struct messages *m;
};

static long message_add(u32 i, struct messages_at *at)
{
	struct messages *m = at->m;

	if (i >= m->n)
		return 1;
	m->total += message_len(m->vec, i);
	return 0;
}

__weak __noinline int message_add_bare(struct messages *m, u32 i)
{
	struct messages_at at = { m };

	return !is_bare || !m || message_add(i, &at);
}

static __always_inline void placed_capture(struct placed *p)
{
	struct conn *c = conn_of((struct sock *)p->op.sk);

	if (!c)
		return;
	if (p->is_datagram)
		datagram_found(p, c);
	else if (!is_tls_wanted || !tls_found(p, c))
		capture(&p->op, c);
}

/* In both, for a frame of its own is what deep calls lack. */
static __always_inline long message_tell(struct messages *m, u32 i)
{
	struct op *op = &m->at.op;

	if (i >= m->n)
		return 1;
	op->msg = m->vec + i * sizeof(struct mmsghdr);
	op->len = message_len(m->vec, i);
	if (m->at.is_datagram || op->len || op->dir == SONDE_RX)
		placed_capture(&m->at);
	op->seq += op->len;
	return 0;
}

static long message_capture(u32 i, struct messages_at *at)
{
	return message_tell(at->m, i);
}

__weak __noinline int message_capture_bare(struct messages *m, u32 i)
{
	return !is_bare || !m || message_tell(m, i);
}

/* A send that failed leaves no start behind for the next. */
static __always_inline void call_failed(const struct call *call, struct sock *sk, u32 tid)
{
	struct conn *c = conn_of(sk);

	tls_failed(SONDE_TX, c);
	if (c && call->dir == SONDE_TX && c->tx_tid == tid)
		c->tx_start_ns = 0;
}

/* To what socket; NULL: to none, or it failed. */
static __noinline struct conn *call_find(const struct call *call, struct messages *m)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct found f = {};

	m->at.op.dir = call->dir & 1;
	if (!socket_of(task, call->fd, &f)) {
		if (call->nr != NR_SPLICE || !socket_of(task, call->other_fd, &f))
			return NULL;
		m->at.op.dir = SONDE_RX;
	}
	if (call->ret < 0 && !(f.is_datagram && is_of_network(call->ret))) {
		call_failed(call, f.sk, task->pid);
		return NULL;
	}
	m->at.is_datagram = f.is_datagram;
	m->at.op.sk = (u64)f.sk;
	return conn_found(&f);
}

/* Where in its streams; leaves as many messages as there are to capture. */
static __noinline void call_place(const struct call *call, struct messages *m, struct conn *c)
{
	if (m->at.is_datagram && datagram_is_ignored(c))
		return;
	m->at.op.flags = call->flags;
	m->at.op.len = m->total = call->ret;
	m->n = 1;
	if (call->ret < 0) {
		m->at.error = -call->ret;
		m->at.op.len = 0;
		return;
	}
	if (call->is_many) {
		struct messages_at at = { m };

		m->vec = call->vec;
		m->n = call->ret;
		m->total = 0;
		LOOP(i, MESSAGES_MAX, message_add, &at, message_add_bare(m, i));
	}
	if (!m->at.is_datagram)
		place_found(&m->at.op, (struct sock *)m->at.op.sk, c, m->total);
}

/* No function of its own, as tls_found() is none. */
static __always_inline int syscall_ended(struct call *call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct conn *c;
	u32 zero = 0;
	struct messages_at at = { bpf_map_lookup_elem(&calls, &zero) };
	struct messages *m = at.m;

	if (!call || !m)
		return 0;
	__builtin_memset(m, 0, sizeof(*m));
	c = call_find(call, m);
	if (!c || !conn_is_observed(c, task, task->tgid))
		return 0;
	call_place(call, m, c);
	if (!m->n)
		return 0;
	if (call->is_many && !m->at.error)
		LOOP(i, MESSAGES_MAX, message_capture, &at, message_capture_bare(m, i));
	else
		placed_capture(&m->at);
	return 0;
}

/* Apart, for the frame of what calls it lies under the deepest row of calls there is. */
static __noinline void receive_failed(void)
{
	tls_failed(SONDE_RX, NULL);
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(sonde_syscall, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call call = { .ret = ret };
	bool is_held;

	/* the observer's own pass too: that its connections are not wanted is noted on them */
	if (TASK_IS_COMPAT(task) ? !compat_call_of(regs, &call) : !call_of(regs, &call))
		return 0;
	if (call.flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
		return 0;
	if (ret == 0 && !call.asks_bytes)
		return 0;
	if (ret < 0 && call.dir == SONDE_RX) {
		receive_failed();
		if (!is_of_network(ret))
			return 0;
	}
	is_held = cpu_hold(task);
	syscall_ended(&call);
	cpu_release(is_held);
	return 0;
}

/* Marks the connections that some descriptor still names. */
SEC("?iter/task_file")
int sonde_sweep_files(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket;
	struct conn *c;

	if (!file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	c = conn_of(BPF_CORE_READ(socket, sk));
	if (c && c->generation == BPF_CORE_READ(file, f_inode, i_ino))
		c->seen = sweep_turn;
	return 0;
}

/* Then tells of each whether it is alive: its cookie; or gone: the key of what is left of it. One
 * that no descriptor has named yet waits to be accepted. */
SEC("?iter/bpf_map_elem")
int sonde_sweep_conns(struct bpf_iter__bpf_map_elem *ctx)
{
	struct {
		u64 cookie, gone;
	} out = {};
	struct conn *c = ctx->value;
	u64 *at = ctx->key;

	if (!c || !at)
		return 0;
	if (!c->generation || c->seen == sweep_turn)
		out.cookie = c->cookie;
	else if (sweep_turn - c->seen >= 2)
		out.gone = *at;
	else
		return 0;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
