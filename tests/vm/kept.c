// SPDX-License-Identifier: Apache-2.0
/*
 * kept: a server that says of each request what it heard, and clients that keep their connections,
 * over IPv4 and IPv6 at once. A line "NTH TARGET LINES TRACE SPAN" for each answer: the how manieth
 * of its connection it was, how many lines said its trace, and what the one behind its first line
 * said ("- -": none is there). Ends with 1 where a request arrived as other bytes but for that
 * line, or where a socket does not say what it holds. kept N: so many requests over a few
 * connections at once, of all forms, and a line "GIVEN DUE ALL UNSEEN SLOW SMALL LARGE PAUSE": how
 * many were given a line, how many were to be, how many there were, on how many connections none
 * was given one, so that none was to be, how many small requests took over 200 ms, and how long the
 * longest took, in us, of small and of large ones, and of large ones the longest time in which none
 * of their bytes could be sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 8091, CONNECTIONS = 2, REQUESTS = 40 };
enum { BIG = 1000000, VAST = 10 << 20, ROOM = VAST + 4096 };
enum { LATER = 40, PAUSE_US = 40000 }; /* longer than the observer takes to let a connection go */
enum form { GET, POST, LARGE, APART, OWN_TRACE, FORMS, CHUNKED = FORMS, HUGE };
enum { SPEAKERS = 4, PIPELINED = 5, STALL_US = 200000 };

#define OWN   "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
#define BEGIN "traceparent: 00-"
#define LINE  (sizeof(OWN) - 1)

static void fail(const char *what, const char *target)
{
	fprintf(stderr, "%s: %s (%s)\n", target, what, strerror(errno));
	exit(1);
}

static uint64_t hash(uint64_t h, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3; /* FNV-1a */
	return h;
}

static socklen_t address(int family, struct sockaddr_in6 *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)a;

	memset(a, 0, sizeof(*a));
	a->sin6_family = (sa_family_t)family;
	a->sin6_port = htons(PORT); /* at the same place in both */
	if (family == AF_INET6) {
		a->sin6_addr = in6addr_loopback;
		return sizeof(*a);
	}
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(*in);
}

/* How long the request is whose head ends there; 0: that is not known yet. */
static size_t length_of(const char *buf, const char *end)
{
	const char *length = strcasestr(buf, "content-length: "), *last;

	if (length && length < end)
		return (size_t)(end + 4 - buf) + strtoul(length + 16, NULL, 10);
	last = strstr(end + 4, "0\r\n\r\n"); /* the only one that we send */
	return last ? (size_t)(last + 5 - buf) : 0;
}

/* Reads one request, of which *have bytes are there, and what comes with it of the next; its
 * length, 0 at the end of the stream. */
static size_t hear(int fd, char *buf, size_t *have)
{
	size_t all = 0;

	for (;;) {
		char *end = all ? NULL : strstr(buf, "\r\n\r\n");
		ssize_t n;

		if (end)
			all = length_of(buf, end);
		if (all && *have >= all)
			return all;
		n = recv(fd, buf + *have, ROOM - 1 - *have, 0);
		if (n <= 0)
			return 0;
		*have += (size_t)n;
		buf[*have] = '\0';
	}
}

/* What is said of a request: hash and length without our line, and what it said. */
static void tell(int fd, const char *buf, size_t n)
{
	const char *end = strstr(buf, "\r\n\r\n"), *first = strstr(buf, "\r\n") + 2;
	int has_ours = !strncmp(first, BEGIN, sizeof(BEGIN) - 1), lines = 0;
	size_t head = (size_t)(first - buf), line = has_ours ? LINE : 0;
	uint64_t h = hash(hash(0xcbf29ce484222325, buf, head), first + line, n - head - line);
	char body[256], answer[512];
	int len;

	for (const char *at = strstr(buf, "\r\n"); at && at < end; at = strstr(at + 2, "\r\n"))
		lines += !strncasecmp(at + 2, "traceparent:", 12);
	len = snprintf(body, sizeof(body), "%016llx %zu %d %.32s %.16s", (unsigned long long)h,
		       n - line, lines, has_ours ? first + 16 : "-", has_ours ? first + 49 : "-");
	len = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s",
		       len, body);
	if (send(fd, answer, (size_t)len, MSG_NOSIGNAL) != len)
		_exit(1);
}

