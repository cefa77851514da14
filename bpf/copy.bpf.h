/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * An operation's bytes, copied from the process into a record under construction: where they lie is
 * in the registers the thread entered the kernel with.
 */
#ifndef COPY_BPF_H
#define COPY_BPF_H

#include "arch.bpf.h"
#include "loop.bpf.h"

enum { IOVECS_MAX = 1024 }; /* UIO_MAXIOV: the kernel refuses more. memcached fills them */

/* A walk over a vector: what lies before `from` is passed over, `want` bytes are copied, and of the
 * buffer that holds the operation's end, its last bytes. The vector's first elements are read at
 * once: most vectors are a head and a body. */
enum { IOVECS_FIRST = 4 };

struct walk {
	u64 vec;
	struct iovec first[IOVECS_FIRST];
	u32 n_iov, len;
	u32 from, want; /* still to be passed over; to be copied in all */
	u32 at, done;	/* bytes walked; bytes copied */
	int err;
};

/* Where the bytes are in the process: one buffer, or a vector of them. */
struct user_bytes {
	u64 base;  /* of the buffer or of the vector; 0: not known */
	u64 n_iov; /* 0: base is the buffer */
	u64 name;  /* of the peer's address; 0: none is given */
};

/* What is to be copied of an operation behind its first record. */
struct rest {
	struct user_bytes ub;
	u32 seq, at, len, dir;
	u32 is_followed; /* frames tell what of it is copied */
};

/* Plaintext that passed through a TLS library. */
struct tls_text {
	u64 base;
	u64 start_ns, sent_ns, arrival_ns;
	u64 goroutine;
	u32 len, dir;
};

/* A record under construction: one per CPU and direction, since one program can interrupt the
 * other. An array, not a per-CPU one, whose values may not be this large. */
struct scratch {
	struct sonde_ev_data ev;
	u8 bytes[2 * SONDE_COPY_MAX + SONDE_TAIL_MAX];
	u32 turn;
	u32 whole; /* more records follow: here, where the verifier does not tell its values apart */
	u32 at, there;	  /* of the bytes: how far frames were followed, how many there are */
	struct rest rest; /* this and what follows: the stack has no room for it */
	struct walk walk;
	struct tls_text text; /* what tls_takes() tells */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2); /* times the number of CPUs, set at load */
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* An operation's copying begins: of bytes at `base`, or of none known yet. */
static __always_inline void rest_begin(struct scratch *s, u32 dir, u64 base)
{
	s->rest.ub.base = base;
	s->rest.ub.n_iov = s->rest.ub.name = 0;
	s->rest.dir = dir;
	s->rest.is_followed = 0;
}

/*
 * What follows is global where it branches much and is reached on many ways: the verifier walks it
 * once and not in every state its callers may be in, which was most of the time until ready.
 */
__noinline int user_msghdr(u64 at, struct user_bytes *out)
{
	struct user_msghdr msg;

	if (!out || bpf_probe_read_user(&msg, sizeof(msg), (void *)at))
		return 0;
	out->name = (u64)msg.msg_name;
	out->base = (u64)msg.msg_iov;
	out->n_iov = msg.msg_iovlen > IOVECS_MAX ? IOVECS_MAX : msg.msg_iovlen;
	return 0;
}

/* Copies [from, from + want) of an operation of `len` bytes, then its last bytes. */
__noinline int copy_buffer(struct scratch *s, u64 base, u32 from, u32 want, u32 len)
{
	u32 tail = len - from - want;

	if (!s)
		return -1;
	if (want > SONDE_COPY_MAX)
		want = SONDE_COPY_MAX;
	asm volatile("" : "+r"(want));
	if (want > SONDE_COPY_MAX)
		return 0;
	if (bpf_probe_read_user(s->bytes, want, (void *)(base + from)))
		return -1;
	s->ev.copied = want;
	if (!tail)
		return 0;
	if (tail > SONDE_TAIL_MAX)
		tail = SONDE_TAIL_MAX;
	asm volatile("" : "+r"(tail));
	tail &= 31;
	if (bpf_probe_read_user(s->bytes + want, tail, (void *)(base + len - tail)))
		return -1;
	s->ev.tail = tail;
	return 0;
}

static long copy_piece(struct scratch *s, u64 base, u32 n)
{
	u32 to = s->walk.done;

	asm volatile("" : "+r"(n), "+r"(to));
	n &= 2 * SONDE_COPY_MAX - 1;
	if (n > SONDE_COPY_MAX)
		n = SONDE_COPY_MAX;
	to &= SONDE_COPY_MAX - 1;
	return bpf_probe_read_user(s->bytes + to, n, (void *)base);
}

static long copy_tail(struct scratch *s, u64 end, u64 size)
{
	u32 n = size < SONDE_TAIL_MAX ? size : SONDE_TAIL_MAX, to = s->walk.done;

	asm volatile("" : "+r"(n), "+r"(to));
	n &= 31;
	to &= 2 * SONDE_COPY_MAX - 1;
	if (to > SONDE_COPY_MAX)
		to = SONDE_COPY_MAX;
	s->ev.tail = n;
	return bpf_probe_read_user(s->bytes + to, n, (void *)(end - n));
}

/* What a loop is given has to be on the stack. */
struct walk_at {
	struct scratch *s;
};

static long walk_one(u32 i, struct scratch *s)
{
	struct walk *w = &s->walk;
	struct iovec iov;
	u64 base, size, n;

	if (i >= w->n_iov || w->at >= w->len)
		return 1;
	if (i < IOVECS_FIRST) {
		iov = w->first[i];
	} else {
		w->err = bpf_probe_read_user(&iov, sizeof(iov), (void *)(w->vec + i * sizeof(iov)));
		if (w->err)
			return 1;
	}
	base = (u64)iov.iov_base;
	size = iov.iov_len;
	if (size > w->len - w->at)
		size = w->len - w->at;
	w->at += size;
	n = w->from < size ? w->from : size;
	w->from -= n;
	base += n;
	size -= n;
	if (size && w->done < w->want) {
		n = size < w->want - w->done ? size : w->want - w->done;
		w->err = copy_piece(s, base, n);
		if (w->err)
			return 1;
		w->done += n;
		base += n;
		size -= n;
	}
	if (w->at >= w->len && size)
		w->err = copy_tail(s, base + size, size);
	return w->err != 0;
}

static long walk_rest(u32 i, struct walk_at *at)
{
	return walk_one(i + 2, at->s);
}

__weak __noinline int walk_bare(struct scratch *s, u32 i)
{
	return !is_bare || !s || walk_one(i + 2, s);
}

__noinline int copy_vector(struct scratch *s, u64 vec, u32 n_iov, u32 from, u32 want)
{
	u32 n = n_iov < IOVECS_FIRST ? n_iov : IOVECS_FIRST;
	struct walk_at at = { s };
	struct walk *w;

	if (!s)
		return -1;
	w = &s->walk;
	w->vec = vec;
	w->n_iov = n_iov;
	w->len = s->ev.len;
	w->from = from;
	w->want = want;
	w->at = w->done = w->err = 0;
	asm volatile("" : "+r"(n));
	n &= 2 * IOVECS_FIRST - 1;
	if (n > IOVECS_FIRST)
		n = IOVECS_FIRST;
	if (bpf_probe_read_user(w->first, n * sizeof(struct iovec), (void *)vec))
		return -1;
	if (!walk_one(0, s) && !walk_one(1, s) && n_iov > 2)
		LOOP(i, IOVECS_MAX, walk_rest, &at, walk_bare(s, i));
	s->ev.copied = w->done;
	return w->err;
}

#endif
