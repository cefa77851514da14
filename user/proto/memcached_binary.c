// SPDX-License-Identifier: Apache-2.0
/* The binary protocol: a header of 24 bytes says everything. */
#include <errno.h>

#include "proto/memcached_parts.h"

enum { EXTRAS_0_OR_4 = 0xff, BODY_MAX = 1 << 30 };

enum { REQUEST_MAGIC = 0x80, RESPONSE_MAGIC = 0x81, OPCODE_QUITQ = 0x17, OPCODE_STAT = 0x10 };

/* Quiet ones have the name of what they do; `silence` is the status that silence says. */
static const struct opcode {
	const char *name, *silence;
	uint8_t extras;
	bool has_key;
} opcodes[] = {
	[0x00] = { "get", NULL, 0, true },
	[0x01] = { "set", NULL, 8, true },
	[0x02] = { "add", NULL, 8, true },
	[0x03] = { "replace", NULL, 8, true },
	[0x04] = { "delete", NULL, 0, true },
	[0x05] = { "incr", NULL, 20, true },
	[0x06] = { "decr", NULL, 20, true },
	[0x07] = { "quit", NULL, 0, false },
	[0x08] = { "flush_all", NULL, EXTRAS_0_OR_4, false },
	[0x09] = { "get", "MISS", 0, true },
	[0x0a] = { "noop", NULL, 0, false },
	[0x0b] = { "version", NULL, 0, false },
	[0x0c] = { "get", NULL, 0, true },
	[0x0d] = { "get", "MISS", 0, true },
	[0x0e] = { "append", NULL, 0, true },
	[0x0f] = { "prepend", NULL, 0, true },
	[0x10] = { "stats", NULL, 0, false },
	[0x11] = { "set", "STORED", 8, true },
	[0x12] = { "add", "STORED", 8, true },
	[0x13] = { "replace", "STORED", 8, true },
	[0x14] = { "delete", "DELETED", 0, true },
	[0x15] = { "incr", "OK", 20, true },
	[0x16] = { "decr", "OK", 20, true },
	[0x17] = { "quit", NULL, 0, false },
	[0x18] = { "flush_all", "OK", EXTRAS_0_OR_4, false },
	[0x19] = { "append", "STORED", 0, true },
	[0x1a] = { "prepend", "STORED", 0, true },
	[0x1b] = { "verbosity", NULL, 4, false },
	[0x1c] = { "touch", NULL, 4, true },
	[0x1d] = { "gat", NULL, 4, true },
	[0x1e] = { "gat", "MISS", 4, true },
	[0x20] = { "sasl_list_mechs", NULL, 0, false },
	[0x21] = { "sasl_auth", NULL, 0, true },
	[0x22] = { "sasl_step", NULL, 0, true },
	[0x23] = { "gat", NULL, 4, true },
	[0x24] = { "gat", "MISS", 4, true },
};

enum { N_OPCODES = sizeof(opcodes) / sizeof(opcodes[0]) };

static const struct status {
	uint16_t code;
	bool is_error;
	const char *name;
} statuses[] = {
	{ 0x00, false, "OK" },
	{ 0x01, false, "NOT_FOUND" },
	{ 0x02, false, "EXISTS" },
	{ 0x03, true, "TOO_LARGE" },
	{ 0x04, true, "INVALID_ARGUMENTS" },
	{ 0x05, false, "NOT_STORED" },
	{ 0x06, true, "NON_NUMERIC" },
	{ 0x07, true, "WRONG_VBUCKET" },
	{ 0x20, true, "AUTH_ERROR" },
	{ 0x21, false, "AUTH_CONTINUE" },
	{ 0x81, true, "UNKNOWN_COMMAND" },
	{ 0x82, true, "OUT_OF_MEMORY" },
	{ 0x83, true, "NOT_SUPPORTED" },
	{ 0x84, true, "INTERNAL_ERROR" },
	{ 0x85, true, "BUSY" },
	{ 0x86, true, "TEMPORARY_FAILURE" },
};

