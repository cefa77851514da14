/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the Redis parser; nobody else includes it.
 * https://redis.io/docs/latest/develop/reference/protocol-spec/ */
#ifndef REDIS_PARTS_H
#define REDIS_PARTS_H

#include "proto/proto.h"

enum {
	REDIS_DEPTH_MAX = 20,	   /* of nested replies; COMMAND DOCS of Redis 7 has 12 */
	REDIS_LINE_MAX = 64 << 10, /* an inline command, a simple string */
	REDIS_WORD_MAX = 24,	   /* of a command's name */
	REDIS_SPECIALS = 8,	   /* outstanding commands whose replies are not one for one */
	REDIS_DB_NONE = -1,
};

/* Commands whose answers are not one for one, or change what follows. */
enum redis_special { REDIS_SUBSCRIBE = 1, REDIS_SELECT, REDIS_ENDS };

struct redis_mark {
	uint32_t index; /* of the command, counted from the connection's first */
	uint32_t acks;	/* REDIS_SUBSCRIBE: how many acknowledgements it gets */
	int32_t db;	/* REDIS_SELECT: the database before it */
	uint32_t kind;
};

/* Zeroed at the start. Both directions. */
struct redis {
	uint32_t requests;  /* commands that are answered, parsed so far */
	uint32_t responses; /* answers parsed so far */
	uint32_t args_left; /* of the open command */
	int32_t db_plus_1;  /* 0: not known */
	uint32_t more_acks; /* acknowledgements still to come for a command that is answered */
	uint32_t n_marks;
	struct redis_mark marks[REDIS_SPECIALS];
	uint32_t left[REDIS_DEPTH_MAX + 1]; /* elements still to come, by depth */
	uint8_t depth;
	bool is_in_reply;
	bool is_told;	   /* the first command was seen, or never will be: db_plus_1 is right */
	bool is_pubsub;	   /* RESP2: arrays may be messages */
	bool is_resp3;	   /* they are not: what is pushed has a type of its own */
	bool is_muted;	   /* CLIENT REPLY OFF */
	bool is_skip_next; /* CLIENT REPLY SKIP */
	bool is_adrift;	   /* in a reply, behind a hole */
	bool is_pipelined; /* a command was sent before the last one was answered */
	bool is_missed;	   /* the next answer is to a command never seen */
	bool is_reply_interim;
	bool is_amid[2];    /* by direction: resync()'s bytes begin within a line */
	bool has_failed[2]; /* by direction: the bytes that parse() refused come to resync() */
	bool is_ack;	    /* the open reply acknowledges a subscription or its end */
};

/* A line without its CRLF. > 0: its length with CRLF; 0: more bytes are needed; -EBADMSG. */
ssize_t redis_line(struct slice in, struct slice *line);

/* A decimal number, at most 2^31 - 1, perhaps with a minus sign. */
bool redis_number(struct slice digits, int64_t *out);

/* One command at the front of `in`, as far as it has to be seen to be described. */
struct redis_command {
	size_t used;	      /* bytes up to where the description ends */
	uint32_t n_args;      /* the name included */
	uint32_t args_seen;   /* of them, wholly within `used` */
	struct slice args[3]; /* name, first and second argument where they matter */
};

/* 1: described; 0: more bytes are needed; -EBADMSG. */
int redis_command(struct slice in, struct redis_command *out);

/* Where the command at the front of `in` ends, if each of its words is a bulk string; 0: one is
 * not; SIZE_MAX: that is not in `in`. */
size_t redis_command_end(struct slice in, const struct redis_command *c);

/* Is there a command of that name with so many words, the name included? */
bool redis_is_known(struct slice name, uint32_t n_args);

/* Is the command one of those whose name has two words? */
bool redis_is_container(struct slice name);

/* Fills operation and query, which name no key and no value, from a command. */
void redis_describe(const struct redis_command *c, struct msg *out);

ssize_t redis_reply(struct redis *r, struct slice in, struct msg *out);

#endif
