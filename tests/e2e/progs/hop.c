/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hop PORT NEXT [by:thread | by:pool]: hop.py in C. A thread for each connection; the next one is
 * asked by itself, by a thread made for it that it waits for, or by one of a pool that grows as it
 * is needed and is never let go. Prints each id.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "net.h"

enum { LINKS_MAX = 256, WORKERS_MAX = 16 };

struct call {
	const char *ident;
	struct call *next;
	bool is_done;
};

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
static const char *next_port;
static bool is_database, by_thread, by_pool;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static struct call *first, **last = &first;
static int links[LINKS_MAX], n_links, n_workers, n_idle;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void read_whole(int fd, void *at, size_t n)
{
	if (recv(fd, at, n, MSG_WAITALL) != (ssize_t)n)
		fail("recv");
}

/* Of PostgreSQL's protocol: messages up to ReadyForQuery. */
static void finish_query(int fd)
{
	char body[4096], kind = 0;
	uint32_t size;

	while (kind != 'Z') {
		read_whole(fd, &kind, 1);
		read_whole(fd, &size, 4);
		size = ntohl(size) - 4;
		if (size > sizeof(body))
			fail("a long message");
		if (size)
			read_whole(fd, body, size);
	}
}

static int dial(void)
{
	static const char words[] = "\0\3\0\0user\0postgres\0database\0postgres\0";
	struct sockaddr_in a = net_loopback(next_port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	uint32_t size = htonl(sizeof(words) + 4);
	char message[sizeof(words) + 4];

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!is_database)
		return fd;
	memcpy(message, &size, 4);
	memcpy(message + 4, words, sizeof(words));
	if (send(fd, message, sizeof(message), 0) != sizeof(message))
		fail("send");
	finish_query(fd);
	return fd;
}

static void ask(int fd, const char *ident)
{
	char text[256];
	uint32_t size;
	int n;

	if (is_database) {
		n = snprintf(text, sizeof(text), "Q....SELECT 1 AS r_%s", ident) + 1;
		size = htonl(n - 1);
		memcpy(text + 1, &size, 4);
	} else {
		n = snprintf(text, sizeof(text), "GET /r/%s HTTP/1.1\r\nHost: next\r\n\r\n", ident);
	}
	if (send(fd, text, n, MSG_NOSIGNAL) != n)
		fail("send");
	if (is_database)
		finish_query(fd);
	else
		read_whole(fd, text, sizeof(answer) - 1);
}

static void onward(const char *ident)
{
	int fd = -1;

	pthread_mutex_lock(&lock);
	if (n_links)
		fd = links[--n_links];
	pthread_mutex_unlock(&lock);
	if (fd < 0)
		fd = dial();
	ask(fd, ident);
	pthread_mutex_lock(&lock);
	if (n_links == LINKS_MAX)
		fail("links");
	links[n_links++] = fd;
	pthread_mutex_unlock(&lock);
}

static void *one_call(void *arg)
{
	onward(arg);
	return NULL;
}

static void *worker(void *arg)
{
	struct call *c;

	pthread_mutex_lock(&lock);
	for (;;) {
		n_idle++;
		while (!first)
			pthread_cond_wait(&more, &lock);
		n_idle--;
		c = first;
		first = c->next;
		if (!first)
			last = &first;
		pthread_mutex_unlock(&lock);
		onward(c->ident);
		pthread_mutex_lock(&lock);
		c->is_done = true;
		pthread_cond_broadcast(&done);
	}
	return arg;
}

static void start(void *(*fn)(void *), void *arg, pthread_t *out)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg))
		fail("pthread_create");
	if (out)
		*out = t;
	else
		pthread_detach(t);
}

static void by_worker(const char *ident)
{
	struct call c = { .ident = ident };

	pthread_mutex_lock(&lock);
	*last = &c;
	last = &c.next;
	if (n_idle)
		pthread_cond_signal(&more);
	else if (n_workers < WORKERS_MAX && ++n_workers)
		start(worker, NULL, NULL);
	while (!c.is_done)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
}

static void pass_on(char *ident)
{
	pthread_t t;

	if (by_pool) {
		by_worker(ident);
	} else if (by_thread) {
		start(one_call, ident, &t);
		pthread_join(t, NULL);
	} else {
		onward(ident);
	}
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char head[4096], line[64];
	size_t used = 0;
	ssize_t n;

	while ((n = recv(fd, head + used, sizeof(head) - 1 - used, 0)) > 0) {
		char *ident = head + strlen("GET /r/");

		used += n;
		head[used] = '\0';
		if (!strstr(head, "\r\n\r\n"))
			continue;
		used = 0;
		*strchr(ident, ' ') = '\0';
		n = snprintf(line, sizeof(line), "%s\n", ident); /* whole, whatever others write */
		if (write(1, line, n) != n)
			fail("write");
		pass_on(ident);
		if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener;

	if (argc < 3)
		return 2;
	is_database = !strncmp(argv[2], "pg", 2);
	next_port = argv[2] + 2 * is_database;
	by_thread = argc > 3 && !strcmp(argv[3], "by:thread");
	by_pool = argc > 3 && !strcmp(argv[3], "by:pool");
	listener = net_listen(argv[1]);
	for (;;) {
		int fd = net_accept(listener);

		if (fd >= 0)
			start(serve, (void *)(intptr_t)fd, NULL);
	}
}
