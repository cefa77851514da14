/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/proto.h"

#define PROTO(ID, symbol, name) extern const struct proto proto_##symbol;
#include "proto/protos.def"
#undef PROTO

static const struct proto *const protos[PROTO_MAX] = {
#define PROTO(ID, symbol, name) [PROTO_##ID] = &proto_##symbol,
#include "proto/protos.def"
#undef PROTO
};

const struct proto *proto_get(enum proto_id id)
{
	return id < PROTO_MAX ? protos[id] : NULL;
}

const struct proto *proto_by_name(struct slice name)
{
	for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++)
		if (slice_eq(name, slice_str(protos[id]->name)))
			return protos[id];
	return NULL;
}
