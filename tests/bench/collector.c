/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector PORT: takes OTLP on loopback as fast as it comes, over HTTP/1.1 and over gRPC, and
 * counts the spans in it: it walks the messages (opentelemetry/proto/collector/trace/v1) and counts
 * those that have ids of the right lengths, a name and both times. GET answers with the counts in
 * JSON.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 64, READ_BYTES = 1 << 18, GRPC_HEAD = 5, LENGTH_DELIMITED = 2 };

struct counts {
	uint64_t requests, spans, bytes, malformed;
};

struct conn {
	int fd;
	struct counts *counts;
	nghttp2_session *h2; /* NULL: HTTP/1.1 */
	uint8_t *in;	     /* what has been read and not taken; within HTTP/2 of a body */
	size_t n, room;
	bool is_told_to_go_on;
	bool is_bad;
};

/* --- protobuf --- */

struct field {
	uint32_t number, type;
	const uint8_t *p; /* LENGTH_DELIMITED */
	size_t n;
};

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
	*out = 0;
	for (int shift = 0; *p < end && shift < 64; shift += 7) {
		uint8_t byte = *(*p)++;

		*out |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* 1: *f is the next one; 0: the end; -1: no protobuf. */
static int next_field(const uint8_t **p, const uint8_t *end, struct field *f)
{
	static const uint8_t fixed[8] = { [1] = 8, [5] = 4 };
	uint64_t tag, n = 0;

	if (*p == end)
		return 0;
	if (!varint(p, end, &tag))
		return -1;
	*f = (struct field){ .number = (uint32_t)(tag >> 3), .type = tag & 7 };
	if (f->type == LENGTH_DELIMITED
		    ? !varint(p, end, &n)
		    : !(n = fixed[f->type]) && (f->type || !varint(p, end, &tag)))
		return -1;
	if (n > (size_t)(end - *p))
		return -1;
	f->p = *p;
	f->n = n;
	*p += n;
	return 1;
}

static bool is_span(const struct field *span)
{
	const uint8_t *p = span->p, *end = p + span->n;
	unsigned int has = 0;
	struct field f;
	int got;

	while ((got = next_field(&p, end, &f)) > 0) {
		if ((f.number == 1 && f.n == 16) || (f.number == 2 && f.n == 8) ||
		    (f.number == 5 && f.n > 0) || f.number == 7 || f.number == 8)
			has |= 1u << f.number;
	}
	return got == 0 && has == (1u << 1 | 1u << 2 | 1u << 5 | 1u << 7 | 1u << 8);
}

/* ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans */
static void count_spans(struct counts *c, const uint8_t *p, size_t n, int depth)
{
	static const uint32_t way[] = { 1, 2, 2 };
	const uint8_t *end = p + n;
	struct field f;
	int got;

	while ((got = next_field(&p, end, &f)) > 0) {
		if (f.number != way[depth] || f.type != LENGTH_DELIMITED)
			continue;
		if (depth < 2)
			count_spans(c, f.p, f.n, depth + 1);
		else if (is_span(&f))
			c->spans++;
		else
			c->malformed++;
	}
	c->malformed += got < 0;
}

static void take(struct counts *c, const uint8_t *body, size_t n)
{
	c->requests++;
	c->bytes += n;
	count_spans(c, body, n, 0);
}

/* --- both --- */

static void send_all(struct conn *c, const void *bytes, size_t n)
{
	const char *p = bytes;
	ssize_t sent;

	for (; n; p += sent, n -= (size_t)sent) {
		sent = send(c->fd, p, n, MSG_NOSIGNAL);
		if (sent < 0) {
			c->is_bad = true;
			return;
		}
	}
}

static void keep(struct conn *c, const uint8_t *bytes, size_t n)
{
	if (c->n + n > c->room) {
		c->room = 2 * (c->n + n);
		c->in = realloc(c->in, c->room);
		if (!c->in)
			err(1, "realloc");
	}
	memcpy(c->in + c->n, bytes, n);
	c->n += n;
}

/* --- HTTP/1.1 --- */

static void answer(struct conn *c, const char *type, const char *body)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
			 type, strlen(body), body);

	send_all(c, text, (size_t)n);
}

static void answer_counts(struct conn *c)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"requests\":%llu,\"spans\":%llu,\"bytes\":%llu,\"malformed\":%llu}\n",
		 (unsigned long long)c->counts->requests, (unsigned long long)c->counts->spans,
		 (unsigned long long)c->counts->bytes, (unsigned long long)c->counts->malformed);
	answer(c, "application/json", text);
}

