/* SPDX-License-Identifier: Apache-2.0 */
#include "config_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/otlp_config.h"
#include "proto/proto.h"
#include "sonde_abi.h"
#include "util/clock.h"
#include "util/nearest.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits at the start of s; *end is what follows them. */
static int digits(const char *s, uint64_t *out, const char **end)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -EINVAL;
	if (p == s)
		return -EINVAL;
	*out = v;
	*end = p;
	return 0;
}

static int parse_unit(const char *s, const struct unit *units, uint64_t *out)
{
	const char *end;
	uint64_t v;

	if (digits(s, &v, &end))
		return -EINVAL;
	for (; units->name; units++) {
		if (strcmp(end, units->name) != 0)
			continue;
		return __builtin_mul_overflow(v, units->factor, out) ? -EINVAL : 0;
	}
	return -EINVAL;
}

int parse_count(const char *s, uint64_t max, uint64_t *out)
{
	const char *end;
	uint64_t v;

	if (digits(s, &v, &end) || *end || v == 0 || v > max)
		return -EINVAL;
	*out = v;
	return 0;
}

int parse_size(const char *s, uint64_t *out)
{
	static const struct unit units[] = { { "", 1 },		 { "B", 1 },
					     { "KiB", 1 << 10 }, { "MiB", 1 << 20 },
					     { "GiB", 1 << 30 }, { NULL, 0 } };

	return parse_unit(s, units, out);
}

int parse_duration(const char *s, uint64_t *out)
{
	static const struct unit units[] = { { "us", 1000 },	       { "ms", NS_PER_MS },
					     { "s", NS_PER_S },	       { "m", 60 * NS_PER_S },
					     { "h", 3600 * NS_PER_S }, { NULL, 0 } };
	uint64_t v;

	if (parse_unit(s, units, &v) || v == 0)
		return -EINVAL;
	*out = v;
	return 0;
}

/* "2", "0.5": no sign, no exponent, and no locale's comma. */
int parse_cores(const char *s, double *out)
{
	uint64_t whole, part = 0;
	double scale = 1;
	const char *end;

	if (digits(s, &whole, &end) || whole > 4096)
		return -EINVAL;
	if (*end == '.') {
		s = end + 1;
		if (strlen(s) > 9 || digits(s, &part, &end))
			return -EINVAL;
		for (; s < end; s++)
			scale *= 10;
	}
	if (*end || (whole == 0 && part == 0))
		return -EINVAL;
	*out = (double)whole + (double)part / scale;
	return 0;
}

int parse_listen(const char *s, char *addr, size_t size, uint16_t *port)
{
	const char *colon = strrchr(s, ':');
	struct in6_addr raw;
	uint64_t v;
	size_t n;

	if (!colon || parse_count(colon + 1, UINT16_MAX, &v))
		return -EINVAL;
	n = (size_t)(colon - s);
	if (n >= 2 && s[0] == '[' && colon[-1] == ']') {
		if (n - 2 >= size)
			return -EINVAL;
		memcpy(addr, s + 1, n - 2);
		addr[n - 2] = '\0';
		if (inet_pton(AF_INET6, addr, &raw) != 1)
			return -EINVAL;
	} else {
		if (n >= size)
			return -EINVAL;
		memcpy(addr, s, n);
		addr[n] = '\0';
		if (strcmp(addr, "localhost") == 0)
			snprintf(addr, size, "127.0.0.1");
		if (inet_pton(AF_INET, addr, &raw) != 1)
			return -EINVAL;
	}
	*port = (uint16_t)v;
	return 0;
}

int check_pid(const char *s, char *expected, size_t size)
{
	uint64_t v;

	if (parse_count(s, INT32_MAX, &v) == 0)
		return 0;
	snprintf(expected, size, "the number of a process, such as 1234");
	return -EINVAL;
}

int check_port(const char *s, char *expected, size_t size)
{
	uint64_t v;

	if (parse_count(s, UINT16_MAX, &v) == 0)
		return 0;
	snprintf(expected, size, "ports from 1 to 65535, such as 80,8080");
	return -EINVAL;
}

