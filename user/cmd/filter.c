/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/filter_field.h"
#include "config_check.h"
#include "util/nearest.h"

enum {
	NODES_MAX = 64,
	DEPTH_MAX = 16, /* of parentheses and nots */
	VALUE_MAX = 256,
};

enum op { OP_EQ, OP_NE, OP_GLOB, OP_LE, OP_GE, OP_LT, OP_GT };

/* A longer operator stands before its own beginning. */
static const struct {
	const char *text;
	enum op op;
} ops[] = { { "!=", OP_NE },  { "<=", OP_LE }, { ">=", OP_GE }, { "=", OP_EQ },
	    { "~", OP_GLOB }, { "<", OP_LT },  { ">", OP_GT } };

struct node {
	enum { NODE_TEST, NODE_NOT, NODE_AND, NODE_OR } kind;
	int left, right; /* of nodes */
	const struct field *field;
	enum op op;
	uint64_t number;
	char *text; /* owned */
};

struct filter {
	struct node nodes[NODES_MAX];
	int n;
	int root;
};

struct parser {
	struct filter *f;
	const char *at;
	int depth;
	char *err;
	size_t size;
};

static int parse_or(struct parser *p);

static int fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err, p->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int new_node(struct parser *p, struct node node)
{
	if (p->f->n == NODES_MAX)
		return fail(p, "more than %d conditions", NODES_MAX);
	p->f->nodes[p->f->n] = node;
	return p->f->n++;
}

static void skip_space(struct parser *p)
{
	p->at += strspn(p->at, " \t\n");
}

static size_t name_length(const char *s)
{
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
}

/* Takes the word if it stands next. */
static bool accept(struct parser *p, const char *word)
{
	size_t n;

	skip_space(p);
	n = name_length(p->at);
	if (n != strlen(word) || strncasecmp(p->at, word, n) != 0)
		return false;
	p->at += n;
	return true;
}

static int parse_field(struct parser *p, struct node *node)
{
	char name[64], hint[128] = "";
	size_t n = name_length(p->at);

	if (!n && !*p->at)
		return fail(p, "ends where a condition is expected, such as status>=500");
	if (!n)
		return fail(p, "at '%.20s': expected a condition such as status>=500", p->at);
	snprintf(name, sizeof(name), "%.*s", (int)(n < 63 ? n : 63), p->at);
	node->field = field_find(name, hint, sizeof(hint));
	if (!node->field)
		return fail(p, "%s: no such field%s", name, hint);
	p->at += n;
	return 0;
}

static int parse_op(struct parser *p, struct node *node)
{
	bool is_text = node->field->text;

	skip_space(p);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strncmp(p->at, ops[i].text, strlen(ops[i].text)) != 0)
			continue;
		node->op = ops[i].op;
		p->at += strlen(ops[i].text);
		if (is_text && node->op >= OP_LE)
			return fail(p, "%s is a text: expected =, != or ~ after it",
				    node->field->name);
		if (!is_text && node->op == OP_GLOB)
			return fail(p, "%s is a number: expected =, !=, <, >, <= or >= after it",
				    node->field->name);
		return 0;
	}
	return fail(p, "at '%s%.20s': expected =, !=, ~, <, >, <= or >= after a field",
		    node->field->name, p->at);
}

/* A word, or what stands between two quotes. */
static int parse_text(struct parser *p, char *out)
{
	const char *s;
	char quote;
	size_t n;

	skip_space(p);
	quote = *p->at == '\'' || *p->at == '"' ? *p->at : 0;
	s = p->at + !!quote;
	n = quote ? strcspn(s, (char[]){ quote, '\0' }) : strcspn(s, " \t\n()");
	if (quote && !s[n])
		return fail(p, "at '%.20s': the closing %c is missing", p->at, quote);
	if (!quote && !n)
		return fail(p, "a value is missing after the operator");
	if (n >= VALUE_MAX)
		return fail(p, "a value is longer than %d bytes", VALUE_MAX - 1);
	memcpy(out, s, n);
	out[n] = '\0';
	p->at = s + n + !!quote;
	return 0;
}

static int check_word(struct parser *p, const struct field *field, const char *value)
{
	struct nearest n = { 0 };
	char hint[64];

	for (size_t i = 0; field->words[i]; i++) {
		if (strcmp(field->words[i], value) == 0)
			return 0;
		nearest_offer(&n, value, field->words[i]);
	}
	nearest_say(&n, "", hint, sizeof(hint));
	return fail(p, "%s: '%s' is not one of its values%s", field->name, value, hint);
}

