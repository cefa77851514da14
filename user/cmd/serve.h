/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server within the loop, and what it answers from. */
#ifndef SERVE_H
#define SERVE_H

#include <stdbool.h>
#include "cmd/stats.h"
#include "loop.h"

struct server;
struct web_config;

struct serve {
	struct stats *stats; /* borrowed */
	struct server *server;
	struct web_config *web; /* owned; NULL: neither TLS nor passwords */
	struct traces *traces;	/* owned; of late, for the API */
	bool is_ready;		/* what /readyz says; set by the owner */
	int timer;
	char told[512]; /* what was wrong with a changed web-config; empty: nothing */
	char url[128];	/* "http://127.0.0.1:9464"; empty: serves nowhere */
};

/* Listens where the configuration says, and nowhere when it says off. 0, or the exit code after
 * saying on stderr what is wrong. */
int serve_open(struct serve *s, const struct config *c, struct stats *stats);
/* Answers from now on. 0 or -errno. */
int serve_join(struct serve *s, struct loop *loop);
/* Not ready any more: says so to who has asked. Nobody is answered afterwards. */
void serve_end(struct serve *s);
void serve_close(struct serve *s);

#endif
