/* SPDX-License-Identifier: Apache-2.0 */
/* Label values that are no strings in a transaction. */
#include <arpa/inet.h>
#include <string.h>
#include "metrics/red_impl.h"
#include "proto/http1.h"
#include "util/decimal.h"

struct slice red_number(char *text, size_t size, unsigned int n)
{
	size_t at = size;

	do
		text[--at] = (char)('0' + n % 10);
	while (n /= 10);
	return (struct slice){ (const uint8_t *)text + at, size - at };
}

struct slice red_scheme(bool is_tls)
{
	return is_tls ? SLICE("https") : SLICE("http");
}

struct slice red_method(const char *method)
{
	struct slice s = slice_str(method);

	return http_method_known(s) ? s : SLICE("_OTHER");
}

struct slice red_ip(enum sonde_family family, const uint8_t ip[16], struct red_text *text)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_mapped = family == SONDE_FAMILY_IPV6 && memcmp(ip, mapped, sizeof(mapped)) == 0;

	size_t n;

	if (family == SONDE_FAMILY_IPV4 || is_mapped) {
		n = decimal_ipv4(text->address, is_mapped ? ip + sizeof(mapped) : ip);
		return (struct slice){ (const uint8_t *)text->address, n };
	}
	inet_ntop(AF_INET6, ip, text->address, sizeof(text->address));
	return slice_str(text->address);
}

static const struct sonde_addr *server_end(const struct txn *t)
{
	return t->role == SONDE_ROLE_CLIENT ? &t->peer : &t->local;
}

struct slice red_server_address(const struct txn *t, struct red_text *text)
{
	const char *name = t->server_name[0] ? t->server_name : t->host;

	if (*name || t->family == SONDE_FAMILY_NONE)
		return slice_str(name);
	if (t->family != SONDE_FAMILY_UNIX)
		return red_ip(t->family, server_end(t)->ip, text);
	memcpy(text->address, t->unix_path, sizeof(text->address));
	if (t->unix_path_len && text->address[0] == '\0')
		text->address[0] = '@'; /* an abstract name, as everybody writes it */
	return slice_str(text->address);
}

uint16_t red_server_port(const struct txn *t)
{
	uint16_t number = t->host_port ? t->host_port : server_end(t)->port;

	if (number == 0 && t->host[0])
		number = t->is_tls ? 443 : 80;
	return number;
}

void red_server(const struct txn *t, struct red_text *text, struct slice *address,
		struct slice *port)
{
	uint16_t number = red_server_port(t);

	*address = red_server_address(t, text);
	*port = number ? red_number(text->port, sizeof(text->port), number) : SLICE("");
}

struct slice red_rpc_method(const struct txn *t)
{
	return slice_str(t->target[0] == '/' ? t->target + 1 : t->target);
}
