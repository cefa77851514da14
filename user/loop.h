/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one event loop: descriptors, timers and signals through epoll. Callbacks do bounded work and
 * come back; nothing blocks, nothing runs beside it.
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

enum { LOOP_WATCHES_MAX = 32 };

typedef void (*loop_fn)(void *ctx);

struct loop;

struct loop *loop_new(void);	/* NULL: errno */
void loop_free(struct loop *l); /* closes its timers, not the descriptors given to it; NULL ok */

/* Calls fn whenever fd is readable. 0 or -errno; -ENOSPC beyond LOOP_WATCHES_MAX. */
int loop_watch(struct loop *l, int fd, loop_fn fn, void *ctx);

/* Calls fn once per wake-up of fd, not as long as it is readable: for the ring, which wakes at its
 * fill mark only and is otherwise read by a timer. 0 or -errno. */
int loop_watch_edge(struct loop *l, int fd, loop_fn fn, void *ctx);

/* Calls fn every interval_ns. Turns that were missed are not made up for. Returns the timer's
 * descriptor, for loop_timer_set(), or -errno. */
int loop_timer(struct loop *l, uint64_t interval_ns, loop_fn fn, void *ctx);
int loop_timer_set(int timer, uint64_t interval_ns); /* 0: off; 0 or -errno */

/* Calls fn when the process is sent signo, which is blocked for everything else. 0 or -errno. */
int loop_signal(struct loop *l, int signo, loop_fn fn, void *ctx);

/* Turns until loop_stop(). 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
