/* SPDX-License-Identifier: Apache-2.0 */
/* Texts into the fields of struct config, by the kind of their option. */
#include "config_option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_check.h"
#include "util/nearest.h"

#define EXPECTED_LEN 192

static void *field(const struct config *c, const struct option *o)
{
	return (char *)c + o->offset;
}

static int list_add(struct config_list *l, const char *s, size_t n)
{
	char **v = realloc(l->v, (l->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n] = strndup(s, n);
	if (!v[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

static void list_free(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct config_list){ 0 };
}

/* *wrong, which is value: the one of them that is not valid, where it is one. */
static int set_list(struct config_list *l, const struct option *o, const char *value,
		    const char **wrong, char *expected, size_t size)
{
	const char *end;
	int err;

	for (const char *s = value;; s = end + 1) {
		end = strchrnul(s, ',');
		if (end == s) {
			*wrong = value;
			snprintf(expected, size, "a value before and after each comma");
			return -EINVAL;
		}
		if (o->max_items && l->n == o->max_items)
			return -E2BIG;
		err = list_add(l, s, (size_t)(end - s));
		if (!err && o->check) {
			*wrong = l->v[l->n - 1];
			err = o->check(*wrong, expected, size);
		}
		if (err || !*end)
			return err;
	}
}

/* Place of value in words, or -EINVAL. */
static int set_word(const struct option *o, const char *value, char *expected, size_t size)
{
	struct nearest n = { 0 };
	char hint[64];

	for (int i = 0; o->words[i]; i++) {
		if (strcmp(o->words[i], value) == 0)
			return i;
		nearest_offer(&n, value, o->words[i]);
	}
	nearest_say(&n, "", hint, sizeof(hint));
	snprintf(expected, size, "%s%s", o->metavar, hint);
	return -EINVAL;
}

static int set_string(char **s, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*s);
	*s = copy;
	return 0;
}

static int set_listen(struct config *c, const char *value)
{
	char addr[64];
	uint16_t port = 0;

	if (strcmp(value, "off") == 0) {
		free(c->listen_addr);
		c->listen_addr = NULL;
	} else if (parse_listen(value, addr, sizeof(addr), &port) ||
		   set_string(&c->listen_addr, addr)) {
		return -EINVAL;
	}
	c->listen_port = port;
	return 0;
}

static int set_number(void *f, const struct option *o, const char *value, char *expected,
		      size_t size)
{
	int err = -EINVAL;

	switch (o->kind) {
	case OPT_COUNT:
		err = parse_count(value, 1000000, f);
		snprintf(expected, size, "a number from 1 to 1000000");
		break;
	case OPT_SIZE:
		err = parse_size(value, f);
		if (!err && (*(uint64_t *)f < 4096 || *(uint64_t *)f > 1 << 30))
			err = -EINVAL;
		snprintf(expected, size, "a size from 4KiB to 1GiB, such as 16MiB");
		break;
	case OPT_DURATION:
		err = parse_duration(value, f);
		snprintf(expected, size, "a duration such as 300ms, 5s or 2m");
		break;
	default:
		err = parse_cores(value, f);
		snprintf(expected, size, "a number of cores such as 1 or 0.5");
		break;
	}
	return err;
}

static int set_value(struct config *c, const struct option *o, const char *value,
		     const char **wrong, char *expected, size_t size)
{
	void *f = field(c, o);
	int at;

	if (!*value) {
		snprintf(expected, size, "%s, not nothing", o->metavar);
		return -EINVAL;
	}
	switch (o->kind) {
	case OPT_SWITCH: *(bool *)f = true; return 0;
	case OPT_BOOL:
	case OPT_ENUM:
		at = set_word(o, value, expected, size);
		if (at < 0)
			return at;
		if (o->kind == OPT_BOOL)
			*(bool *)f = at;
		else
			*(int *)f = at;
		return 0;
	case OPT_STRING:
		if (o->check && o->check(value, expected, size))
			return -EINVAL;
		return set_string(f, value);
	case OPT_LIST: return set_list(f, o, value, wrong, expected, size);
	case OPT_LISTEN:
		snprintf(expected, size, "ADDR:PORT such as 127.0.0.1:9464 or [::1]:9464, or off");
		return set_listen(c, value);
	case OPT_COUNT:
	case OPT_SIZE:
	case OPT_DURATION:
	case OPT_CORES: break;
	}
	return set_number(f, o, value, expected, size);
}

int option_set(struct config *c, const struct option *o, const char *value,
	       enum config_origin origin, const char *what, char *err, size_t size)
{
	uint8_t *was = &c->origin[o - options];
	char expected[EXPECTED_LEN] = "";
	const char *wrong = value;
	int res;

	if (*was == origin && origin != CONFIG_DEFAULT && o->kind != OPT_LIST) {
		snprintf(err, size, "%s: given twice", what);
		return -EINVAL;
	}
	if (*was != origin)
		option_free(c, o);
	res = set_value(c, o, value, &wrong, expected, sizeof(expected));
	if (res == -ENOMEM) {
		snprintf(err, size, "%s: out of memory", what);
		return -EINVAL;
	}
	if (res == -E2BIG) {
		snprintf(err, size, "%s: at most %zu of them", what, o->max_items);
		return -EINVAL;
	}
	if (res) {
		snprintf(err, size, "%s: '%s' is not valid: expected %s", what, wrong, expected);
		return -EINVAL;
	}
	*was = (uint8_t)origin;
	if (!o->missing || origin == CONFIG_DEFAULT || !(o->commands & 1U << c->command))
		return 0;
	snprintf(err, size, "%s: this build does not %s", what, o->missing);
	return -EINVAL;
}

void option_free(struct config *c, const struct option *o)
{
	void *f = field(c, o);

	switch (o->kind) {
	case OPT_LIST: list_free(f); break;
	case OPT_STRING:
		free(*(char **)f);
		*(char **)f = NULL;
		break;
	case OPT_LISTEN:
		free(c->listen_addr);
		c->listen_addr = NULL;
		break;
	default: break;
	}
}

static bool str_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool list_equal(const struct config_list *a, const struct config_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

bool option_equal(const struct config *a, const struct config *b, const struct option *o)
{
	const void *fa = field(a, o), *fb = field(b, o);

	switch (o->kind) {
	case OPT_SWITCH:
	case OPT_BOOL: return *(const bool *)fa == *(const bool *)fb;
	case OPT_ENUM: return *(const int *)fa == *(const int *)fb;
	case OPT_STRING: return str_equal(*(char *const *)fa, *(char *const *)fb);
	case OPT_LIST: return list_equal(fa, fb);
	case OPT_LISTEN:
		return str_equal(a->listen_addr, b->listen_addr) &&
		       a->listen_port == b->listen_port;
	case OPT_COUNT:
	case OPT_SIZE:
	case OPT_DURATION: return *(const uint64_t *)fa == *(const uint64_t *)fb;
	case OPT_CORES: return *(const double *)fa == *(const double *)fb;
	}
	return true;
}
