// SPDX-License-Identifier: Apache-2.0
#include "pressure/reclaim.h"

#include <stdlib.h>

void reclaims_take(struct reclaims *r, struct series_store *st, const struct service *service,
		   uint32_t tgid, uint64_t ns, uint64_t now_ns)
{
	uint64_t *last = map_get(&r->last, tgid);
	struct slice none = SLICE("");
	struct series *s;

	if (!last) {
		last = calloc(1, sizeof(*last));
		if (!last || map_put(&r->last, tgid, last) < 0) {
			free(last);
			return;
		}
	}
	if (ns < *last) /* another one's, of the same number */
		*last = 0;
	s = ns > *last ? series_get(st, METRIC_MEMORY_RECLAIM, service, &none, now_ns) : NULL;
	if (s)
		s->value += ns - *last;
	*last = ns;
}

void reclaims_forget(struct reclaims *r, uint32_t tgid)
{
	free(map_del(&r->last, tgid));
}

void reclaims_free(struct reclaims *r)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&r->last, &i, &key, &value);)
		free(value);
	map_free(&r->last);
}
