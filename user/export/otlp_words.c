/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "metrics/red.h"
#include "util/decimal.h"

enum span_kind words_role_kind(const struct txn *t)
{
	return t->role == SONDE_ROLE_SERVER ? SPAN_SERVER : SPAN_CLIENT;
}

void words_server(const struct otlp_attrs *a, const struct txn *t)
{
	struct red_text text;
	struct slice address = red_server_address(t, &text);
	uint16_t port = red_server_port(t);

	ATTR_STRING_IF(a, "server.address", address);
	if (address.n && port)
		ATTR_INT(a, "server.port", port);
}

void words_peer(const struct otlp_attrs *a, const struct txn *t)
{
	char text[INET6_ADDRSTRLEN];
	struct slice ip = { (uint8_t *)text, 0 };

	if (t->family == SONDE_FAMILY_UNIX)
		ATTR_WORD(a, "network.transport", SLICE("unix"));
	if ((t->family != SONDE_FAMILY_IPV4 && t->family != SONDE_FAMILY_IPV6) || !t->peer.port)
		return;
	if (t->family == SONDE_FAMILY_IPV4)
		ip.n = decimal_ipv4(text, t->peer.ip);
	else if (inet_ntop(AF_INET6, t->peer.ip, text, sizeof(text)))
		ip.n = strlen(text);
	ATTR_WORD(a, "network.peer.address", ip);
	ATTR_INT(a, "network.peer.port", t->peer.port);
	if (t->role == SONDE_ROLE_SERVER)
		ATTR_WORD(a, "client.address", ip);
}

/* What snprintf() would have written, cut to what there is room for. */
static size_t written(int n, size_t size)
{
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static size_t db_name(const struct txn *t, char *out, size_t size)
{
	const char *target = t->collection[0] ? t->collection : t->name_space;
	struct slice address, port;
	struct red_text text;
	int n;

	red_server(t, &text, &address, &port);
	if (t->summary[0])
		n = snprintf(out, size, "%s", t->summary);
	else if (t->operation[0] && *target)
		n = snprintf(out, size, "%s %s", t->operation, target);
	else if (t->operation[0] && address.n)
		n = snprintf(out, size, "%s %.*s%s%.*s", t->operation, (int)address.n,
			     (const char *)address.p, port.n ? ":" : "", (int)port.n,
			     (const char *)port.p);
	else if (t->operation[0])
		n = snprintf(out, size, "%s", t->operation);
	else
		n = snprintf(out, size, "%s", *target ? target : t->system);
	return written(n, size);
}

/* A server's end has no convention: it is told as the client's is. */
static void db_attributes(const struct otlp_attrs *a, const struct txn *t)
{
	ATTR_STRING_IF(a, "db.system.name", slice_str(t->system));
	ATTR_STRING_IF(a, "db.namespace", slice_str(t->name_space));
	ATTR_STRING_IF(a, "db.collection.name", slice_str(t->collection));
	ATTR_STRING_IF(a, "db.operation.name", slice_str(t->operation));
	ATTR_STRING_IF(a, "db.query.summary", slice_str(t->summary));
	ATTR_STRING_IF(a, "db.query.text", slice_str(t->query));
	ATTR_STRING_IF(a, "db.response.status_code", slice_str(t->status_text));
	if (t->is_rows_known)
		ATTR_INT(a, "db.response.returned_rows", t->rows);
	words_server(a, t);
	words_peer(a, t);
}

/* No convention has a span for it: "DNS" and the type. The name asked for has no bounds. */
static size_t dns_name(const struct txn *t, char *out, size_t size)
{
	return written(snprintf(out, size, "DNS%s%s", t->method[0] ? " " : "", t->method), size);
}

static void dns_attributes(const struct otlp_attrs *a, const struct txn *t)
{
	ATTR_STRING_IF(a, "dns.question.name", slice_str(t->target));
	ATTR_STRING_IF(a, "dns.question.type", slice_str(t->method));
	ATTR_STRING_IF(a, "dns.response_code", slice_str(t->status_text));
	words_server(a, t);
	words_peer(a, t);
}

static size_t rpc_name(const struct txn *t, char *out, size_t size)
{
	struct slice method = red_rpc_method(t);

	if (!method.n)
		method = slice_str(t->system);
	return written(snprintf(out, size, "%.*s", (int)method.n, (const char *)method.p), size);
}

static void rpc_attributes(const struct otlp_attrs *a, const struct txn *t)
{
	ATTR_STRING_IF(a, "rpc.system.name", slice_str(t->system));
	ATTR_STRING_IF(a, "rpc.method", red_rpc_method(t));
	ATTR_STRING_IF(a, "rpc.response.status_code", slice_str(t->status_text));
	words_server(a, t);
	words_peer(a, t);
}

/* A connection that came to nothing, or an exchange of a kind without words of its own. */
static size_t other_name(const struct txn *t, char *out, size_t size)
{
	const struct proto *proto = proto_get(t->proto);
	const char *name = t->operation[0] ? t->operation : t->method;

	if (!*name)
		name = proto ? proto->name : "connect";
	return written(snprintf(out, size, "%s", name), size);
}

static void other_attributes(const struct otlp_attrs *a, const struct txn *t)
{
	if (t->family == SONDE_FAMILY_IPV4 || t->family == SONDE_FAMILY_IPV6)
		ATTR_WORD(a, "network.transport", SLICE("tcp"));
	words_server(a, t);
	words_peer(a, t);
}

static const struct span_words words_db = { db_name, words_role_kind, db_attributes };
static const struct span_words words_dns = { dns_name, words_role_kind, dns_attributes };
static const struct span_words words_rpc = { rpc_name, words_role_kind, rpc_attributes };
static const struct span_words words_other = { other_name, words_role_kind, other_attributes };

static const struct span_words *const words_of[] = {
	[KIND_WEB] = &words_http,
	[KIND_DATABASE] = &words_db,
	[KIND_NAMES] = &words_dns,
	[KIND_RPC] = &words_rpc,
};

const struct span_words *span_words(const struct txn *t)
{
	const struct proto *proto = proto_get(t->proto);

	if (!proto || (size_t)proto->kind >= sizeof(words_of) / sizeof(words_of[0]) ||
	    !words_of[proto->kind])
		return &words_other;
	return words_of[proto->kind];
}
