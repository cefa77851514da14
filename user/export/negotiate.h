/* SPDX-License-Identifier: Apache-2.0 */
/* What a client says it accepts: RFC 9110 12.5. Pure functions over header values. */
#ifndef NEGOTIATE_H
#define NEGOTIATE_H

#include <stdbool.h>
#include "export/prometheus.h"

struct negotiated {
	enum prom_format format;
	/* The client told how names are to be escaped: the answer says how they are. */
	bool says_escaping;
	/* Nothing in the header was understood, or nothing we have is in it: text 0.0.4 is sent all
	 * the same, for a scrape is worth more than a refusal. */
	bool is_fallback;
};

/* accept: the header's value, NULL when there was none (anything will do). OpenMetrics and
 * protobuf go only to those who name them. Never fails. */
struct negotiated negotiate_accept(const char *accept);

/* accept_encoding: the header's value, NULL when there was none. */
bool negotiate_gzip(const char *accept_encoding);

/* The Content-Type of the answer. Static. */
const char *negotiate_content_type(struct negotiated n);

#endif
