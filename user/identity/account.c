/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/account.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char before[] = "Authorization: Bearer ";

enum { BEFORE = sizeof(before) - 1 };

bool account_header(const char *folder, struct asked *a, uint64_t now_ns,
		    char out[ACCOUNT_HEADER_MAX])
{
	char path[300];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/token", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out + BEFORE, ACCOUNT_TOKEN_MAX);
		close(fd);
	}
	if (n <= 0) {
		asked_failed(a, now_ns, "no token in %s", path);
		return false;
	}
	while (n > 0 && isspace((unsigned char)out[BEFORE + n - 1]))
		n--;
	memcpy(out, before, BEFORE);
	out[BEFORE + n] = '\0';
	return true;
}
