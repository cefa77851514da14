/* SPDX-License-Identifier: Apache-2.0 */
/*
 * twothreads PORT: two threads block in recv() on the same connection; whichever gets a piece of a
 * request adds it to the shared buffer, and the one that completes it answers.
 */
#include <pthread.h>
#include "net.h"

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char head[8192];
static size_t used;

static void *reader(void *arg)
{
	int fd = *(int *)arg;
	char piece[1024];
	ssize_t n;

	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0) {
		pthread_mutex_lock(&lock);
		if (used + n < sizeof(head)) {
			memcpy(head + used, piece, n);
			used += n;
		}
		if (used >= 4 && !memcmp(head + used - 4, "\r\n\r\n", 4)) {
			used = 0;
			if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
				n = -1;
		}
		pthread_mutex_unlock(&lock);
		if (n < 0)
			break;
	}
	shutdown(fd, SHUT_RDWR);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener = net_listen(argv[argc > 1]);

	for (;;) {
		int fd = net_accept(listener);
		pthread_t t[2];

		used = 0;
		for (int i = 0; i < 2; i++)
			pthread_create(&t[i], NULL, reader, &fd);
		for (int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
		close(fd);
	}
}
