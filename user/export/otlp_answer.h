/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector's answer means for what was sent to it. Pure: its bytes are hostile.
 * https://opentelemetry.io/docs/specs/otlp/#failures, #failures-1
 */
#ifndef OTLP_ANSWER_H
#define OTLP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

enum { OTLP_MESSAGE_MAX = 256, OTLP_DETAILS_MAX = 1024, GRPC_NO_STATUS = -1 };

struct otlp_reply {
	bool is_grpc, is_json;		/* of what was sent */
	int status;			/* HTTP; 0: no answer came */
	uint64_t retry_after_ns;	/* 0: not said */
	int grpc_status;		/* GRPC_NO_STATUS: none came */
	char message[OTLP_MESSAGE_MAX]; /* grpc-message; without an answer: what failed */
	char details[OTLP_DETAILS_MAX]; /* grpc-status-details-bin, as it came */
	struct slice body;
};

enum otlp_fate {
	OTLP_TAKEN,
	OTLP_LATER,   /* try again */
	OTLP_REFUSED, /* for good */
};

struct otlp_verdict {
	enum otlp_fate fate;
	uint64_t rejected;	    /* taken, but for so many */
	uint64_t wait_ns;	    /* later: no sooner than that; 0: as one likes */
	char why[OTLP_MESSAGE_MAX]; /* for people; safe to print, may be empty */
};

void otlp_judge(const struct otlp_reply *r, struct otlp_verdict *out);

#endif
