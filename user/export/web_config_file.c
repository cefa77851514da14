/* SPDX-License-Identifier: Apache-2.0 */
/* The file of TLS and users, and the files it names. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "export/web_config_impl.h"

enum { FILE_SIZE_MAX = 1 << 20 };

struct reading {
	struct web_config *w;
	const char *path;
	yaml_document_t doc;
	char *err;
	size_t size;
};

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

/* Before it is read: what changes meanwhile is seen to change. */
static int see(struct web_config *w, const char *path)
{
	struct seen *seen = &w->seen[w->n_seen];

	if (w->n_seen == FILES_MAX)
		return -E2BIG;
	seen->path = strdup(path);
	if (!seen->path)
		return -ENOMEM;
	w->n_seen++;
	if (stat(path, &seen->as) < 0)
		seen->as = (struct stat){ 0 };
	return 0;
}

static int read_pem(struct reading *r, const yaml_node_t *value, char **out)
{
	const char *name = (const char *)value->data.scalar.value;
	const char *slash = name[0] == '/' ? NULL : strrchr(r->path, '/');
	char path[4096];
	int err;

	/* relative to the file that names it */
	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - r->path + 1) : 0, r->path,
		 name);
	err = see(r->w, path);
	if (err)
		return wrong(r, value, "cannot read %s: %s", path, strerror(-err));
	free(*out);
	*out = read_file(path);
	return *out ? 0 : wrong(r, value, "cannot read %s: %s", path, strerror(errno));
}

static const char *text_of(const yaml_node_t *value)
{
	return value->type == YAML_SCALAR_NODE ? (const char *)value->data.scalar.value : "";
}

/* Each word of a list. */
static int each_word(struct reading *r, const yaml_node_t *list, const char *key,
		     int (*take)(struct reading *r, const yaml_node_t *word))
{
	int err = 0;

	if (list->type != YAML_SEQUENCE_NODE)
		return wrong(r, list, "%s: expected a list", key);
	for (yaml_node_item_t *i = list->data.sequence.items.start;
	     i < list->data.sequence.items.top && !err; i++)
		err = take(r, yaml_document_get_node(&r->doc, *i));
	return err;
}

static int take_suite(struct reading *r, const yaml_node_t *word)
{
	if (web_tls_suite(text_of(word), &r->w->tls.suites))
		return 0;
	return wrong(r, word, "cipher_suites: '%s' is not known here", text_of(word));
}

static int take_curve(struct reading *r, const yaml_node_t *word)
{
	if (web_tls_curve(text_of(word), &r->w->tls.curves))
		return 0;
	return wrong(r, word,
		     "curve_preferences: '%s' is not valid: expected X25519, CurveP256, CurveP384 "
		     "or CurveP521",
		     text_of(word));
}

static int take_san(struct reading *r, const yaml_node_t *word)
{
	struct web_tls *t = &r->w->tls;

	if (!*text_of(word) || t->n_sans == WEB_NAMES_MAX)
		return wrong(r, word, "client_allowed_sans: expected at most %d names",
			     WEB_NAMES_MAX);
	t->sans[t->n_sans] = strdup(text_of(word));
	return t->sans[t->n_sans++] ? 0 : wrong(r, word, "out of memory");
}

static int take_version(struct reading *r, const char *key, const yaml_node_t *value)
{
	int *version = key[1] == 'i' ? &r->w->tls.min_version : &r->w->tls.max_version;

	if (web_tls_version(text_of(value), version))
		return 0;
	return wrong(r, value, "%s: '%s' is not valid: expected TLS12 or TLS13", key,
		     text_of(value));
}

static int take_client_auth(struct reading *r, const yaml_node_t *value)
{
	if (web_tls_client_auth(text_of(value), &r->w->tls.client_auth))
		return 0;
	return wrong(r, value,
		     "client_auth_type: '%s' is not valid: expected NoClientCert, "
		     "VerifyClientCertIfGiven or RequireAndVerifyClientCert; one that nobody "
		     "verifies says nothing",
		     text_of(value));
}

static int take_bool(struct reading *r, const char *key, const yaml_node_t *value, bool *out)
{
	*out = strcmp(text_of(value), "true") == 0;
	return *out || strcmp(text_of(value), "false") == 0
		       ? 0
		       : wrong(r, value, "%s: expected true or false", key);
}

