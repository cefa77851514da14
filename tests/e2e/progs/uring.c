/* SPDX-License-Identifier: Apache-2.0 */
/* uring PORT: an HTTP server whose every accept, receive and send goes through io_uring. */
#include <liburing.h>
#include "net.h"

enum op { ACCEPT, RECV, SEND, CLOSE };

struct conn {
	enum op op;
	int fd;
	size_t used;
	char head[8192];
};

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static void want(struct io_uring *ring, struct conn *c, enum op op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	c->op = op;
	if (op == ACCEPT)
		io_uring_prep_accept(sqe, c->fd, NULL, NULL, 0);
	else if (op == RECV)
		io_uring_prep_recv(sqe, c->fd, c->head + c->used, sizeof(c->head) - c->used, 0);
	else if (op == SEND)
		io_uring_prep_send(sqe, c->fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL);
	else
		io_uring_prep_close(sqe, c->fd);
	io_uring_sqe_set_data(sqe, c);
	io_uring_submit(ring);
}

static void turn(struct io_uring *ring, struct conn *c, int result)
{
	struct conn *fresh;

	switch (c->op) {
	case ACCEPT:
		fresh = calloc(1, sizeof(*fresh));
		fresh->fd = result;
		want(ring, fresh, RECV);
		want(ring, c, ACCEPT);
		break;
	case RECV:
		if (result <= 0) {
			want(ring, c, CLOSE);
			break;
		}
		c->used += result;
		if (c->used >= 4 && !memcmp(c->head + c->used - 4, "\r\n\r\n", 4))
			want(ring, c, SEND);
		else
			want(ring, c, RECV);
		break;
	case SEND:
		c->used = 0;
		want(ring, c, result > 0 ? RECV : CLOSE);
		break;
	case CLOSE: free(c); break;
	}
}

int main(int argc, char **argv)
{
	struct conn listener = { .fd = net_listen(argv[argc > 1]) };
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (io_uring_queue_init(256, &ring, 0))
		return 1;
	want(&ring, &listener, ACCEPT);
	while (!io_uring_wait_cqe(&ring, &cqe)) {
		struct conn *c = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&ring, cqe);
		turn(&ring, c, result);
	}
	return 0;
}