enum { N_STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static const struct status *find_status(uint16_t code)
{
	for (int i = 0; i < N_STATUSES; i++)
		if (statuses[i].code == code)
			return &statuses[i];
	return NULL;
}

/* What the header of a message says is in its body: does it fit together? */
static bool fits(const uint8_t *p)
{
	uint32_t body = be32(p + 8);

	return p[5] == 0 && be16(p + 2) <= MC_KEY_MAX && body <= BODY_MAX &&
	       body >= (uint32_t)be16(p + 2) + p[4];
}

/* opcode and opaque: an answer repeats both */
static uint16_t hash(const uint8_t *p)
{
	return mc_hash(p[1], (struct slice){ p + 12, 4 });
}

int mc_binary_request(struct slice in, struct mc_request *r)
{
	const struct opcode *o;
	uint8_t op;

	if (in.n && in.p[0] != REQUEST_MAGIC)
		return -EBADMSG;
	if (in.n < MC_HEADER)
		return 0;
	op = in.p[1];
	o = op < N_OPCODES ? &opcodes[op] : NULL;
	if (!fits(in.p))
		return -EBADMSG;
	*r = (struct mc_request){
		.tag = { .kind = MC_BINARY, .hash = hash(in.p) & 0x7ff },
		.operation = SLICE("_OTHER"),
		.data = be32(in.p + 8),
	};
	if (!o || !o->name)
		return 1;
	r->operation = slice_str(o->name);
	r->is_known =
		o->extras == EXTRAS_0_OR_4 ? in.p[4] == 0 || in.p[4] == 4 : in.p[4] == o->extras;
	if (o->has_key != (be16(in.p + 2) > 0) && op != OPCODE_STAT)
		r->is_known = false;
	r->is_no_reply = op == OPCODE_QUITQ;
	r->is_last = op == OPCODE_QUITQ || op == 0x07;
	r->tag.is_quiet = o->silence != NULL;
	if (o->silence)
		r->silence = slice_str(o->silence);
	return 1;
}

int mc_binary_reply(struct slice in, struct mc_reply *r, uint8_t *opcode)
{
	const struct status *status;

	if (in.n && in.p[0] != RESPONSE_MAGIC)
		return -EBADMSG;
	if (in.n < MC_HEADER)
		return 0;
	status = find_status(be16(in.p + 6));
	if (!fits(in.p) || !status)
		return -EBADMSG;
	*opcode = in.p[1];
	*r = (struct mc_reply){
		.kinds = 1 << MC_BINARY,
		.hash = hash(in.p),
		.is_hash_known = true,
		.data = be32(in.p + 8),
		/* statistics are a reply of many messages, the last of which is empty */
		.is_end = in.p[1] != OPCODE_STAT || be16(in.p + 2) == 0 || status->code != 0,
	};
	r->word = mc_binary_status(*opcode, status->code, &r->is_error);
	return 1;
}

bool mc_binary_is_get(uint8_t opcode)
{
	return opcode < N_OPCODES && opcodes[opcode].name &&
	       (slice_eq(slice_str(opcodes[opcode].name), SLICE("get")) ||
		slice_eq(slice_str(opcodes[opcode].name), SLICE("gat")));
}

/* In the words of the text protocol. */
struct slice mc_binary_status(uint8_t opcode, uint16_t code, bool *is_error)
{
	const struct status *status = find_status(code);
	uint8_t op = opcode < N_OPCODES ? opcode : 0x0a;

	*is_error = status && status->is_error;
	if (mc_binary_is_get(op) && code <= 1)
		return code ? SLICE("MISS") : SLICE("HIT");
	if (code)
		return status ? slice_str(status->name) : SLICE("_OTHER");
	switch (op) {
	case 0x04:
	case 0x14: return SLICE("DELETED");
	case 0x1c: return SLICE("TOUCHED");
	case 0x01 ... 0x03:
	case 0x0e:
	case 0x0f:
	case 0x11 ... 0x13:
	case 0x19:
	case 0x1a: return SLICE("STORED");
	default: return SLICE("OK");
	}
}
