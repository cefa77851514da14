// SPDX-License-Identifier: Apache-2.0
/* Bytes through connections, by process: told by those who follow these, kept for the series. */
#include <stdlib.h>
#include "pressure/procwalk_impl.h"

enum { SWEPT_MAX = 1024 };

/* Of processes that ended before any walk has met them. */
void procwalk_sweep_network(struct procwalk *w)
{
	uint64_t gone[SWEPT_MAX], key;
	size_t n = 0;
	void *value;

	for (size_t i = 0; map_next(&w->network, &i, &key, &value);) {
		const struct moved *m = value;

		if (m->walk + 1 < w->walk && !map_get(&w->walked, key) && n < SWEPT_MAX)
			gone[n++] = key;
	}
	while (n > 0)
		free(map_del(&w->network, gone[--n]));
}

void procwalk_network(struct procwalk *w, uint32_t tgid, uint64_t sent, uint64_t received)
{
	struct moved *m = map_get(&w->network, tgid);

	if (!m) {
		m = w->network.n < PROCWALK_MAX ? calloc(1, sizeof(*m)) : NULL;
		if (!m || map_put(&w->network, tgid, m) < 0) {
			free(m);
			w->no_bytes++;
			return;
		}
	}
	m->sent += sent;
	m->received += received;
	m->walk = w->walk;
}

void procwalk_free_network(struct procwalk *w)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->network, &i, &key, &value);)
		free(value);
	map_free(&w->network);
}
