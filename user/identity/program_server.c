/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that run somebody's application: that one is what people know. It is told by what the
 * server was started with, or by the title some of them write over their arguments.
 */
#include "identity/program.h"

#include <string.h>

enum told_by {
	BY_MODULE, /* an argument "package.module:object"; a title's tag is that, or a name */
	BY_TAG, /* --tag, a title's tag; else the folder it runs in, as the server itself has it */
	BY_FOLDER,
	BY_PSGI, /* a file of that ending, else the app.psgi of the folder */
	BY_ITSELF,
};

static const struct server {
	const char *name;
	enum told_by by;
} servers[] = {
	{ "gunicorn", BY_MODULE }, { "uvicorn", BY_MODULE }, { "hypercorn", BY_MODULE },
	{ "daphne", BY_MODULE },   { "granian", BY_MODULE }, { "waitress-serve", BY_MODULE },
	{ "puma", BY_TAG },	   { "unicorn", BY_FOLDER }, { "rails", BY_FOLDER },
	{ "sidekiq", BY_ITSELF }, /* beside the application's own server */
	{ "starman", BY_PSGI },	   { "plackup", BY_PSGI },
};

static const struct server *server_of(struct slice name)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		if (slice_eq(name, slice_str(servers[i].name)))
			return &servers[i];
	return NULL;
}

static bool is_identifier(uint8_t c, bool is_first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!is_first && ((c >= '0' && c <= '9') || c == '.'));
}

/* "package.module:object" -> package.module. Addresses have a digit or a slash behind the colon. */
static bool app_module(struct slice arg, struct slice *module)
{
	size_t n = 0;

	while (n < arg.n && is_identifier(arg.p[n], n == 0))
		n++;
	if (!n || n + 1 >= arg.n || arg.p[n] != ':' || !is_identifier(arg.p[n + 1], true))
		return false;
	*module = (struct slice){ arg.p, n };
	return true;
}

/* shop.wsgi:application -> shop; app:app -> the folder it was started in */
static bool module_app(struct slice arg, struct slice cwd, struct slice *out)
{
	struct slice module;

	if (!app_module(arg, &module))
		return false;
	if (!program_module_name(module, out))
		*out = program_path_name(module, cwd);
	return out->n > 0;
}

/* A number is a release that is deployed, and no name. */
static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return true;
	return false;
}

static bool folder_app(struct slice cwd, struct slice *out)
{
	struct slice name = program_path_name(SLICE("."), cwd);

	if (!is_name(name))
		return false;
	*out = name;
	return true;
}

static bool ends(struct slice s, struct slice end)
{
	return s.n > end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

/* The next of the parts between separators, as program_next_arg() has it. */
static bool next_part(struct slice *s, char separator, struct slice *part)
{
	const uint8_t *end;

	if (!s->n)
		return false;
	end = memchr(s->p, separator, s->n);
	*part = (struct slice){ s->p, end ? (size_t)(end - s->p) : s->n };
	s->p += part->n + (end != NULL);
	s->n -= part->n + (end != NULL);
	return true;
}

static bool psgi_app(struct slice args, char separator, struct slice cwd, struct slice *out)
{
	struct slice file = SLICE(""), part;

	while (next_part(&args, separator, &part))
		if (ends(part, SLICE(".psgi")))
			file = part;
	if (!file.n)
		return folder_app(cwd, out);
	*out = program_path_name(file, cwd);
	return out->n > 0;
}

static bool tag_of_args(struct slice args, struct slice *out)
{
	struct slice arg;

	while (program_next_arg(&args, &arg)) {
		if (slice_starts(arg, SLICE("--tag=")))
			*out = (struct slice){ arg.p + 6, arg.n - 6 };
		else if (!slice_eq(arg, SLICE("--tag")) || !program_next_arg(&args, out))
			continue;
		return is_name(*out);
	}
	return false;
}

bool program_server_app(struct slice name, struct slice args, struct slice cwd, struct slice *out)
{
	const struct server *server = server_of(name);
	struct slice arg;

	if (!server)
		return false;
	switch (server->by) {
	case BY_MODULE:
		while (program_next_arg(&args, &arg))
			if (module_app(arg, cwd, out))
				return true;
		return false;
	case BY_TAG: return tag_of_args(args, out) || folder_app(cwd, out);
	case BY_FOLDER: return folder_app(cwd, out);
	case BY_PSGI: return psgi_app(args, '\0', cwd, out);
	case BY_ITSELF: break;
	}
	return false;
}

/* "puma 5.6.5 (tcp://[::1]:80) [shop]" -> shop */
static bool tag_of_title(struct slice title, struct slice *tag)
{
	const uint8_t *open;

	while (title.n && title.p[title.n - 1] == ' ')
		title.n--;
	open = title.n ? memrchr(title.p, '[', title.n) : NULL;
	if (!open || open == title.p || open[-1] != ' ' || title.p[title.n - 1] != ']')
		return false;
	*tag = (struct slice){ open + 1, (size_t)(title.p + title.n - open) - 2 };
	return is_name(*tag);
}

bool program_title_name(struct slice title, struct slice cwd, struct slice *out)
{
	const struct server *server;
	struct slice name = title, tag;
	bool is_found = false;

	for (name.n = 0; name.n < title.n && !strchr(" :", title.p[name.n]);)
		name.n++;
	server = name.n < title.n ? server_of(name) : NULL;
	if (!server)
		return false;
	switch (server->by) {
	case BY_MODULE:
	case BY_TAG:
		if (!tag_of_title(title, &tag))
			break;
		is_found = server->by == BY_MODULE	      ? module_app(tag, cwd, out)
			   : slice_eq(tag, program_base(cwd)) ? folder_app(cwd, out)
							      : false;
		if (!is_found && !memchr(tag.p, '/', tag.n)) {
			*out = tag;
			is_found = true;
		}
		break;
	case BY_FOLDER: is_found = folder_app(cwd, out); break;
	case BY_PSGI: is_found = psgi_app(title, ' ', cwd, out); break;
	case BY_ITSELF: break;
	}
	if (!is_found)
		*out = name;
	return true;
}
