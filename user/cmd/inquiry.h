/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked about containers and addresses, and the loop's part in it: Kubernetes, Docker,
 * Podman. */
#ifndef INQUIRY_H
#define INQUIRY_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/confine.h"
#include "config.h"
#include "identity/addresses.h"
#include "identity/asked.h"
#include "identity/containers.h"
#include "loop.h"

enum { INQUIRY_MAX = 6 };

struct inquiry;

/* Finds who there is to ask, and begins to; who is to be found by itself and is not there yet is
 * looked for again, after 1 s, then ever later, up to a minute. `c` is borrowed to the end. What is
 * configured and cannot be is said on stderr. NULL: out of memory. */
struct inquiry *inquiry_open(const struct config *c);
void inquiry_close(struct inquiry *q); /* NULL accepted */

/* Goes on within the loop from now on. 0 or -errno. */
int inquiry_join(struct inquiry *q, struct loop *loop);
/* Waits until all have answered or failed, but no longer than that. */
void inquiry_settle(struct inquiry *q, uint64_t limit_ns);

/* With whom that makes connections, now and later. */
enum confine_reach inquiry_reach(const struct inquiry *q);
struct containers *inquiry_containers(struct inquiry *q);
struct addresses *inquiry_addresses(struct inquiry *q);
/* Those asked, at most INQUIRY_MAX; returns how many. Borrowed. */
size_t inquiry_asked(const struct inquiry *q, const struct asked *out[INQUIRY_MAX]);

#endif
