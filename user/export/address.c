/* SPDX-License-Identifier: Apache-2.0 */
#include "export/address.h"

#include <arpa/inet.h>
#include <string.h>
#include "util/decimal.h"

static char *address_port(char *p, uint16_t port)
{
	*p++ = ':';
	return p + decimal_u64(p, port);
}

static size_t address_ipv4(const uint8_t ip[4], uint16_t port, char *out)
{
	return (size_t)(address_port(out + decimal_ipv4(out, ip), port) - out);
}

static size_t address_ipv6(const uint8_t ip[16], uint16_t port, char *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];
	size_t n;

	if (memcmp(ip, mapped, sizeof(mapped)) == 0)
		return address_ipv4(ip + 12, port, out);
	n = strlen(inet_ntop(AF_INET6, ip, text, sizeof(text)));
	out[0] = '[';
	memcpy(out + 1, text, n);
	out[n + 1] = ']';
	return (size_t)(address_port(out + n + 2, port) - out);
}

static size_t address_unix(const struct txn *t, bool is_named, char *out)
{
	size_t n = t->unix_path_len < SONDE_UNIX_PATH_LEN ? t->unix_path_len : SONDE_UNIX_PATH_LEN;
	bool is_abstract = n && t->unix_path[0] == '\0';

	memcpy(out, "unix:", 5);
	if (!is_named || !n)
		return 5;
	/* every byte of an abstract name counts; a path ends at its NUL */
	if (!is_abstract)
		n = strnlen(t->unix_path, n);
	memcpy(out + 5, t->unix_path, n);
	if (is_abstract)
		out[5] = '@';
	return 5 + n;
}

static size_t address_print(const struct txn *t, const struct sonde_addr *a, bool is_server,
			    char *out)
{
	switch (t->family) {
	case SONDE_FAMILY_IPV4: return address_ipv4(a->ip, a->port, out);
	case SONDE_FAMILY_IPV6: return address_ipv6(a->ip, a->port, out);
	case SONDE_FAMILY_UNIX: return address_unix(t, is_server, out);
	case SONDE_FAMILY_NONE: break;
	}
	return 0;
}

size_t address_local(const struct txn *t, char *out)
{
	return address_print(t, &t->local, t->role == SONDE_ROLE_SERVER, out);
}

size_t address_peer(const struct txn *t, char *out)
{
	if (t->family != SONDE_FAMILY_UNIX && t->peer.port == 0) /* of a datagram: not known */
		return 0;
	return address_print(t, &t->peer, t->role == SONDE_ROLE_CLIENT, out);
}
