/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered to a request: the table of paths. Behind server.h only. */
#ifndef ANSWER_H
#define ANSWER_H

#include <microhttpd.h>
#include <stdbool.h>
#include "export/server.h"

struct web_config;

struct answer_request {
	struct MHD_Connection *connection;
	const struct status_source *source;
	struct web_config *web; /* NULL: everybody may ask */
	const char *path;	/* as sent, without the query */
	bool is_api_open;	/* else the API is refused with the reason */
	bool is_read;		/* GET or HEAD */
	bool is_head;
};

/* Queues the answer. MHD_NO: out of memory, the connection is dropped. */
enum MHD_Result answer(const struct answer_request *r);
enum MHD_Result answer_too_large(const struct answer_request *r);
enum MHD_Result answer_head_too_large(const struct answer_request *r);
enum MHD_Result answer_of_two_lengths(const struct answer_request *r);

#endif
