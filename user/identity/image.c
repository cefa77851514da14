/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/image.h"

#include <stdio.h>

static const uint8_t *last(struct slice s, uint8_t c)
{
	for (size_t i = s.n; i-- > 0;)
		if (s.p[i] == c)
			return s.p + i;
	return NULL;
}

/* https://github.com/distribution/reference: a colon before the last slash is a port's */
struct image image_parse(struct slice reference)
{
	struct image i = { .name = reference };
	const uint8_t *at = last(i.name, '@'), *colon, *slash;

	/* an image without a name is known by its own digest */
	if (slice_starts(reference, SLICE("sha256:")))
		return (struct image){ .digest = reference };
	if (at) {
		size_t n = (size_t)(at - i.name.p);

		i.digest = (struct slice){ at + 1, i.name.n - n - 1 };
		i.name.n = n;
	}
	colon = last(i.name, ':');
	slash = last(i.name, '/');
	if (colon && (!slash || colon > slash)) {
		size_t n = (size_t)(colon - i.name.p);

		i.tag = (struct slice){ colon + 1, i.name.n - n - 1 };
		i.name.n = n;
	}
	return i;
}

void image_facts(struct facts_draft *d, const char *reference, bool is_version)
{
	struct image i = image_parse(slice_str(reference ? reference : ""));
	char version[256];
	int n;

	facts_set(d, FACT_CONTAINER_IMAGE, i.name);
	facts_set(d, FACT_CONTAINER_IMAGE_TAGS, i.tag);
	if (!is_version || d->len[FACT_SERVICE_VERSION])
		return;
	n = snprintf(version, sizeof(version), "%.*s%s%.*s", (int)i.tag.n, (const char *)i.tag.p,
		     i.tag.n && i.digest.n ? "@" : "", (int)i.digest.n, (const char *)i.digest.p);
	if (n > 0 && (size_t)n < sizeof(version))
		facts_set_str(d, FACT_SERVICE_VERSION, version);
}
