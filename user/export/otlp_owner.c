/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_owner.h"

#include <string.h>

/* opentelemetry/proto/collector/trace/v1/trace_service.proto, trace/v1/trace.proto */
static const struct otlp_field f_resource_spans = OTLP_FIELD(1, "resourceSpans");
static const struct otlp_field f_scope_spans = OTLP_FIELD(2, "scopeSpans");
static const struct otlp_field f_spans = OTLP_FIELD(2, "spans");

void otlp_owner_init(struct otlp_owner *w, const struct service *s)
{
	w->id = s->id;
	strcpy(w->name, s->name);
	strcpy(w->name_space, s->name_space);
	strcpy(w->instance_id, s->instance_id);
	w->facts = facts_hold(s->facts);
}

void otlp_owner_learn(struct otlp_owner *w, const struct service *s)
{
	if (w->facts == s->facts)
		return;
	facts_release(w->facts);
	w->facts = facts_hold(s->facts);
}

void otlp_owner_free(struct otlp_owner *w)
{
	facts_release(w->facts);
	w->facts = NULL;
}

void otlp_owners_begin(struct otlp_out *o)
{
	otlp_root(o);
	otlp_list(o, f_resource_spans);
}

void otlp_owners_end(struct otlp_out *o)
{
	otlp_list_end(o);
	otlp_root_end(o);
}

struct otlp_frame otlp_owner_begin(const struct otlp_owner *w, struct otlp_out *o,
				   const struct otlp_origin *origin)
{
	const struct otlp_who who = { w->name, w->name_space, w->instance_id, w->facts };
	struct otlp_frame f;

	f.resource = otlp_element(o, f_resource_spans);
	otlp_resource(o, origin, &who);
	otlp_list(o, f_scope_spans);
	f.scope = otlp_element(o, f_scope_spans);
	otlp_scope(o, origin);
	otlp_list(o, f_spans);
	return f;
}

void otlp_owner_span(struct otlp_out *o, struct slice span)
{
	otlp_raw_element(o, f_spans, span);
}

void otlp_owner_end(struct otlp_out *o, struct otlp_frame f)
{
	otlp_list_end(o);
	otlp_schema(o);
	otlp_end(o, f.scope);
	otlp_list_end(o);
	otlp_schema(o);
	otlp_end(o, f.resource);
}
