// SPDX-License-Identifier: Apache-2.0
/*
 * hooks OBJECT: what a send of one byte over TCP takes with nothing attached, and what each program
 * of hooks.bpf.c adds to it, a line each: "NAME UNITS". A unit is a nanosecond of the clock, which
 * counts instructions where the guest is run so (matrix.py --hooks).
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SENDS = 10000, ROUNDS = 5, PROGRAMS_MAX = 8 };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Both ends of a connection over loopback. */
static int connection(int ends[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	socklen_t n = sizeof(a);

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s, (struct sockaddr *)&a, n) || listen(s, 1) ||
	    getsockname(s, (struct sockaddr *)&a, &n) || connect(ends[0], (struct sockaddr *)&a, n))
		return -1;
	setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ends[1] = accept(s, NULL, NULL);
	close(s);
	return ends[1] < 0 ? -1 : 0;
}

/* Per send and receive; the least of what is tried is what nothing disturbed. */
static double measure(const int ends[2], double least)
{
	double begin = now_ns(), took;
	char byte = 0;

	for (int i = 0; i < SENDS; i++)
		if (send(ends[0], &byte, 1, 0) != 1 || recv(ends[1], &byte, 1, 0) != 1)
			exit(1);
	took = (now_ns() - begin) / SENDS;
	return !least || took < least ? took : least;
}

int main(int argc, char **argv)
{
	struct bpf_object *obj = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	double bare = 0, with[PROGRAMS_MAX] = { 0 };
	struct bpf_program *p;
	int ends[2], n;

	if (!obj || bpf_object__load(obj) || connection(ends)) {
		fprintf(stderr, "hooks: cannot begin\n");
		return 1;
	}
	for (int i = 0; i < ROUNDS; i++) {
		bare = measure(ends, bare);
		n = 0;
		bpf_object__for_each_program (p, obj) {
			struct bpf_link *link = bpf_program__attach(p);

			if (!link || n == PROGRAMS_MAX)
				return 1;
			with[n] = measure(ends, with[n]);
			n++;
			bpf_link__destroy(link);
		}
	}
	printf("nothing %.0f\n", bare);
	n = 0;
	bpf_object__for_each_program (p, obj)
		printf("%s %.0f\n", bpf_program__name(p), with[n++] - bare);
	bpf_object__close(obj);
	return 0;
}