static int parse_value(struct parser *p, struct node *node)
{
	const struct field *field = node->field;
	char value[VALUE_MAX];
	int err = parse_text(p, value);

	if (err)
		return err;
	switch (field->kind) {
	case FIELD_DURATION:
		if (parse_duration(value, &node->number) && strcmp(value, "0") != 0)
			return fail(p,
				    "%s: '%s' is not valid: expected a duration such as 300ms, "
				    "5s or 2m",
				    field->name, value);
		return 0;
	case FIELD_NUMBER:
		if (parse_count(value, UINT64_MAX, &node->number) && strcmp(value, "0") != 0)
			return fail(p, "%s: '%s' is not valid: expected a whole number",
				    field->name, value);
		return 0;
	case FIELD_WORD:
		if (node->op != OP_GLOB && check_word(p, field, value))
			return -EINVAL;
		break;
	case FIELD_TEXT: break;
	}
	node->text = strdup(value);
	return node->text ? 0 : fail(p, "out of memory");
}

static int parse_test(struct parser *p)
{
	struct node node = { .kind = NODE_TEST };
	int at;

	skip_space(p);
	if (parse_field(p, &node) || parse_op(p, &node) || parse_value(p, &node))
		return -EINVAL;
	at = new_node(p, node);
	if (at < 0)
		free(node.text);
	return at;
}

static int parse_not(struct parser *p)
{
	bool is_not = accept(p, "not");
	int at;

	skip_space(p);
	if (!is_not && *p->at != '(')
		return parse_test(p);
	if (++p->depth > DEPTH_MAX)
		return fail(p, "nested deeper than %d", DEPTH_MAX);
	if (is_not) {
		at = parse_not(p);
		if (at >= 0)
			at = new_node(p, (struct node){ .kind = NODE_NOT, .left = at });
	} else {
		p->at++;
		at = parse_or(p);
		skip_space(p);
		if (at >= 0 && *p->at != ')')
			return fail(p, "a closing parenthesis is missing");
		p->at += at >= 0;
	}
	p->depth--;
	return at;
}

static int parse_and(struct parser *p)
{
	int right, left = parse_not(p);

	while (left >= 0 && accept(p, "and")) {
		right = parse_not(p);
		if (right < 0)
			return right;
		left = new_node(p, (struct node){ .kind = NODE_AND, .left = left, .right = right });
	}
	return left;
}

static int parse_or(struct parser *p)
{
	int right, left = parse_and(p);

	while (left >= 0 && accept(p, "or")) {
		right = parse_and(p);
		if (right < 0)
			return right;
		left = new_node(p, (struct node){ .kind = NODE_OR, .left = left, .right = right });
	}
	return left;
}

struct filter *filter_new(const char *expr, char *err, size_t size)
{
	struct parser p = { .at = expr, .err = err, .size = size };

	p.f = calloc(1, sizeof(*p.f));
	if (!p.f) {
		fail(&p, "out of memory");
		return NULL;
	}
	p.f->root = parse_or(&p);
	skip_space(&p);
	if (p.f->root >= 0 && !*p.at)
		return p.f;
	if (p.f->root >= 0)
		fail(&p, "at '%.20s': expected and, or, or the end", p.at);
	filter_free(p.f);
	return NULL;
}

void filter_free(struct filter *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		free(f->nodes[i].text);
	free(f);
}

static bool match_text(const struct node *node, const struct txn *t)
{
	char buf[FIELD_TEXT_MAX];
	const char *text;

	if (!node->field->text(t, buf, &text))
		return node->op == OP_NE;
	if (node->op == OP_GLOB)
		return fnmatch(node->text, text, 0) == 0;
	return (strcmp(node->text, text) == 0) == (node->op == OP_EQ);
}

static bool match_number(const struct node *node, const struct txn *t)
{
	uint64_t v;

	if (!node->field->number(t, &v))
		return node->op == OP_NE;
	switch (node->op) {
	case OP_EQ: return v == node->number;
	case OP_NE: return v != node->number;
	case OP_LE: return v <= node->number;
	case OP_GE: return v >= node->number;
	case OP_LT: return v < node->number;
	case OP_GT: return v > node->number;
	case OP_GLOB: break;
	}
	return false;
}

static bool match(const struct filter *f, int at, const struct txn *t)
{
	const struct node *node = &f->nodes[at];

	switch (node->kind) {
	case NODE_NOT: return !match(f, node->left, t);
	case NODE_AND: return match(f, node->left, t) && match(f, node->right, t);
	case NODE_OR: return match(f, node->left, t) || match(f, node->right, t);
	case NODE_TEST: break;
	}
	return node->field->text ? match_text(node, t) : match_number(node, t);
}

bool filter_match(const struct filter *f, const struct txn *t)
{
	return !f || match(f, f->root, t);
}