/* One request, if it is there whole. */
static bool http1_request(struct conn *c)
{
	const uint8_t *end = memmem(c->in, c->n, "\r\n\r\n", 4);
	size_t head = end ? (size_t)(end - c->in) + 4 : 0, length = 0;
	const char *at;
	char text[8192];

	if (!head || head >= sizeof(text)) {
		c->is_bad = head != 0;
		return false;
	}
	memcpy(text, c->in, head);
	text[head] = '\0';
	at = strcasestr(text, "\r\nContent-Length:");
	if (at)
		length = strtoul(strchr(at, ':') + 1, NULL, 10);
	if (c->n < head + length) {
		if (!c->is_told_to_go_on && strcasestr(text, "100-continue"))
			send_all(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		c->is_told_to_go_on = true;
		return false;
	}
	c->is_told_to_go_on = false;
	if (strncmp(text, "GET ", 4) == 0) {
		answer_counts(c);
	} else {
		take(c->counts, c->in + head, length);
		answer(c, "application/x-protobuf", "");
	}
	c->n -= head + length;
	memmove(c->in, c->in + head + length, c->n);
	return true;
}

/* --- gRPC: a client has one request under way --- */

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)name,
			     .value = (uint8_t *)value,
			     .namelen = strlen(name),
			     .valuelen = strlen(value) };
}

static ssize_t on_answer(nghttp2_session *h2, int32_t stream, uint8_t *buf, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	nghttp2_nv ok = header("grpc-status", "0");

	memset(buf, 0, GRPC_HEAD); /* an empty message */
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	nghttp2_submit_trailer(h2, stream, &ok, 1);
	return GRPC_HEAD;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *bytes,
		   size_t n, void *ctx)
{
	keep(ctx, bytes, n);
	return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *ctx)
{
	nghttp2_nv head[] = { header(":status", "200"),
			      header("content-type", "application/grpc") };
	nghttp2_data_provider body = { .read_callback = on_answer };
	struct conn *c = ctx;

	if (frame->hd.type != NGHTTP2_DATA || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	if (c->n < GRPC_HEAD)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	take(c->counts, c->in + GRPC_HEAD, c->n - GRPC_HEAD);
	c->n = 0;
	return nghttp2_submit_response(h2, frame->hd.stream_id, head, 2, &body);
}

static void http2_begin(struct conn *c)
{
	nghttp2_settings_entry window = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20 };
	nghttp2_session_callbacks *callbacks;

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_server_new(&c->h2, callbacks, c);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, &window, 1);
	nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, 16 << 20);
}

static void http2_bytes(struct conn *c, const uint8_t *bytes, size_t n)
{
	const uint8_t *out;
	ssize_t size;

	if (nghttp2_session_mem_recv(c->h2, bytes, n) < 0)
		c->is_bad = true;
	while (!c->is_bad && (size = nghttp2_session_mem_send(c->h2, &out)) > 0)
		send_all(c, out, (size_t)size);
}

/* --- connections --- */

static void on_readable(struct conn *c)
{
	static const char preface[] = "PRI * HTTP/2.0";
	static uint8_t buf[READ_BYTES];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n <= 0) {
		c->is_bad = true;
		return;
	}
	if (!c->h2 && c->n == 0 && (size_t)n >= sizeof(preface) &&
	    memcmp(buf, preface, sizeof(preface) - 1) == 0)
		http2_begin(c);
	if (c->h2) {
		http2_bytes(c, buf, (size_t)n);
		return;
	}
	keep(c, buf, (size_t)n);
	while (http1_request(c))
		;
}

static void conn_end(struct conn *c)
{
	close(c->fd);
	nghttp2_session_del(c->h2);
	free(c->in);
}

/* As every server of gRPC has it: else the end of each answer waits for the acknowledgement of its
 * head, which the client delays by 40 ms. */
static int accept_at_once(int listener)
{
	int fd = accept(listener, NULL, NULL), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, CONNS_MAX) < 0)
		err(1, "port %u", port);
	return fd;
}

int main(int argc, char **argv)
{
	struct counts counts = { 0 };
	struct conn conns[CONNS_MAX] = { 0 };
	struct pollfd fds[CONNS_MAX + 1];
	nfds_t n = 0;

	if (argc != 2)
		errx(2, "usage: collector PORT");
	fds[0] = (struct pollfd){ .fd = listen_on((uint16_t)atoi(argv[1])), .events = POLLIN };
	while (poll(fds, n + 1, -1) >= 0 || errno == EINTR) {
		nfds_t before = n;

		if (fds[0].revents && n < CONNS_MAX) {
			conns[n] =
				(struct conn){ .fd = accept_at_once(fds[0].fd), .counts = &counts };
			n += conns[n].fd >= 0;
		}
		for (nfds_t i = before; i-- > 0;) {
			if (fds[i + 1].revents)
				on_readable(&conns[i]);
			if (!conns[i].is_bad)
				continue;
			conn_end(&conns[i]);
			conns[i] = conns[--n];
		}
		for (nfds_t i = 0; i < n; i++)
			fds[i + 1] = (struct pollfd){ .fd = conns[i].fd, .events = POLLIN };
	}
	return 1;
}