static int take_tls(struct reading *r, const char *key, const yaml_node_t *value)
{
	struct web_tls *t = &r->w->tls;

	if (strcmp(key, "cipher_suites") == 0)
		return each_word(r, value, key, take_suite);
	if (strcmp(key, "curve_preferences") == 0)
		return each_word(r, value, key, take_curve);
	if (strcmp(key, "client_allowed_sans") == 0)
		return each_word(r, value, key, take_san);
	if (value->type != YAML_SCALAR_NODE)
		return wrong(r, value, "%s: expected a text", key);
	if (strcmp(key, "cert_file") == 0)
		return read_pem(r, value, &t->certificate);
	if (strcmp(key, "key_file") == 0)
		return read_pem(r, value, &t->key);
	if (strcmp(key, "client_ca_file") == 0)
		return read_pem(r, value, &t->client_ca);
	if (strcmp(key, "client_auth_type") == 0)
		return take_client_auth(r, value);
	if (strcmp(key, "min_version") == 0 || strcmp(key, "max_version") == 0)
		return take_version(r, key, value);
	if (strcmp(key, "prefer_server_cipher_suites") == 0)
		return take_bool(r, key, value, &t->prefers_own);
	return wrong(r, value,
		     "%s: not known here; tls_server_config takes cert_file, key_file, "
		     "client_auth_type, client_ca_file, client_allowed_sans, min_version, "
		     "max_version, cipher_suites, prefer_server_cipher_suites and "
		     "curve_preferences",
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

/* Those the exporters' file has; they are sent as they are. */
static int take_header(struct reading *r, const char *name, const yaml_node_t *value)
{
	static const char *const names[] = { "Content-Security-Policy", "Strict-Transport-Security",
					     "X-Content-Type-Options", "X-Frame-Options",
					     "X-XSS-Protection" };
	const char *text = text_of(value);
	struct header *h = &r->w->headers[r->w->n_headers];
	size_t i = 0;

	while (i < WEB_HEADERS_MAX && strcmp(names[i], name) != 0)
		i++;
	if (i == WEB_HEADERS_MAX || r->w->n_headers == WEB_HEADERS_MAX)
		return wrong(r, value, "headers: %s is not one that can be set", name);
	for (const char *p = text; *p; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f)
			return wrong(r, value, "headers: %s: expected one line of text", name);
	h->name = strdup(name);
	h->value = strdup(text);
	r->w->n_headers++;
	return h->name && h->value ? 0 : wrong(r, value, "out of memory");
}

static int take_http(struct reading *r, const char *key, const yaml_node_t *value)
{
	bool is_http2 = false;
	int err;

	if (strcmp(key, "headers") == 0)
		return each(r, value, key, take_header);
	if (strcmp(key, "http2") != 0)
		return wrong(r, value,
			     "%s: not known here; http_server_config takes http2 and headers", key);
	err = take_bool(r, key, value, &is_http2);
	return is_http2 ? wrong(r, value, "http2: this server speaks HTTP/1.1: expected false")
			: err;
}

static int take_section(struct reading *r, const char *key, const yaml_node_t *value)
{
	if (strcmp(key, "tls_server_config") == 0)
		return each(r, value, key, take_tls);
	if (strcmp(key, "basic_auth_users") == 0)
		return each(r, value, key, take_user);
	if (strcmp(key, "http_server_config") == 0)
		return each(r, value, key, take_http);
	return wrong(r, value,
		     "%s: not known here; there is tls_server_config, basic_auth_users and "
		     "http_server_config",
		     key);
}

static int read_document(struct reading *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	char room[256];
	const char *why;
	int err;

	if (!root) {
		snprintf(r->err, r->size,
			 "%s: is empty: expected tls_server_config or "
			 "basic_auth_users",
			 r->path);
		return -EINVAL;
	}
	err = each(r, root, "the file", take_section);
	why = err ? NULL : web_tls_wrong(&r->w->tls, room, sizeof(room));
	if (why)
		err = wrong(r, root, "tls_server_config: %s", why);
	web_tls_priorities(&r->w->tls, r->w->priorities);
	return err;
}

static int read_yaml(struct reading *r)
{
	int err = see(r->w, r->path);
	FILE *f = err ? NULL : fopen(r->path, "re");
	yaml_parser_t parser;

	if (!f) {
		snprintf(r->err, r->size, "--web-config: cannot read %s: %s", r->path,
			 strerror(errno));
		return -EINVAL;
	}
	err = -EINVAL;
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
