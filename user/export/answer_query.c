/* SPDX-License-Identifier: Apache-2.0 */
#include "export/answer_query.h"

#include <stdlib.h>
#include <string.h>
#include "export/requests_json.h"

static const char *argument(const struct answer_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* As it was meant: "%20" a space. */
static const char *take_text(const struct answer_request *r, const char *name, char **out)
{
	const char *text = argument(r, name);

	if (!text)
		return NULL;
	*out = strdup(text);
	if (!*out)
		return "out of memory\n";
	MHD_http_unescape(*out);
	return NULL;
}

/* The place of the argument in words; *at stays where there is no argument. */
static bool take_word(const struct answer_request *r, const char *name, const char *const *words,
		      int *at)
{
	const char *text = argument(r, name);

	for (int i = 0; text && words[i]; i++) {
		if (strcmp(words[i], text) != 0)
			continue;
		*at = i;
		return true;
	}
	return !text;
}

static bool take_limit(const char *text, size_t max, size_t *limit)
{
	char *end;
	unsigned long n;

	if (!text)
		return true;
	n = strtoul(text, &end, 10);
	if (text[0] < '1' || text[0] > '9' || *end || n > max)
		return false;
	*limit = n;
	return true;
}

struct argument_names {
	const char *known; /* a space between each */
	bool is_wrong;
};

static enum MHD_Result check_name(void *ctx, enum MHD_ValueKind kind, const char *name,
				  const char *value)
{
	struct argument_names *a = ctx;
	size_t n = strlen(name);

	for (const char *at = a->known; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (len == n && strncmp(at, name, n) == 0)
			return MHD_YES;
		at += len;
	}
	a->is_wrong = true;
	return MHD_NO;
}

bool answer_query_takes(const struct answer_request *r, const char *known)
{
	struct argument_names a = { .known = known };

	MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, check_name, &a);
	return !a.is_wrong;
}

const char *answer_query(const struct answer_request *r, struct server_query *q)
{
	static const char *const groups[] = { "service", "endpoint", "peer", "protocol", NULL };
	static const char *const roles[] = { "", "server", "client", NULL };
	static const char *const truths[] = { "false", "true", NULL };
	int group = -1, role = 0, errors = 0;
	const char *wrong;

	*q = (struct server_query){ .max = REQUESTS_DEFAULT };
	if (!take_word(r, "group", groups, &group))
		return "group is service, endpoint, peer or protocol\n";
	if (!take_word(r, "role", roles, &role))
		return "role is server or client\n";
	if (!take_word(r, "errors", truths, &errors))
		return "errors is true or false\n";
	if (!take_limit(argument(r, "limit"), REQUESTS_MAX, &q->max))
		return "limit is a number from 1 to 1000\n";
	q->is_grouped = group >= 0;
	q->group = group < 0 ? RECENT_BY_SERVICE : (enum recent_group)group;
	q->role = role == 1   ? SONDE_ROLE_SERVER
		  : role == 2 ? SONDE_ROLE_CLIENT
			      : SONDE_ROLE_UNKNOWN;
	q->errors_only = errors;
	wrong = take_text(r, "service", &q->service);
	if (!wrong)
		wrong = take_text(r, "endpoint", &q->endpoint);
	return wrong ? wrong : take_text(r, "peer", &q->peer);
}

void answer_query_free(struct server_query *q)
{
	free(q->service);
	free(q->endpoint);
	free(q->peer);
	*q = (struct server_query){ 0 };
}
