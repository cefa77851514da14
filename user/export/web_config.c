/* SPDX-License-Identifier: Apache-2.0 */
#include "export/web_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/web_config_impl.h"
#include "util/clock.h"

#define TRY_NS (NS_PER_S / 4) /* between two passwords that have to be hashed */

/* Of nobody: who asks by a name that is not there waits as long. Cost 10, as htpasswd -B makes. */
static const char nobody[] = "$2y$10$abcdefghijklmnopqrstuuqXkYbFvWmgpnpJmOOm9kSKmzlMgkNFK";

void web_config_close(struct web_config *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_users; i++) {
		free(w->users[i].name);
		free(w->users[i].hash);
	}
	for (size_t i = 0; i < w->n_headers; i++) {
		free(w->headers[i].name);
		free(w->headers[i].value);
	}
	for (size_t i = 0; i < w->n_seen; i++)
		free(w->seen[i].path);
	web_tls_free(&w->tls);
	explicit_bzero(w, sizeof(*w));
	free(w);
}

bool web_config_is_changed(const struct web_config *w)
{
	for (size_t i = 0; i < w->n_seen; i++) {
		const struct stat *was = &w->seen[i].as;
		struct stat now = { 0 };

		if (stat(w->seen[i].path, &now) < 0)
			now = (struct stat){ 0 };
		if (now.st_ino != was->st_ino || now.st_dev != was->st_dev ||
		    now.st_size != was->st_size || now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
		    now.st_mtim.tv_nsec != was->st_mtim.tv_nsec)
			return true;
	}
	return false;
}

const struct web_tls *web_config_tls(const struct web_config *w)
{
	return w->tls.certificate ? &w->tls : NULL;
}

const char *web_config_priorities(const struct web_config *w)
{
	return w->priorities;
}

const char *web_config_header(const struct web_config *w, size_t i, const char **value)
{
	if (i >= w->n_headers)
		return NULL;
	*value = w->headers[i].value;
	return w->headers[i].name;
}

/* --- who asks --- */

bool web_config_asks(const struct web_config *w)
{
	return w->n_users > 0;
}

/* Takes as long whatever it finds. */
static bool is_same(const char *a, const char *b)
{
	size_t n = strlen(a);
	uint8_t differs = n != strlen(b);

	for (size_t i = 0; i < n; i++)
		differs |= (uint8_t)(a[i] ^ b[differs ? 0 : i]);
	return !differs;
}

static bool is_right(struct web_config *w, const char *password, const char *hash)
{
	const char *made = crypt_r(password, hash, &w->room);

	return made && made[0] == '$' && is_same(made, hash);
}

enum web_answer web_config_check(struct web_config *w, const char *name, const char *password,
				 uint64_t now_ns)
{
	struct user *u = NULL;

	if (!name || !password || strlen(password) >= PASSWORD_MAX)
		return WEB_NO;
	for (size_t i = 0; i < w->n_users; i++)
		if (strcmp(w->users[i].name, name) == 0)
			u = &w->users[i];
	/* a hash takes tens of milliseconds of a loop that observes: once for each password */
	if (u && u->accepted[0] && is_same(u->accepted, password))
		return WEB_YES;
	if (now_ns < w->next_try_ns)
		return WEB_LATER;
	w->next_try_ns = now_ns + TRY_NS;
	if (!is_right(w, password, u ? u->hash : nobody) || !u)
		return WEB_NO;
	snprintf(u->accepted, sizeof(u->accepted), "%s", password);
	return WEB_YES;
}
