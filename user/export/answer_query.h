/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind the ? of a request to the API. */
#ifndef ANSWER_QUERY_H
#define ANSWER_QUERY_H

#include "export/answer.h"

/* Reads the arguments that there are. NULL; or one line that says which of them is wrong, static.
 * answer_query_free() is due either way. */
const char *answer_query(const struct answer_request *r, struct server_query *q);
void answer_query_free(struct server_query *q);

/* Every argument is one of those known, named with a space between each. */
bool answer_query_takes(const struct answer_request *r, const char *known);

#endif