static void serve_one(int fd)
{
	static char buf[ROOM];
	size_t have = 0, n;

	while ((n = hear(fd, buf, &have))) {
		tell(fd, buf, n);
		have -= n;
		memmove(buf, buf + n, have + 1);
	}
	_exit(0); /* not before the client has said that it is done */
}

static void serve(int family)
{
	struct sockaddr_in6 a;
	socklen_t size = address(family, &a);
	int s = socket(family, SOCK_STREAM, 0), one = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, size) || listen(s, 64))
		fail("cannot listen", "server");
	if (fork() != 0) {
		close(s);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fork() == 0)
			serve_one(fd);
		close(fd);
	}
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Without waiting in the kernel, as event loops do. The longest time between two sends, in us. */
static uint64_t send_all(int fd, const char *bytes, size_t n, const char *target)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t last = now_us(), longest = 0;

	for (size_t at = 0; at < n;) {
		ssize_t sent = send(fd, bytes + at, n - at, MSG_NOSIGNAL | MSG_DONTWAIT);
		uint64_t now = now_us();

		if (sent < 0 && errno == EAGAIN) {
			poll(&p, 1, -1);
			continue;
		}
		if (sent <= 0)
			fail("not sent", target);
		at += (size_t)sent;
		longest = now - last > longest ? now - last : longest;
		last = now;
	}
	return longest;
}

/* The answer, which comes in one piece: what is there is what the socket says is there. */
static void receive(int fd, char *buf, size_t size, const char *target)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&p, 1, -1) < 0 ? -1 : recv(fd, buf, size - 1, MSG_PEEK);
	int ready = -1;

	if (n <= 0 || ioctl(fd, FIONREAD, &ready))
		fail("no answer", target);
	if (ready != n) {
		fprintf(stderr, "%s: FIONREAD says %d, there are %zd\n", target, ready, n);
		exit(1);
	}
	if (recv(fd, buf, size - 1, 0) != n)
		fail("not read", target);
	buf[n] = '\0';
}

/* The same without a receive, the way to the server being closed; then there is nothing more. */
static void receive_last(int fd, char *buf, size_t size, const char *target)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ends[2];
	ssize_t n;

	if (shutdown(fd, SHUT_WR) || pipe(ends))
		fail("not half closed", target);
	poll(&p, 1, -1);
	n = splice(fd, NULL, ends[1], NULL, size - 1, 0);
	if (n <= 0 || read(ends[0], buf, size - 1) != n)
		fail("not spliced", target);
	buf[n] = '\0';
	close(ends[0]);
	close(ends[1]);
	poll(&p, 1, -1);
	if (recv(fd, ends, 1, 0) != 0)
		fail("no end", target);
}

static size_t write_chunked(char *buf, const char *target)
{
	return (size_t)snprintf(buf, 512,
				"POST %s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
				"5\r\nGET /\r\n0\r\n\r\n",
				target);
}

/* The request and, where body and head are sent apart, the head's length. */
static size_t write_request(char *buf, enum form form, const char *target, size_t *head)
{
	static const size_t bodies[] = {
		[POST] = 1000, [LARGE] = BIG, [APART] = 3000, [HUGE] = VAST
	};
	size_t body = bodies[form];
	int n;

	if (form == CHUNKED)
		return *head = write_chunked(buf, target);
	n = snprintf(buf, 512, "%s %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %zu\r\n\r\n",
		     body ? "POST" : "GET", target, form == OWN_TRACE ? OWN : "", body);
	for (size_t i = 0; i < body; i++)
		buf[(size_t)n + i] = (char)(i * 31 >> 3);
	*head = form == APART ? (size_t)n : (size_t)n + body;
	return (size_t)n + body;
}

struct answer {
	char target[64], trace[33], span[17];
	int lines;
	uint64_t pause_us; /* the longest within the first send's bytes */
};

static void expect_heard(unsigned long long h, size_t heard, const char *sent, size_t n,
			 const char *target)
{
	if (heard == n && h == hash(0xcbf29ce484222325, sent, n))
		return;
	fprintf(stderr, "%s: other bytes: %zu heard of %zu\n", target, heard, n);
	exit(1);
}

