/* SPDX-License-Identifier: Apache-2.0 */
/* Whose spans they are, and what stands around the spans of one service in a request. */
#ifndef OTLP_OWNER_H
#define OTLP_OWNER_H

#include "export/otlp_resource.h"
#include "identity/service.h"

/* A service, for as long as there are spans of it: identity forgets it in its own time. */
struct otlp_owner {
	uint32_t id;
	char name[SERVICE_NAME_LEN];
	char name_space[SERVICE_NAMESPACE_LEN];
	char instance_id[SERVICE_INSTANCE_LEN];
	struct facts *facts; /* a reference of its own */
};

void otlp_owner_init(struct otlp_owner *w, const struct service *s);
/* What is known of it grows. */
void otlp_owner_learn(struct otlp_owner *w, const struct service *s);
void otlp_owner_free(struct otlp_owner *w);

/* A request: what is before and behind its owners; of each what is before and behind its spans. */
struct otlp_frame {
	size_t resource, scope;
};

void otlp_owners_begin(struct otlp_out *o);
struct otlp_frame otlp_owner_begin(const struct otlp_owner *w, struct otlp_out *o,
				   const struct otlp_origin *origin);
void otlp_owner_span(struct otlp_out *o, struct slice span); /* of otlp_span() */
void otlp_owner_end(struct otlp_out *o, struct otlp_frame f);
void otlp_owners_end(struct otlp_out *o);

#endif
