/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of Docker, or of Podman, whose service speaks the same: their list is asked for at
 * the start, when a process is in one that nobody knows, and from time to time.
 * https://docs.docker.com/reference/api/engine/
 */
#ifndef DOCKER_H
#define DOCKER_H

#include "identity/asked.h"
#include "identity/containers.h"

struct docker_opts {
	struct fetcher *fetcher;       /* borrowed */
	struct containers *containers; /* borrowed */
	const char *name;	       /* "docker", "podman"; static */
	const char *path;	       /* of its socket; copied */
	enum containers_source by;
};

struct docker;

struct docker *docker_new(const struct docker_opts *opts); /* NULL: out of memory */
void docker_free(struct docker *d);			   /* before the fetcher; NULL accepted */
/* Asks, if it is time to. */
void docker_turn(struct docker *d, uint64_t now_ns);
const struct asked *docker_asked(const struct docker *d);

#endif
