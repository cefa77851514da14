/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pace: HTTP/1.1 requests at a fixed rate, evenly spaced, over keep-alive connections. What a
 * request costs a server depends on how many arrive together, so a client that sends in bursts
 * (every millisecond, say) measures something else. Request i is due at start + i / rate and
 * belongs to connection i mod n; where the answer before it is not there yet it waits and counts
 * as late. A target may bring its method: "POST /a". With -x and -a a request is the bytes of a
 * file, whatever they mean, and its answer is so many bytes long. Prints one line of JSON.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct conn {
	int fd;
	bool is_busy;
	uint32_t waiting;  /* requests that are due but wait for the answer before them */
	uint32_t head_len; /* bytes of the response head so far */
	int64_t body_left; /* -1: still in the head */
	uint64_t sent_ns;
	char head[1024];
};

struct pace {
	struct conn *conns;
	size_t n_conns;
	char **targets;
	size_t n_targets;
	char *raw; /* a request as it is, NULL: HTTP */
	size_t raw_len;
	int64_t answer_len;
	const char *host;
	uint16_t port;
	double rate, duration_s, hold_s;
	int epoll_fd;
	uint64_t sent, done, failed, late;
	uint32_t *latency_us; /* of each finished request */
	size_t max_latencies;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void conn_open(struct pace *p, struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(p->port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	if (inet_pton(AF_INET, p->host, &to.sin_addr) != 1)
		errx(2, "not an IPv4 address: %s", p->host);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)))
		err(1, "connect %s:%u", p->host, p->port);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
		err(1, "epoll_ctl");
}

static void conn_fail(struct pace *p, struct conn *c)
{
	p->failed += c->is_busy + c->waiting;
	close(c->fd);
	c->fd = -1;
	c->is_busy = false;
	c->waiting = 0;
}

static size_t http_request(struct pace *p, char *out, size_t size)
{
	const char *target = p->targets[p->sent % p->n_targets];
	int n = snprintf(out, size, "%s%s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: pace\r\n\r\n",
			 *target == '/' ? "GET " : "", target, p->host, p->port);

	return n < (int)size ? (size_t)n : 0;
}

static void conn_send(struct pace *p, struct conn *c)
{
	char http[2048];
	const char *req = p->raw ? p->raw : http;
	size_t n = p->raw ? p->raw_len : http_request(p, http, sizeof(http));

	p->sent++;
	c->is_busy = true;
	c->head_len = 0;
	c->body_left = p->raw ? p->answer_len : -1;
	c->sent_ns = now_ns();
	if (!n || write(c->fd, req, n) != (ssize_t)n)
		conn_fail(p, c);
}

static void request_due(struct pace *p, struct conn *c)
{
	if (c->fd < 0) {
		p->failed++;
	} else if (c->is_busy) {
		c->waiting++;
		p->late++;
	} else {
		conn_send(p, c);
	}
}

/* Takes n bytes of a response: 1 when it is complete, 0 when more is to come, -1 when it is bad. */
static int conn_take(struct conn *c, const char *in, size_t n)
{
	const char *end, *length;

	if (c->body_left < 0) {
		if (n >= sizeof(c->head) - c->head_len)
			return -1;
		memcpy(c->head + c->head_len, in, n);
		c->head_len += (uint32_t)n;
		c->head[c->head_len] = '\0';
		end = strstr(c->head, "\r\n\r\n");
		if (!end)
			return 0;
		length = strcasestr(c->head, "\r\nContent-Length:");
		if (!length || length > end || strncmp(c->head + 8, " 200", 4))
			return -1;
		c->body_left = strtol(length + 17, NULL, 10);
		n = (size_t)(c->head + c->head_len - (end + 4));
	}
	c->body_left -= (int64_t)n;
	return c->body_left < 0 ? -1 : c->body_left == 0;
}

static void conn_readable(struct pace *p, struct conn *c)
{
	char in[16384];
	ssize_t n = read(c->fd, in, c->body_left > 0 ? sizeof(in) : sizeof(c->head) / 2);
	int taken;

	if (n < 0 && errno == EAGAIN)
		return;
	taken = n > 0 && c->is_busy ? conn_take(c, in, (size_t)n) : -1;
	if (taken < 0) {
		conn_fail(p, c);
	} else if (taken) {
		if (p->done < p->max_latencies)
			p->latency_us[p->done] = (uint32_t)((now_ns() - c->sent_ns) / 1000);
		p->done++;
		c->is_busy = false;
		if (c->waiting) {
			c->waiting--;
			conn_send(p, c);
		}
	}
}

