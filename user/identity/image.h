/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an image's reference: "registry:5000/shop/web:1.2@sha256:...". Pure. */
#ifndef IMAGE_H
#define IMAGE_H

#include "identity/facts.h"
#include "util/slice.h"

struct image {
	struct slice name, tag, digest; /* empty: not said */
};

struct image image_parse(struct slice reference);

/* What semconv makes service.version of it: tag@digest, or what there is of the two. */
void image_facts(struct facts_draft *d, const char *reference, bool is_version);

#endif
