/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waits PORT DEVICE REDIS LATE: an HTTP server that spends 20 ms on each
 * request as its path says, and answers what it measured itself, as JSON, in
 * nanoseconds: wall, cpu, delay (ready without a CPU, from schedstat); idle: how
 * long it slept since it measured the request before; from, till: when its
 * request was read at the soonest, and at the latest. LATE is 1: a request is
 * read 20 ms after it is there. For what is far away DEVICE is the network
 * namespace that it is called from, REDIS its port.
 */
#include "net.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

enum { MS = 1000 * 1000, BLOCK = 64 * 1024, BLOCKS = 64, DISK = 256 * BLOCK };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t is_held;
static const char *device, *redis;
static int is_late;

struct measure {
	uint64_t wall, cpu, delay;
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Opened once for each thread: the measuring itself is to take no time. */
static uint64_t delay(void)
{
	static __thread int fd;
	char line[128] = "";
	unsigned long long ran, waited = 0;

	if (!fd)
		fd = open("/proc/thread-self/schedstat", O_RDONLY);
	if (pread(fd, line, sizeof(line) - 1, 0) > 0)
		sscanf(line, "%llu %llu", &ran, &waited);
	return waited;
}

/* All at one moment: again, if the CPU was lost in between. */
static struct measure measure(void)
{
	struct measure m;

	do
		m = (struct measure){ now(CLOCK_MONOTONIC), now(CLOCK_THREAD_CPUTIME_ID), delay() };
	while (now(CLOCK_MONOTONIC) - m.wall > MS / 5);
	return m;
}

static void burn(void)
{
	uint64_t end = now(CLOCK_THREAD_CPUTIME_ID) + 20 * MS;

	while (now(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static void doze(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20 * MS }, NULL);
}

static void *hold(void *arg)
{
	pthread_mutex_lock(&lock);
	sem_post(&is_held);
	doze();
	pthread_mutex_unlock(&lock);
	return arg;
}

static void contend(void)
{
	pthread_t holder;

	pthread_create(&holder, NULL, hold, NULL);
	sem_wait(&is_held);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	pthread_join(holder, NULL);
}

static void read_disk(void)
{
	static _Alignas(4096) char block[BLOCK];
	static int fd, n;

	if (!fd)
		fd = open(device, O_RDONLY | O_DIRECT);
	if (pread(fd, block, BLOCK, (off_t)(n++ % BLOCKS) * BLOCK) != BLOCK)
		perror(device);
}

/* As many bytes, a page at a time, from the end backwards: none twice. */
static void fault(void)
{
	static volatile char *map, *at;
	int fd;

	if (!map) {
		fd = open(device, O_RDONLY);
		map = mmap(NULL, DISK, PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED || madvise((void *)map, DISK, MADV_RANDOM))
			perror(device);
		at = map + DISK - 4 * BLOCK;
	}
	for (int i = 0; i < BLOCK; i += 4096)
		(void)*(at -= 4096);
}

static void call(void)
{
	static const char debug[] = "*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$4\r\n0.02\r\n";
	static __thread int fd;
	struct sockaddr_in a = net_loopback(redis);
	char answer[64];

	if (!fd) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
			perror("redis");
	}
	if (send(fd, debug, sizeof(debug) - 1, 0) < 0 || recv(fd, answer, sizeof(answer), 0) <= 0)
		perror("redis");
}

/* Of a thread that serves one connection, which has its socket already. */
static int far(int type)
{
	static __thread int is_there;
	int fd;

	if (!is_there) {
		is_there = open(device, O_RDONLY);
		if (setns(is_there, CLONE_NEWNET))
			perror(device);
	}
	fd = socket(AF_INET, type, 0);
	if (fd < 0)
		perror("socket");
	return fd;
}

static void far_connect(int fd)
{
	struct sockaddr_in a = net_loopback(redis);

	inet_pton(AF_INET, "198.51.100.1", &a.sin_addr);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		perror("connect");
}

static void reach(void)
{
	int fd = far(SOCK_STREAM);

	far_connect(fd);
	close(fd);
}

/* What is said is nobody's protocol. */
static void echo(int *fd, int type)
{
	char words[] = "\xfd\xfe\xfd\xfe";

	if (!*fd) {
		*fd = far(type);
		far_connect(*fd);
	}
	if (send(*fd, words, 4, 0) != 4 || recv(*fd, words, 4, 0) != 4)
		perror("echo");
}

static void spend(const char *head)
{
	static __thread int stream, datagrams;

	if (strstr(head, " /burn "))
		burn();
	else if (strstr(head, " /sleep "))
		doze();
	else if (strstr(head, " /lock "))
		contend();
	else if (strstr(head, " /disk "))
		read_disk();
	else if (strstr(head, " /fault "))
		fault();
	else if (strstr(head, " /call "))
		call();
	else if (strstr(head, " /reach "))
		reach();
	else if (strstr(head, " /stream "))
		echo(&stream, SOCK_STREAM);
	else if (strstr(head, " /datagram "))
		echo(&datagrams, SOCK_DGRAM);
	else if (strstr(head, " /stuck "))
		sleep(60);
}

/* When it comes back to its socket. */
static uint64_t dally(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (is_late) {
		poll(&p, 1, -1);
		doze();
	}
	return now(CLOCK_MONOTONIC);
}

static uint64_t slept(const struct measure *a, const struct measure *b)
{
	uint64_t wall = b->wall - a->wall, rest = b->cpu - a->cpu + b->delay - a->delay;

	return a->wall && wall > rest ? wall - rest : 0;
}

static void *serve(void *arg)
{
	struct measure b = { 0 };
	int fd = (intptr_t)arg;
	char head[4096], body[512], answer[1024];

	delay();
	for (;;) {
		uint64_t from = dally(fd);
		ssize_t n = recv(fd, head, sizeof(head) - 1, 0);
		uint64_t till = now(CLOCK_MONOTONIC);
		struct measure a = measure();
		uint64_t idle = slept(&b, &a);
		int len;

		if (n <= 0)
			break;
		head[n] = '\0';
		spend(head);
		b = measure();
		len = snprintf(body, sizeof(body),
			       "{\"wall\":%lu,\"cpu\":%lu,\"delay\":%lu,\"idle\":%lu,"
			       "\"from\":%lu,\"till\":%lu}\n",
			       b.wall - a.wall, b.cpu - a.cpu, b.delay - a.delay, idle, from, till);
		n = snprintf(answer, sizeof(answer),
			     "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len, body);
		if (send(fd, answer, n, MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener = net_listen(argv[1]), fd;
	pthread_t thread;

	device = argv[2];
	redis = argv[3];
	is_late = argc > 4 && atoi(argv[4]);
	sem_init(&is_held, 0, 0);
	while ((fd = net_accept(listener)) >= 0) {
		pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
		pthread_detach(thread);
	}
	return 0;
}
