/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/cri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"

enum {
	LIST_BYTES = 32 << 20,
	HEAD = 5, /* of a gRPC message: is it compressed, how long is it */
	NO_STATUS = -1,
	UNIMPLEMENTED = 12,
};

#define LIST_TIMEOUT_NS (10 * NS_PER_S)
#define LIST_EVERY_NS	(30 * NS_PER_S)

struct cri {
	struct cri_opts opts;
	struct asked asked;
	const char *runtime;
	struct fetch *fetch; /* under way, or NULL */
	struct answer_text text;
	json_t *pods;	 /* told; their containers are asked for. NULL: the pods are */
	int grpc_status; /* NO_STATUS: none came */
};

struct cri *cri_new(const struct cri_opts *opts)
{
	struct cri *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->opts = *opts;
	c->text.max = LIST_BYTES;
	asked_init(&c->asked, "cri", opts->path);
	c->opts.path = c->asked.where;
	c->runtime = strstr(opts->path, "crio") ? "cri-o" : "containerd";
	return c;
}

static void forget(struct cri *c)
{
	json_decref(c->pods);
	c->pods = NULL;
	answer_text_free(&c->text);
}

void cri_free(struct cri *c)
{
	if (!c)
		return;
	fetch_cancel(c->fetch);
	forget(c);
	free(c);
}

const struct asked *cri_asked(const struct cri *c)
{
	return &c->asked;
}

static void on_container(void *ctx, const struct container *told)
{
	struct cri *c = ctx;

	containers_put(c->opts.containers, CONTAINERS_CRI, told);
}

static void tell(struct cri *c)
{
	const char *id;
	json_t *pod;

	containers_begin(c->opts.containers, CONTAINERS_CRI);
	json_object_foreach(c->pods, id, pod)
		pod_each_container(pod, &c->opts.pod, on_container, c);
	containers_end(c->opts.containers, CONTAINERS_CRI);
}

static void ask(struct cri *c, uint64_t now_ns);

/* The message of a whole answer; false: there is none. */
static bool take_message(const struct cri *c, struct slice *out)
{
	struct slice s = { (const uint8_t *)c->text.p, c->text.n };
	uint32_t n;

	if (s.n < HEAD || s.p[0] != 0)
		return false;
	n = (uint32_t)s.p[1] << 24 | (uint32_t)s.p[2] << 16 | (uint32_t)s.p[3] << 8 | s.p[4];
	*out = (struct slice){ s.p + HEAD, n };
	return n == s.n - HEAD;
}

static void take(struct cri *c, uint64_t now_ns)
{
	struct slice message;
	bool is_good = take_message(c, &message);

	if (is_good && !c->pods) {
		c->pods = cri_read_pods(message);
		answer_text_free(&c->text);
		if (c->pods) {
			ask(c, now_ns);
			return;
		}
		is_good = false;
	} else if (is_good) {
		is_good = cri_read_containers(message, c->runtime, c->pods);
	}
	if (is_good) {
		tell(c);
		asked_answered(&c->asked);
		c->asked.due_ns = now_ns + LIST_EVERY_NS;
	} else {
		asked_failed(&c->asked, now_ns, "its list is not understood");
	}
	forget(c);
}

static bool on_piece(void *ctx, int status, struct slice piece)
{
	return answer_text_add(&((struct cri *)ctx)->text, piece);
}

static void on_header(void *ctx, struct slice line)
{
	static const char name[] = "grpc-status:";
	struct cri *c = ctx;
	char value[16];

	if (line.n <= sizeof(name) - 1 || memcmp(line.p, name, sizeof(name) - 1) != 0)
		return;
	slice_copy(value, sizeof(value),
		   (struct slice){ line.p + sizeof(name) - 1, line.n - sizeof(name) + 1 });
	c->grpc_status = (int)strtol(value, NULL, 10);
}

static void on_end(void *ctx, const struct fetch_end *end)
{
	struct cri *c = ctx;
	uint64_t now_ns = clock_mono_ns();

	c->fetch = NULL;
	if (end->is_whole && end->status == 200 && c->grpc_status == 0) {
		take(c, now_ns);
		return;
	}
	if (c->grpc_status == UNIMPLEMENTED) { /* Docker's containerd: Docker is asked instead */
		snprintf(c->asked.reason, sizeof(c->asked.reason), "does not serve CRI");
		c->asked.due_ns = 0;
	} else if (end->is_enough) {
		asked_failed(&c->asked, now_ns, "a list of over %d MiB", LIST_BYTES >> 20);
	} else if (end->status == 200 && end->is_whole) {
		asked_failed(&c->asked, now_ns, "answered gRPC status %d", c->grpc_status);
	} else {
		asked_refused(&c->asked, now_ns, end, SLICE(""));
	}
	forget(c);
}

static void ask(struct cri *c, uint64_t now_ns)
{
	static const uint8_t everything[HEAD]; /* an empty message: no filter */
	const char *const headers[] = { "Content-Type: application/grpc", "TE: trailers", NULL };

	c->grpc_status = NO_STATUS;
	c->fetch = fetch_start(
		c->opts.fetcher,
		&(struct fetch_request){
			.url = c->pods ? "http://localhost/runtime.v1.RuntimeService/ListContainers"
				       : "http://localhost/runtime.v1.RuntimeService/"
					 "ListPodSandbox",
			.unix_path = c->opts.path,
			.headers = headers,
			.body = { everything, sizeof(everything) },
			.is_http2 = true,
			.timeout_ns = LIST_TIMEOUT_NS,
			.on_piece = on_piece,
			.on_header = on_header,
			.on_end = on_end,
			.ctx = c,
		});
	if (c->fetch)
		return;
	asked_failed(&c->asked, now_ns, "out of memory");
	forget(c);
}

void cri_turn(struct cri *c, uint64_t now_ns)
{
	if (!c->fetch && asked_is_time(&c->asked, now_ns, containers_misses(c->opts.containers),
				       containers_changes(c->opts.containers)))
		ask(c, now_ns);
}