static void ask(int fd, const char *name, int nth, enum form form, bool is_last, struct answer *a)
{
	static const char *const kinds[] = { "get", "post",    "large", "apart",
					     "own", "chunked", "huge" };
	static char buf[ROOM];
	char answer[512], *target = a->target;
	size_t head, all, heard = 0;
	unsigned long long h = 0;
	const char *body;

	snprintf(target, sizeof(a->target), "/%s/%s/%d", is_last ? "last" : kinds[form], name, nth);
	all = write_request(buf, form, target, &head);
	a->pause_us = send_all(fd, buf, head, target);
	send_all(fd, buf + head, all - head, target);
	(is_last ? receive_last : receive)(fd, answer, sizeof(answer), target);
	body = strstr(answer, "\r\n\r\n");
	if (!body || sscanf(body + 4, "%llx %zu %d %32s %16s", &h, &heard, &a->lines, a->trace,
			    a->span) != 5)
		fail("not such an answer", target);
	expect_heard(h, heard, buf, all, target);
}

static void ask_and_tell(int fd, const char *name, int nth, enum form form, bool is_last)
{
	struct answer a;

	ask(fd, name, nth, form, is_last, &a);
	printf("%d %s %d %s %s\n", nth, a.target, a.lines, a.trace, a.span);
	fflush(stdout);
}

/* kind: SOCK_NONBLOCK, or 0 for one whose calls wait. */
static int begin(int family, int kind, const char *name)
{
	struct sockaddr_in6 a;
	socklen_t size = address(family, &a);
	int fd = socket(family, SOCK_STREAM | kind, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (connect(fd, (struct sockaddr *)&a, size) && errno != EINPROGRESS)
		fail("not connected", name);
	poll(&p, 1, -1);
	return fd;
}

static void nothing(int sig)
{
}

/* A receive that waits for what does not come ends by a signal, and says so. */
static void wait_in_vain(int fd, const char *name)
{
	static const struct timeval often = { .tv_usec = PAUSE_US };
	const struct sigaction act = { .sa_handler = nothing }; /* and begins not again */
	struct itimerval t = { often, often }, none = { 0 };
	char byte;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
	if (recv(fd, &byte, 1, 0) >= 0 || errno != EINTR)
		fail("a receive that waited did not end as it must", name);
	setitimer(ITIMER_REAL, &none, NULL);
}

/* Connections on which all is as it should be, one that is let go while it is in use, and one whose
 * receives wait. */
static void use(int family)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d.waits", family == AF_INET ? 4 : 6);
	fd = begin(family, 0, name);
	for (int n = 0; n <= FORMS; n++) {
		ask_and_tell(fd, name, n, (enum form)(n % FORMS), n == FORMS);
		if (!n)
			wait_in_vain(fd, name);
	}
	close(fd);
	for (int i = 0; i < CONNECTIONS; i++) {
		snprintf(name, sizeof(name), "%d.%d", family == AF_INET ? 4 : 6, i);
		fd = begin(family, SOCK_NONBLOCK, name);
		for (int n = 0; n <= REQUESTS; n++)
			ask_and_tell(fd, name, n, (enum form)(n % FORMS), n == REQUESTS);
		close(fd);
	}
	snprintf(name, sizeof(name), "%d.gone", family == AF_INET ? 4 : 6);
	fd = begin(family, SOCK_NONBLOCK, name);
	for (int n = 0; n < LATER; n++) {
		ask_and_tell(fd, name, n, n ? (enum form)(n % OWN_TRACE) : CHUNKED, false);
		usleep(PAUSE_US);
	}
	close(fd);
}

/* What some of the requests came to. */
struct tally {
	uint32_t all, due, given, unseen, slow;
	uint64_t small_us, large_us, pause_us; /* the longest */
};

