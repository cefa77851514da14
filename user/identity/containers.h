/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What those who run containers say of them, by container id. Filled by what asks them (kubernetes,
 * docker, cri), read when a process is identified. Bounded: past the cap further ones are not kept,
 * and counted.
 */
#ifndef CONTAINERS_H
#define CONTAINERS_H

#include <stddef.h>
#include <stdint.h>
#include "identity/facts.h"

/* Where several know one, the first here is believed. */
enum containers_source {
	CONTAINERS_KUBERNETES,
	CONTAINERS_DOCKER,
	CONTAINERS_PODMAN,
	CONTAINERS_CRI,
	CONTAINERS_SOURCES,
};

enum { CONTAINERS_MAX = 20000 }; /* of all sources */

struct container {
	const char *id;
	const char *name;	/* of the service; empty: not said */
	const char *name_space; /* of the service; empty: not said */
	const char *instance;	/* service.instance.id; empty: not said */
	const char *group;	/* what it goes with, as a pod's uid; empty: nothing */
	struct facts *facts;
};

struct containers;

struct containers *containers_new(size_t max); /* 0: CONTAINERS_MAX. NULL: out of memory */
void containers_free(struct containers *cs);

/* Copies strings, takes a reference of its own. */
void containers_put(struct containers *cs, enum containers_source by, const struct container *c);
/* Those of a source that were not put since containers_begin() are gone. */
void containers_begin(struct containers *cs, enum containers_source by);
void containers_end(struct containers *cs, enum containers_source by);
/* The same for a group alone. */
void containers_begin_group(struct containers *cs, enum containers_source by, const char *group);
void containers_end_group(struct containers *cs, enum containers_source by);

/* NULL: nobody knows it. Valid until the next change. *version tells one state of it from another. */
const struct container *containers_find(struct containers *cs, const char *id, uint64_t *version);
/* The version alone, by container_key(); 0: nobody knows it. */
uint64_t containers_version(const struct containers *cs, uint64_t key);

uint64_t containers_changes(const struct containers *cs);  /* rises with each */
uint64_t containers_misses(const struct containers *cs);   /* asked for and not known, so far */
uint64_t containers_left_out(const struct containers *cs); /* for want of room, so far */
size_t containers_count(const struct containers *cs, enum containers_source by);

#endif
