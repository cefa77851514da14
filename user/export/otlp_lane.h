/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One signal's way out: the request under way, and when to try again. Knows nothing of sockets.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/#retry
 */
#ifndef OTLP_LANE_H
#define OTLP_LANE_H

#include "export/otlp_answer.h"
#include "export/otlp_config.h"
#include "export/otlp_out.h"

/* Why something was not delivered. */
enum otlp_loss {
	OTLP_LOSS_QUEUE_FULL,  /* the oldest made room */
	OTLP_LOSS_REFUSED,     /* the collector said no */
	OTLP_LOSS_PARTIAL,     /* it took the request, but for these */
	OTLP_LOSS_UNREACHABLE, /* no answer, or only "later", for too long */
	OTLP_LOSS_SHUTDOWN,    /* sonde ended first */
	OTLP_LOSS_NO_MEMORY,
	OTLP_LOSSES,
};

const char *otlp_loss_name(enum otlp_loss l);

enum lane_state { LANE_IDLE, LANE_SENDING, LANE_WAITING };

struct otlp_lane {
	const struct otlp_endpoint *endpoint; /* borrowed */
	enum otlp_signal signal;
	enum lane_state state;
	struct otlp_out out;  /* the message */
	struct otlp_out wire; /* as it is sent: compressed, framed */
	size_t items;	      /* spans or data points in it */
	uint64_t begun_ns;    /* of the first attempt */
	uint64_t due_ns;      /* waiting: of the next one */
	uint64_t backoff_ns;
	uint64_t random;
	bool is_troubled; /* people were told, and not yet that it is over */
	uint64_t sent, lost[OTLP_LOSSES];
};

void lane_init(struct otlp_lane *l, enum otlp_signal s, const struct otlp_endpoint *e);
void lane_free(struct otlp_lane *l);

/* Makes `out`, holding `items`, what is sent. 0, or -ENOMEM: they are lost, and the lane idle. */
int lane_load(struct otlp_lane *l, size_t items, uint64_t now_ns);
struct slice lane_bytes(const struct otlp_lane *l); /* what to send; the lane is then sending */

/* It was answered, or was not. */
void lane_reply(struct otlp_lane *l, const struct otlp_reply *r, uint64_t now_ns);
void lane_drop(struct otlp_lane *l, enum otlp_loss why); /* what is loaded */

enum otlp_form lane_form(const struct otlp_endpoint *e);

#endif
