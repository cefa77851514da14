// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/probe_bare.h"

static int open_edited(struct sonde_bpf *skel, void (*edit)(void *elf))
{
	struct bpf_object_skeleton *s = skel->skeleton;
	const void *whole = s->data;
	void *copy = malloc(s->data_sz);
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, whole, s->data_sz);
	edit(copy);
	s->data = copy;
	err = bpf_object__open_skeleton(s, NULL);
	s->data = whole;
	free(copy); /* opened, it has all it needs */
	return err;
}

struct sonde_bpf *probe_skel_open(void (*edit)(void *elf))
{
	struct sonde_bpf *skel;
	int err;

	if (!edit)
		return sonde_bpf__open();
	skel = calloc(1, sizeof(*skel));
	if (!skel)
		return NULL;
	err = sonde_bpf__create_skeleton(skel);
	if (!err)
		err = open_edited(skel, edit);
	if (err) {
		sonde_bpf__destroy(skel);
		errno = -err;
		return NULL;
	}
	skel->rodata->is_bare = 1;
	return skel;
}
