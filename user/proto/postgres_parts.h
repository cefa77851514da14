/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL's protocol 3 ("Frontend/Backend Protocol" in its manual); what its files share.
 *   postgres.c           detection, gaps, the interface     postgres_response.c  the server's side
 *   postgres_request.c   the client's side
 *
 * What is one exchange: a Query message with all its statements, until ReadyForQuery; a
 * FunctionCall; an Execute with the Parse, Bind and Describe before it, until CommandComplete,
 * EmptyQueryResponse, PortalSuspended or ErrorResponse. After an error the server passes over
 * everything up to Sync: Executes in between are no exchanges, since nothing executes them.
 */
#ifndef POSTGRES_PARTS_H
#define POSTGRES_PARTS_H

#include "proto/proto.h"
#include "proto/statements.h"

enum {
	PG_HEADER = 5,		/* type and length */
	PG_STARTUP_MAX = 10000, /* MAX_STARTUP_PACKET_LENGTH */
	PG_ROUNDS = 64,		/* that can be under way at a time */
	PG_NAMES = 256,		/* bytes that are looked at for names of portals and statements */
	PG_DATABASE_MAX = 63,
};

/* Codes where a startup message has its version. */
#define PG_CANCEL 80877102
#define PG_SSL	  80877103
#define PG_GSSENC 80877104

/* What ReadyForQuery ends. */
enum pg_round_kind {
	PG_ROUND_START, /* the startup message */
	PG_ROUND_QUERY, /* Query or FunctionCall: one exchange */
	PG_ROUND_SYNC,	/* Sync: as many exchanges as were executed before it */
};

struct pg_round {
	uint8_t kind;
	uint8_t is_closed : 1, /* its Sync is here */
		is_copied : 1; /* and the end of what is copied in */
	uint16_t requests;     /* not answered yet */
};

struct postgres {
	struct statements statements;
	uint64_t portal, statement; /* keys of those bound last */
	uint64_t rows;
	uint32_t data_rows;
	uint16_t first, n; /* of rounds */
	struct pg_round rounds[PG_ROUNDS];
	uint8_t is_requesting; /* a Parse or Bind is here, its Execute still to come */
	uint8_t is_bound;      /* portal and statement mean something */
	uint8_t n_negotiating; /* SSLRequests and the like that a byte will answer */
	uint8_t is_responding; /* a response is open */
	uint8_t is_orphan;     /* which answers nothing that is known */
	uint8_t is_failed;     /* an error was the answer: up to ReadyForQuery nothing else is */
	uint8_t has_rows;
	uint8_t is_blind;   /* there was a hole in the response: its end is looked for */
	uint8_t is_torn;    /* and since then a response is hard to tell from the middle of one */
	uint8_t is_copying; /* the client copies in: it sends nothing else until that is answered */
	uint8_t is_deaf;    /* and of that a part is missing: none of it is read */
	uint8_t has_failed; /* a bit for each direction: parsing, where it stands */
	uint8_t is_backslash; /* standard_conforming_strings is off */
	uint8_t database_len;
	char database[PG_DATABASE_MAX];
};

static inline uint32_t pg_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline struct pg_round *pg_front(struct postgres *pg)
{
	return pg->n ? &pg->rounds[pg->first % PG_ROUNDS] : NULL;
}

static inline struct pg_round *pg_back(struct postgres *pg)
{
	return pg->n ? &pg->rounds[(pg->first + pg->n - 1) % PG_ROUNDS] : NULL;
}

static inline void pg_pop(struct postgres *pg)
{
	pg->first++;
	pg->n--;
}

/* The NUL-terminated string at s; false: its end is not there. */
bool pg_string(struct slice *s, struct slice *out);

/* Does `type` begin a message of that direction? */
bool pg_is_type(enum proto_dir dir, uint8_t type);

ssize_t pg_request(struct postgres *pg, struct slice in, struct msg *out);
ssize_t pg_response(struct postgres *pg, struct slice in, struct msg *out);

#endif