static uint64_t longer(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Was it given a line? */
static bool ask_timed(int fd, int n, enum form form, bool is_due, struct tally *t)
{
	bool is_large = form == LARGE || form == HUGE;
	uint64_t began = now_us(), took, *longest = is_large ? &t->large_us : &t->small_us;
	struct answer a;
	bool is_given;

	ask(fd, "long", n, form, false, &a);
	took = now_us() - began;
	*longest = longer(took, *longest);
	is_given = a.span[0] != '-';
	if (a.lines != (is_given || form == OWN_TRACE) || (is_given && !is_due))
		fail("lines that are not to be there", a.target);
	if (is_large)
		t->pause_us = longer(a.pause_us, t->pause_us);
	t->slow += !is_large && took > STALL_US;
	t->all++;
	t->due += is_due;
	t->given += is_given;
	return is_given;
}

/* The first of a connection: are lines to be given on it? */
static bool ask_first(int fd, int n, enum form form, struct tally *t)
{
	if (ask_timed(fd, n, form, true, t))
		return true;
	t->due--;
	t->unseen++;
	return false;
}

/* Behind a chunked body nothing is looked at. */
static void speak_chunked(int n, struct tally *t)
{
	int fd = begin(AF_INET, SOCK_NONBLOCK, "chunked");

	ask_first(fd, n, CHUNKED, t);
	ask_timed(fd, n, GET, false, t);
	close(fd);
}

/* Several in one send are passed over; each has its answer, which is waited for. */
static void speak_pipelined(int n, struct tally *t)
{
	static char buf[PIPELINED * 512], answers[PIPELINED * 512];
	size_t at[PIPELINED + 1] = { 0 }, have = 0, head;
	const char *answer = answers;
	int fd = begin(AF_INET, 0, "pipelined");
	char target[64];
	ssize_t got;

	snprintf(target, sizeof(target), "/pipelined/%d", n);
	for (int i = 0; i < PIPELINED; i++)
		at[i + 1] = at[i] + write_request(buf + at[i], GET, target, &head);
	send_all(fd, buf, at[PIPELINED], target);
	shutdown(fd, SHUT_WR); /* so that what was answered ends */
	while ((got = recv(fd, answers + have, sizeof(answers) - 1 - have, 0)) > 0)
		have += (size_t)got;
	if (got < 0)
		fail("no answer", target);
	answers[have] = '\0';
	for (int i = 0; i < PIPELINED; i++) {
		unsigned long long h = 0;
		size_t heard = 0;
		int lines = -1;

		answer = answer ? strstr(answer, "\r\n\r\n") : NULL;
		if (!answer || sscanf(answer += 4, "%llx %zu %d - -", &h, &heard, &lines) != 3 ||
		    lines)
			fail("not such an answer", target);
		expect_heard(h, heard, buf + at[i], at[i + 1] - at[i], target);
		t->all++;
	}
	close(fd);
}

static enum form form_of(int n)
{
	static const enum form forms[] = { GET, POST, GET, OWN_TRACE, GET, APART, GET, GET };

	if (n % 5000 == 4999)
		return HUGE;
	return n % 500 == 499 ? LARGE : forms[n % 8];
}

/* One connection that is kept, and others beside it. */
static void speak(int requests, struct tally *t)
{
	int fd = begin(AF_INET, SOCK_NONBLOCK, "long");

	bool is_seen = ask_first(fd, 0, GET, t);

	for (int n = 1; n < requests; n++) {
		ask_timed(fd, n, form_of(n), is_seen && form_of(n) != OWN_TRACE, t);
		if (n % 250 == 100)
			speak_chunked(n, t);
		else if (n % 250 == 200)
			speak_pipelined(n, t);
	}
	close(fd);
}

static int use_long(int requests)
{
	struct tally sum = { 0 }, t = { 0 };
	int ends[2], failed = 0, status;

	if (pipe(ends))
		fail("no pipe", "long");
	for (int i = 0; i < SPEAKERS; i++) {
		if (fork() == 0) {
			speak(requests / SPEAKERS, &t);
			_exit(write(ends[1], &t, sizeof(t)) != sizeof(t));
		}
	}
	for (int i = 0; i < SPEAKERS; i++) {
		if (wait(&status) < 0 || status || read(ends[0], &t, sizeof(t)) != sizeof(t)) {
			failed = 1;
			continue;
		}
		sum.all += t.all;
		sum.due += t.due;
		sum.given += t.given;
		sum.unseen += t.unseen;
		sum.slow += t.slow;
		sum.small_us = longer(t.small_us, sum.small_us);
		sum.large_us = longer(t.large_us, sum.large_us);
		sum.pause_us = longer(t.pause_us, sum.pause_us);
	}
	printf("%u %u %u %u %u %llu %llu %llu\n", sum.given, sum.due, sum.all, sum.unseen, sum.slow,
	       (unsigned long long)sum.small_us, (unsigned long long)sum.large_us,
	       (unsigned long long)sum.pause_us);
	return failed;
}

int main(int argc, char **argv)
{
	pid_t other;
	int status = 1;

	serve(AF_INET);
	if (argc > 1)
		return use_long(atoi(argv[1]));
	serve(AF_INET6);
	other = fork();
	use(other ? AF_INET : AF_INET6);
	if (!other)
		return 0;
	waitpid(other, &status, 0);
	return status != 0;
}
