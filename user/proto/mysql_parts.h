/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client/server protocol of MySQL and MariaDB; what its files share.
 *   mysql.c           detection, gaps, the interface     mysql_response.c  the server's side
 *   mysql_request.c   the client's side  mysql_attributes.c  what stands before a query's text
 *
 * Every command that is answered is one exchange, with all its result sets. Rows tell by
 * themselves whether EOF packets are in use: one is 5 bytes long, the OK packet in its place 7 or
 * more. Only the definitions of a prepared statement, which may end with one, do not: where the
 * handshake was not seen they end with the last definition, and the packet behind is nothing.
 */
#ifndef MYSQL_PARTS_H
#define MYSQL_PARTS_H

#include "proto/proto.h"
#include "proto/statements.h"

enum {
	MY_HEADER = 4,	       /* length and sequence number of a packet */
	MY_LONGEST = 0xffffff, /* a packet of this length is continued in the next one */
	MY_COMMANDS = 16,      /* that can be under way at a time */
	MY_LOOK = 32,	       /* bytes of a packet that are looked at */
	MY_DATABASE_MAX = 64,
};

enum my_command {
	MY_QUIT = 0x01,
	MY_INIT_DB = 0x02,
	MY_QUERY = 0x03,
	MY_FIELD_LIST = 0x04,
	MY_STATISTICS = 0x09,
	MY_CHANGE_USER = 0x11,
	MY_BINLOG_DUMP = 0x12, /* answered without end */
	MY_PREPARE = 0x16,
	MY_EXECUTE = 0x17,
	MY_LONG_DATA = 0x18,
	MY_CLOSE = 0x19,
	MY_FETCH = 0x1c,
	MY_BINLOG_DUMP_GTID = 0x1e,
	MY_BULK_EXECUTE = 0xfa,
};

/* Which packet of a response comes next. */
enum my_expect {
	MY_EXPECT_FIRST,
	MY_EXPECT_COLUMNS,  /* `left` definitions */
	MY_EXPECT_ROWS,	    /* or the EOF between definitions and rows */
	MY_EXPECT_PREPARED, /* definitions of parameters and columns */
	MY_EXPECT_FILE,	    /* the client sends one, then the first packet comes again */
};

struct mysql {
	struct statements statements;
	uint64_t rows;
	uint32_t caps; /* of the server */
	uint32_t left;
	uint8_t first, n; /* of commands */
	uint8_t commands[MY_COMMANDS];
	uint8_t packets[MY_COMMANDS]; /* of each: its answer goes on counting them */
	uint8_t expect;
	uint8_t is_authenticating; /* the greeting was seen, its OK not yet */
	uint8_t is_behind_tls;	   /* and it was seen by nobody: it was in the clear */
	uint8_t is_mariadb;
	uint8_t is_compressed; /* from the server's OK on */
	uint8_t is_responding;
	uint8_t is_orphan;
	uint8_t is_continued; /* the response's packet goes on in the next one */
	uint8_t is_request_continued;
	uint8_t is_deaf;    /* a part of the file is missing: none of it is read */
	uint8_t is_between; /* definitions are over, an EOF packet may follow */
	uint8_t has_eof;    /* the handshake agreed on EOF packets */
	uint8_t is_blind;
	uint8_t has_failed;   /* a bit for each direction: parsing, where it stands */
	uint8_t is_preparing; /* `prepared` waits for the number of its statement */
	uint8_t database_len, next_len;
	char database[MY_DATABASE_MAX];
	char next[MY_DATABASE_MAX]; /* the database from the next OK on */
	uint16_t text_len;
	uint8_t summary_len, operation_len;
	char prepared[SQL_ROOM]; /* text and summary of what is being prepared */
};

static inline uint32_t my_u24(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t my_u32(const uint8_t *p)
{
	return my_u24(p) | (uint32_t)p[3] << 24;
}

/* What was prepared last. Points into the state. */
static inline struct sql my_prepared(const struct mysql *my)
{
	const uint8_t *p = (const uint8_t *)my->prepared;

	return (struct sql){
		.text = { p, my->text_len },
		.summary = { p + my->text_len, my->summary_len },
		.operation = { p + my->text_len, my->operation_len },
	};
}

static inline enum my_command my_front(const struct mysql *my)
{
	return my->n && !my->is_orphan ? my->commands[my->first % MY_COMMANDS] : 0;
}

/* Takes the query attributes off the front of a Query's body, if it has any, and gives the context
 * that one of them is. False: where the text begins is not known. */
bool my_attributes(struct slice *body, struct context *context);

/* A length-encoded integer. Bytes used, 0: not whole. */
size_t my_lenenc(struct slice s, uint64_t *out);

/* Behind TLS: the greeting was in the clear, so that a connection's own bytes begin with the answer
 * to it. 1 yes, 0 more bytes are needed, -1 no. */
int my_is_handshake(struct slice in);

ssize_t my_request(struct mysql *my, struct slice in, struct msg *out);
ssize_t my_response(struct mysql *my, struct slice in, struct msg *out);

/* Does a response begin here, and is what follows of it in order? */
bool my_is_response(struct slice in);
/* A packet that ends rows; `more`: and one more result follows. */
bool my_is_last(const uint8_t *body, size_t len, bool *more);

#endif