static void turn(struct pace *p, uint64_t timeout_ns)
{
	struct timespec ts = { (time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000) };
	struct epoll_event ev[64];
	int n = epoll_pwait2(p->epoll_fd, ev, 64, &ts, NULL);

	for (int i = 0; i < n; i++)
		conn_readable(p, ev[i].data.ptr);
}

/* Sends what is due until the time is over, then waits for the answers that are still out. */
static double run(struct pace *p)
{
	uint64_t total = (uint64_t)(p->rate * p->duration_s), start = now_ns(), due, now, end;

	for (uint64_t i = 0; i < total;) {
		due = start + (uint64_t)((double)i * 1e9 / p->rate);
		now = now_ns();
		if (now >= due) {
			request_due(p, &p->conns[i % p->n_conns]);
			i++;
		}
		turn(p, now >= due ? 0 : due - now);
	}
	now = now_ns();
	while (p->done + p->failed < total && now_ns() - now < 2000000000)
		turn(p, 10000000);
	end = now_ns();
	while ((double)(now_ns() - end) < p->hold_s * 1e9)
		turn(p, 100000000);
	return (double)(end - start) / 1e9;
}

static void read_targets(struct pace *p, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!f)
		err(1, "%s", path);
	while ((n = getline(&line, &cap, f)) > 0) {
		line[n - (line[n - 1] == '\n')] = '\0';
		p->targets = reallocarray(p->targets, p->n_targets + 1, sizeof(*p->targets));
		if (!p->targets || !(p->targets[p->n_targets++] = strdup(line)))
			errx(1, "no memory");
	}
	if (!p->n_targets)
		errx(2, "%s: no targets", path);
	free(line);
	fclose(f);
}

static void read_raw(struct pace *p, const char *path)
{
	FILE *f = fopen(path, "re");

	p->raw = malloc(65536);
	if (!f || !p->raw)
		err(1, "%s", path);
	p->raw_len = fread(p->raw, 1, 65536, f);
	if (!p->raw_len || p->raw_len == 65536)
		errx(2, "%s: empty or too long", path);
	fclose(f);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_result(struct pace *p, double elapsed_s)
{
	size_t n = p->done < p->max_latencies ? p->done : p->max_latencies;

	qsort(p->latency_us, n, sizeof(*p->latency_us), by_value);
	printf("{\"sent\":%lu,\"done\":%lu,\"failed\":%lu,\"late\":%lu,\"elapsed_s\":%.6f,"
	       "\"p50_us\":%u,\"p99_us\":%u}\n",
	       p->sent, p->done, p->failed, p->late, elapsed_s, n ? p->latency_us[n / 2] : 0,
	       n ? p->latency_us[n * 99 / 100] : 0);
}

static void parse(struct pace *p, int argc, char **argv)
{
	static char *root = "/";
	int o;

	while ((o = getopt(argc, argv, "c:r:d:k:t:x:a:")) != -1) {
		switch (o) {
		case 'c': p->n_conns = strtoul(optarg, NULL, 10); break;
		case 'r': p->rate = strtod(optarg, NULL); break;
		case 'd': p->duration_s = strtod(optarg, NULL); break;
		case 'k': p->hold_s = strtod(optarg, NULL); break;
		case 't': read_targets(p, optarg); break;
		case 'x': read_raw(p, optarg); break;
		case 'a': p->answer_len = strtol(optarg, NULL, 10); break;
		default: optind = argc; break;
		}
	}
	if (argc - optind != 2 || !p->n_conns || p->rate <= 0 || p->duration_s <= 0 ||
	    !p->raw != !p->answer_len)
		errx(2,
		     "pace [-c connections] [-r requests/s] [-d seconds] [-k seconds to hold the "
		     "connections] [-t file of targets] [-x file of a request -a bytes of its "
		     "answer] "
		     "IPV4 PORT");
	p->host = argv[optind];
	p->port = (uint16_t)strtoul(argv[optind + 1], NULL, 10);
	if (!p->n_targets) {
		p->targets = &root;
		p->n_targets = 1;
	}
}

int main(int argc, char **argv)
{
	struct pace p = { .n_conns = 16, .rate = 1000, .duration_s = 3 };

	parse(&p, argc, argv);
	prctl(PR_SET_TIMERSLACK, 1);
	p.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p.max_latencies = (size_t)(p.rate * p.duration_s) + 1;
	p.latency_us = calloc(p.max_latencies, sizeof(*p.latency_us));
	p.conns = calloc(p.n_conns, sizeof(*p.conns));
	if (p.epoll_fd < 0 || !p.latency_us || !p.conns)
		err(1, "start");
	for (size_t i = 0; i < p.n_conns; i++)
		conn_open(&p, &p.conns[i]);
	print_result(&p, run(&p));
	return p.failed ? 1 : 0;
}
