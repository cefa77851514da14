/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the semantic conventions say of each kind of exchange: a row of functions for each kind of
 * protocol. https://opentelemetry.io/docs/specs/semconv/ (1.44)
 */
#ifndef OTLP_WORDS_H
#define OTLP_WORDS_H

#include "export/otlp_attr.h"
#include "txn.h"

enum span_kind { SPAN_SERVER = 2, SPAN_CLIENT = 3, SPAN_PRODUCER = 4, SPAN_CONSUMER = 5 };

struct span_words {
	size_t (*name)(const struct txn *t, char *out, size_t size); /* NUL terminated */
	enum span_kind (*kind)(const struct txn *t);
	void (*attributes)(const struct otlp_attrs *a, const struct txn *t);
};

/* Never NULL: a connect that failed has words, too. */
const struct span_words *span_words(const struct txn *t);

/* Shared by the kinds: the ends of the connection. */
void words_server(const struct otlp_attrs *a, const struct txn *t); /* server.address, .port */
void words_peer(const struct otlp_attrs *a, const struct txn *t);   /* network.peer.* */
enum span_kind words_role_kind(const struct txn *t);

extern const struct span_words words_http;

#endif
