/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one kind, as the Kubernetes API tells of them: listed page by page, then watched,
 * the watch resumed where it ended. https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
#ifndef APILIST_H
#define APILIST_H

#include <jansson.h>
#include "identity/asked.h"

struct apilist_opts {
	struct fetcher *fetcher; /* borrowed */
	const char *name;	 /* of struct asked; static, as is: */
	const char *about;
	const char *where;   /* copied, as are: */
	const char *url;     /* of the API server, without a path */
	const char *account; /* folder with `token` and `ca.crt` */
	const char *plural;  /* "pods"; static */
	const char *field;   /* that chooses, as "spec.nodeName"; static; NULL: all of them */
	const char *value;   /* which the field has; copied */
	int page;	     /* objects parsed in one go: some 5 ms */
	/* A list begins: what is not told before it ends is there no more. */
	void (*begin)(void *ctx);
	void (*listed)(void *ctx, json_t *object);
	void (*end)(void *ctx);
	/* One was made, changed, or deleted. */
	void (*changed)(void *ctx, json_t *object, bool is_deleted);
	void *ctx;
};

struct apilist;

struct apilist *apilist_new(const struct apilist_opts *opts); /* NULL: out of memory */
void apilist_free(struct apilist *k); /* before the fetcher; NULL accepted */
/* Asks, if it is time to. */
void apilist_turn(struct apilist *k, uint64_t now_ns);
const struct asked *apilist_asked(const struct apilist *k);

#endif
