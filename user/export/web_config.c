/* SPDX-License-Identifier: Apache-2.0 */
#include "export/web_config.h"

#include <crypt.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "util/clock.h"

enum { USERS_MAX = 64, PASSWORD_MAX = 128, FILE_SIZE_MAX = 1 << 20 };

#define TRY_NS (NS_PER_S / 4) /* between two passwords that have to be hashed */

/* Of nobody: who asks by a name that is not there waits as long. Cost 10, as htpasswd -B makes. */
static const char nobody[] = "$2y$10$abcdefghijklmnopqrstuuqXkYbFvWmgpnpJmOOm9kSKmzlMgkNFK";

struct user {
	char *name, *hash;
	char accepted[PASSWORD_MAX]; /* the last password that was right; empty: none yet */
};

struct web_config {
	char *certificate, *key; /* PEM; NULL: no TLS */
	bool is_tls13;
	struct user users[USERS_MAX];
	size_t n_users;
	uint64_t next_try_ns;
	struct crypt_data room;
};

struct reading {
	struct web_config *w;
	const char *path;
	yaml_document_t doc;
	char *err;
	size_t size;
};

/* --- the file --- */

__attribute__((format(printf, 3, 4))) static int wrong(struct reading *r, const yaml_node_t *at,
						       const char *format, ...)
{
	char text[384];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(r->err, r->size, "%s:%zu: %s", r->path, at->start_mark.line + 1, text);
	return -EINVAL;
}

/* A whole file, NUL terminated; NULL: errno. */
static char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = f ? calloc(1, FILE_SIZE_MAX + 1) : NULL;
	size_t n = text ? fread(text, 1, FILE_SIZE_MAX, f) : 0;

	if (text && (ferror(f) || n == FILE_SIZE_MAX)) {
		free(text);
		text = NULL;
		errno = EFBIG;
	}
	if (f)
		fclose(f);
	return text;
}

static int read_pem(struct reading *r, const yaml_node_t *value, char **out)
{
	const char *name = (const char *)value->data.scalar.value;
	const char *slash = name[0] == '/' ? NULL : strrchr(r->path, '/');
	char path[4096];

	/* relative to the file that names it */
	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - r->path + 1) : 0, r->path,
		 name);
	free(*out);
	*out = read_file(path);
	return *out ? 0 : wrong(r, value, "cannot read %s: %s", path, strerror(errno));
}

static int read_version(struct reading *r, const yaml_node_t *value)
{
	const char *version = (const char *)value->data.scalar.value;

	r->w->is_tls13 = strcmp(version, "TLS13") == 0;
	if (r->w->is_tls13 || strcmp(version, "TLS12") == 0)
		return 0;
	return wrong(r, value, "min_version: '%s' is not valid: expected TLS12 or TLS13", version);
}

static int take_tls(struct reading *r, const char *key, const yaml_node_t *value)
{
	if (value->type != YAML_SCALAR_NODE)
		return wrong(r, value, "%s: expected a text", key);
	if (strcmp(key, "cert_file") == 0)
		return read_pem(r, value, &r->w->certificate);
	if (strcmp(key, "key_file") == 0)
		return read_pem(r, value, &r->w->key);
	if (strcmp(key, "min_version") == 0)
		return read_version(r, value);
	return wrong(r, value,
		     "%s: not known here; tls_server_config takes cert_file, key_file and "
		     "min_version",
		     key);
}

static int take_user(struct reading *r, const char *name, const yaml_node_t *value)
{
	const char *hash = (const char *)value->data.scalar.value;
	struct user *u = &r->w->users[r->w->n_users];

	if (value->type != YAML_SCALAR_NODE || strncmp(hash, "$2", 2) != 0 || strlen(hash) != 60)
		return wrong(
			r, value,
			"%s: expected a password hashed by bcrypt, as htpasswd -nB %s prints it",
			name, name);
	if (r->w->n_users == USERS_MAX)
		return wrong(r, value, "basic_auth_users: at most %d", USERS_MAX);
	u->name = strdup(name);
	u->hash = strdup(hash);
	r->w->n_users++;
	return u->name && u->hash ? 0 : wrong(r, value, "out of memory");
}

static int each(struct reading *r, const yaml_node_t *map, const char *what,
		int (*take)(struct reading *r, const char *key, const yaml_node_t *value))
{
	int err = 0;

	if (map->type != YAML_MAPPING_NODE)
		return wrong(r, map, "%s: expected a mapping", what);
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     p < map->data.mapping.pairs.top && !err; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);

		if (key->type != YAML_SCALAR_NODE)
			return wrong(r, key, "%s: expected a name", what);
		err = take(r, (const char *)key->data.scalar.value,
			   yaml_document_get_node(&r->doc, p->value));
	}
	return err;
}

static int take_section(struct reading *r, const char *key, const yaml_node_t *value)
{
	if (strcmp(key, "tls_server_config") == 0)
		return each(r, value, key, take_tls);
	if (strcmp(key, "basic_auth_users") == 0)
		return each(r, value, key, take_user);
	return wrong(r, value,
		     "%s: not known here; there is tls_server_config and basic_auth_users", key);
}

static int read_document(struct reading *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	int err;

	if (!root) {
		snprintf(r->err, r->size,
			 "%s: is empty: expected tls_server_config or "
			 "basic_auth_users",
			 r->path);
		return -EINVAL;
	}
	err = each(r, root, "the file", take_section);
	if (!err && !r->w->certificate != !r->w->key)
		err = wrong(r, root, "tls_server_config: cert_file and key_file belong together");
	return err;
}

static int read_yaml(struct reading *r)
{
	FILE *f = fopen(r->path, "re");
	yaml_parser_t parser;
	int err = -EINVAL;

	if (!f) {
		snprintf(r->err, r->size, "--web-config: cannot read %s: %s", r->path,
			 strerror(errno));
		return -errno;
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(f);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&parser, f);
	if (yaml_parser_load(&parser, &r->doc)) {
		err = read_document(r);
		yaml_document_delete(&r->doc);
	} else {
		snprintf(r->err, r->size, "%s:%zu: not valid YAML: %s", r->path,
			 parser.problem_mark.line + 1, parser.problem ? parser.problem : "");
	}
	yaml_parser_delete(&parser);
	fclose(f);
	return err;
}

struct web_config *web_config_open(const char *path, char *err, size_t size)
{
	struct reading r = { .path = path, .err = err, .size = size };

	snprintf(err, size, "out of memory");
	r.w = calloc(1, sizeof(*r.w));
	if (r.w && read_yaml(&r) == 0)
		return r.w;
	web_config_close(r.w);
	return NULL;
}

void web_config_close(struct web_config *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_users; i++) {
		free(w->users[i].name);
		free(w->users[i].hash);
	}
	free(w->certificate);
	if (w->key)
		explicit_bzero(w->key, strlen(w->key));
	free(w->key);
	explicit_bzero(w, sizeof(*w));
	free(w);
}

const char *web_config_certificate(const struct web_config *w)
{
	return w->certificate;
}

const char *web_config_key(const struct web_config *w)
{
	return w->key;
}

const char *web_config_priorities(const struct web_config *w)
{
	return w->is_tls13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
			   : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
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
