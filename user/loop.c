/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "util/clock.h"

enum watch_kind { WATCH_FD, WATCH_EDGE, WATCH_TIMER, WATCH_SIGNAL };

struct watch {
	int fd;
	enum watch_kind kind;
	loop_fn fn;
	void *ctx;
};

struct loop {
	int epoll;
	bool is_stopped;
	size_t n;
	struct watch watches[LOOP_WATCHES_MAX];
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->watches[i].kind == WATCH_TIMER || l->watches[i].kind == WATCH_SIGNAL)
			close(l->watches[i].fd);
	close(l->epoll);
	free(l);
}

static int add(struct loop *l, int fd, enum watch_kind kind, loop_fn fn, void *ctx)
{
	struct epoll_event ev = { .events = EPOLLIN | (kind == WATCH_EDGE ? EPOLLET : 0) };

	if (l->n == LOOP_WATCHES_MAX)
		return -ENOSPC;
	ev.data.u64 = l->n;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->watches[l->n++] = (struct watch){ fd, kind, fn, ctx };
	return 0;
}

/* Takes the descriptor over: closed at once when it cannot be added. */
static int add_owned(struct loop *l, int fd, enum watch_kind kind, loop_fn fn, void *ctx)
{
	int err;

	if (fd < 0)
		return -errno;
	err = add(l, fd, kind, fn, ctx);
	if (err)
		close(fd);
	return err ? err : fd;
}

int loop_watch(struct loop *l, int fd, loop_fn fn, void *ctx)
{
	return add(l, fd, WATCH_FD, fn, ctx);
}

int loop_watch_edge(struct loop *l, int fd, loop_fn fn, void *ctx)
{
	return add(l, fd, WATCH_EDGE, fn, ctx);
}

int loop_timer_set(int timer, uint64_t interval_ns)
{
	struct timespec t = { (time_t)(interval_ns / NS_PER_S), (long)(interval_ns % NS_PER_S) };
	struct itimerspec spec = { .it_interval = t, .it_value = t };

	return timerfd_settime(timer, 0, &spec, NULL) < 0 ? -errno : 0;
}

int loop_timer(struct loop *l, uint64_t interval_ns, loop_fn fn, void *ctx)
{
	int fd = add_owned(l, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
			   WATCH_TIMER, fn, ctx);
	int err = fd < 0 ? fd : loop_timer_set(fd, interval_ns);

	return err ? err : fd;
}

int loop_signal(struct loop *l, int signo, loop_fn fn, void *ctx)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = add_owned(l, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), WATCH_SIGNAL, fn, ctx);
	return fd < 0 ? fd : 0;
}

/* Empties a timer or signal descriptor. False: somebody else's wake-up, nothing is there. */
static bool drain(const struct watch *w)
{
	struct signalfd_siginfo info;
	uint64_t turns;

	switch (w->kind) {
	case WATCH_TIMER: return read(w->fd, &turns, sizeof(turns)) == sizeof(turns);
	case WATCH_SIGNAL: return read(w->fd, &info, sizeof(info)) == sizeof(info);
	case WATCH_FD:
	case WATCH_EDGE: break;
	}
	return true;
}

int loop_run(struct loop *l)
{
	struct epoll_event events[LOOP_WATCHES_MAX];
	const struct watch *w;
	int n;

	while (!l->is_stopped) {
		n = epoll_wait(l->epoll, events, LOOP_WATCHES_MAX, -1);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && !l->is_stopped; i++) {
			w = &l->watches[events[i].data.u64];
			if (drain(w))
				w->fn(w->ctx);
		}
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
}
