/* SPDX-License-Identifier: Apache-2.0 */
/* What reading the file (web_config_file.c) and its use (web_config.c) share. */
#ifndef WEB_CONFIG_IMPL_H
#define WEB_CONFIG_IMPL_H

#include <crypt.h>
#include <sys/stat.h>
#include "export/web_config.h"

enum { USERS_MAX = 64, PASSWORD_MAX = 128, FILES_MAX = 8 };

struct header {
	char *name, *value;
};

struct user {
	char *name, *hash;
	char accepted[PASSWORD_MAX]; /* the last password that was right; empty: none yet */
};

/* A file as it was when it was read. */
struct seen {
	char *path;
	struct stat as;
};

struct web_config {
	struct web_tls tls;
	char priorities[WEB_PRIORITIES_LEN];
	struct seen seen[FILES_MAX];
	size_t n_seen;
	struct header headers[WEB_HEADERS_MAX];
	size_t n_headers;
	struct user users[USERS_MAX];
	size_t n_users;
	uint64_t next_try_ns;
	struct crypt_data room;
};

#endif
