// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Where Go hands a request from one goroutine to another: net/http's persistConn.roundTrip gives it
 * to the connection's own goroutine to write. The caller and the connection are told; user space
 * attaches this to each program that has the function.
 */
#include "arch.bpf.h"
#include "filter.bpf.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

/*
 * What lies where, since Go 1.13: the connection is the fourth field of persistConn, behind an
 * interface, a pointer and a key of three strings and a bool; an interface is two words, of which
 * the second points to a net.TCPConn, which is a pointer to a netFD, which begins with a poll.FD,
 * whose descriptor is behind its 16 bytes of lock. Within TLS it points to a crypto/tls.Conn, which
 * begins with such an interface. Should it be otherwise it ends at no socket.
 */
enum { CONN_AT = 16 + 8 + 56 + 8, WRAPPED_AT = 8, DESCRIPTOR_AT = 16 };

static __always_inline u64 pointer_at(u64 at)
{
	u64 p = 0;

	return bpf_probe_read_user(&p, sizeof(p), (void *)at) ? 0 : p;
}

static __always_inline u64 descriptor_of(u64 conn)
{
	u64 fd = ~0ULL;

	bpf_probe_read_user(&fd, sizeof(fd), (void *)(pointer_at(conn) + DESCRIPTOR_AT));
	return fd;
}

/* 0: no socket of TCP, or one that nobody has asked the cookie of. */
static __always_inline u64 cookie_of(struct task_struct *task, u64 fd)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = NULL;
	struct socket *sock;
	struct inode *inode;
	struct sock *sk;

	if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	files = BPF_CORE_READ(fdt, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	if (!inode || (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	sock = BPF_CORE_READ(file, private_data);
	sk = sock ? BPF_CORE_READ(sock, sk) : NULL;
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

/* Does not hold the CPU (hold.bpf.h), and need not: below 64 bytes its stack is its thread's own. */
SEC("?uprobe")
int sonde_go_round_trip(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 *known = bpf_map_lookup_elem(&processes, &tgid);
	u64 conn = GO_ARG1(ctx), goroutine = GO_G(ctx), cookie;
	struct sonde_ev_handover *ev;

	if (!known || !(*known & SONDE_P_GO))
		return 0;
	conn = pointer_at(conn + CONN_AT);
	cookie = cookie_of(task, descriptor_of(conn));
	if (!cookie)
		cookie = cookie_of(task, descriptor_of(pointer_at(conn + WRAPPED_AT)));
	ev = cookie ? control_new(0, SONDE_EV_HANDOVER, sizeof(*ev)) : NULL;
	if (!ev)
		return 0;
	ev->cookie = cookie;
	ev->goroutine = goroutine;
	ev->tgid = tgid;
	ev->tid = (u32)bpf_get_current_pid_tgid();
	control_submit(ev);
	return 0;
}