int check_glob(const char *s, char *expected, size_t size)
{
	size_t max = sizeof(((struct sonde_glob *)0)->text) - 1;

	if (*s && strlen(s) <= max)
		return 0;
	snprintf(expected, size, "1 to %zu bytes, where * stands for any run and ? for any byte",
		 max);
	return -EINVAL;
}

/* The kernel keeps 15 bytes of a name: a longer pattern without * would never match. */
int check_comm(const char *s, char *expected, size_t size)
{
	size_t fixed = 0;

	for (const char *p = s; *p; p++)
		fixed += *p != '*';
	if (fixed < SONDE_COMM_LEN)
		return check_glob(s, expected, size);
	snprintf(expected, size, "at most %d bytes beside *, the longest name the kernel keeps",
		 SONDE_COMM_LEN - 1);
	return -EINVAL;
}

int check_keep(const char *s, char *expected, size_t size)
{
	struct nearest n = { 0 };
	char hint[128];

	if (strcmp(s, "errors") == 0 || strcmp(s, "slow") == 0)
		return 0;
	nearest_offer(&n, s, "errors");
	nearest_offer(&n, s, "slow");
	nearest_say(&n, "", hint, sizeof(hint));
	snprintf(expected, size, "errors or slow%s", hint);
	return -EINVAL;
}

int check_protocol(const char *s, char *expected, size_t size)
{
	struct nearest n = { 0 };
	char hint[128];
	size_t len;

	if (strcmp(s, "all") == 0 || proto_by_name(slice_str(s)))
		return 0;
	len = (size_t)snprintf(expected, size, "all");
	nearest_offer(&n, s, "all");
	for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++) {
		const char *name = proto_get((enum proto_id)id)->name;

		if (len < size)
			len += (size_t)snprintf(expected + len, size - len, " or %s", name);
		nearest_offer(&n, s, name);
	}
	nearest_say(&n, "", hint, sizeof(hint));
	if (len < size)
		snprintf(expected + len, size - len, "%s", hint);
	return -EINVAL;
}

int check_url(const char *s, char *expected, size_t size)
{
	if (otlp_is_url(s))
		return 0;
	snprintf(expected, size, "a URL, such as http://127.0.0.1:4318");
	return -EINVAL;
}

int check_sonde_url(const char *s, char *expected, size_t size)
{
	if (otlp_is_url(s))
		return 0;
	snprintf(expected, size, "a URL, such as http://127.0.0.1:9464");
	return -EINVAL;
}

static bool is_auto_or_off(const char *s)
{
	return strcmp(s, "auto") == 0 || strcmp(s, "off") == 0;
}

int check_kubernetes(const char *s, char *expected, size_t size)
{
	if (is_auto_or_off(s) || (otlp_is_url(s) && strlen(s) < 256))
		return 0;
	snprintf(expected, size, "auto, off or a URL, such as https://10.0.0.1:6443");
	return -EINVAL;
}

int check_kubelet(const char *s, char *expected, size_t size)
{
	if (strcmp(s, "off") == 0 || (otlp_is_url(s) && strlen(s) < 256))
		return 0;
	snprintf(expected, size, "off or a URL, such as https://10.0.0.7:10250");
	return -EINVAL;
}

int check_socket(const char *s, char *expected, size_t size)
{
	if (is_auto_or_off(s) || (s[0] == '/' && strlen(s) < SONDE_UNIX_PATH_LEN))
		return 0;
	snprintf(expected, size, "auto, off or the path of a socket, such as /run/docker.sock");
	return -EINVAL;
}

/* A DNS label: RFC 1123, 2.1, and Kubernetes' own limit. */
int check_namespace(const char *s, char *expected, size_t size)
{
	size_t n = strlen(s);

	if (n && n < 64 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n && s[0] != '-' &&
	    s[n - 1] != '-')
		return 0;
	snprintf(expected, size, "the name of a namespace: at most 63 of a-z, 0-9 and -");
	return -EINVAL;
}

int check_node_name(const char *s, char *expected, size_t size)
{
	if (*s && strlen(s) < 254 &&
	    strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(s))
		return 0;
	snprintf(expected, size, "the name of a node: a-z, 0-9, - and .");
	return -EINVAL;
}
