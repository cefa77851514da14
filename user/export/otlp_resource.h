/* SPDX-License-Identifier: Apache-2.0 */
/* Whose telemetry it is: one resource for each instance of a service, one scope for all. */
#ifndef OTLP_RESOURCE_H
#define OTLP_RESOURCE_H

#include "export/otlp_out.h"
#include "identity/facts.h"

enum { OTLP_PAIRS_MAX = 32, OTLP_PAIR_MAX = 256 };

/* Attributes that a person gives to all resources. */
struct otlp_pairs {
	size_t n;
	struct otlp_pair {
		char key[OTLP_PAIR_MAX];
		char value[OTLP_PAIR_MAX];
	} v[OTLP_PAIRS_MAX];
};

/* What all resources have in common. Strings borrowed. */
struct otlp_origin {
	const char *host_name;		/* of the observed host; NULL: not known */
	const char *version;		/* of sonde */
	const struct otlp_pairs *pairs; /* NULL: none */
};

struct otlp_who {
	const char *name, *name_space, *instance_id; /* the latter two may be empty */
	const struct facts *facts;		     /* NULL: no more is known */
};

/* Write the fields `resource` of a Resource* message and `scope` of a Scope* one. */
void otlp_resource(struct otlp_out *o, const struct otlp_origin *origin,
		   const struct otlp_who *who);
void otlp_scope(struct otlp_out *o, const struct otlp_origin *origin);
/* The field of both that names the conventions followed. */
void otlp_schema(struct otlp_out *o);

/* "key=value,key=value", values percent-encoded (W3C Baggage 3.2.1.3); pairs that are none are left
 * out, and those whose key is not plain ASCII; of equal keys the last counts. Returns how many were
 * left out. */
size_t otlp_pairs_parse(struct otlp_pairs *p, const char *text);

#endif
