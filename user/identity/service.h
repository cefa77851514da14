/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: a name, and one instance of it per cgroup on this host. The table is bounded; at its
 * cap the service that was gone longest makes place, and while none has been gone for 10 minutes a
 * new one is "unknown_service".
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stddef.h>
#include <stdint.h>
#include "identity/facts.h"

#define SERVICE_UNKNOWN "unknown_service"

enum {
	SERVICE_NAME_LEN = 128,
	SERVICE_NAMESPACE_LEN = 64,
	SERVICE_INSTANCE_LEN = 256,
};

/* One service on this host: workers, restarts and threads of it share one. Owned by the table,
 * whose memory stays in place for as long as the table lives. */
struct service {
	uint32_t id; /* small, unique, never reused */
	char name[SERVICE_NAME_LEN];
	char name_space[SERVICE_NAMESPACE_LEN]; /* empty: not known */
	/* UUIDv5, or what names a pod's container; stable over restarts of sonde */
	char instance_id[SERVICE_INSTANCE_LEN];
	struct facts *facts;   /* what else is known of it; a reference of its own */
	uint64_t last_seen_ns; /* last transaction or living process */
};

struct services;

/* host_id: what names this host over reboots; copied. NULL: out of memory. */
struct services *services_new(const char *host_id, size_t max);
void services_free(struct services *ss);

/* The service of that name in that cgroup: found or made. Strings are valid UTF-8, NUL terminated,
 * and cut where they are too long. Never NULL. */
struct service *service_intern(struct services *ss, const char *name, const char *name_space,
			       const char *cgroup, uint64_t now_ns);
/* The same where the instance is already known, as in a recording. */
struct service *service_intern_as(struct services *ss, const char *name, const char *name_space,
				  const char *instance_id, uint64_t now_ns);

/* What is known of it from now on. Takes no reference of the caller's. */
void service_describe(struct service *s, struct facts *facts);

/* Counted references: of processes in the table, of those that live. Only a service without any is
 * forgotten. */
void service_hold(struct service *s);
void service_release(struct service *s);
void service_born(struct service *s);
void service_died(struct service *s);

void services_tick(struct services *ss, uint64_t now_ns); /* those with a living process are seen */
uint64_t services_left_out(const struct services *ss);	  /* so often for want of room: unknown */
/* In the order of their making. */
void services_each(struct services *ss, void (*fn)(void *ctx, struct service *s), void *ctx);

/* RFC 9562, 5.5: the UUID of a name within the namespace OpenTelemetry gives to
 * service.instance.id. out: 36 characters and NUL. */
void service_instance_id(const char *name, size_t n, char out[SERVICE_INSTANCE_LEN]);

#endif
