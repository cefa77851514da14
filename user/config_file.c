/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML file: one mapping from names of options to scalars or sequences of scalars. Read with
 * libyaml's documents rather than through libcyaml's schema, since a mistake has to be told with
 * the line, the accepted form and the nearest word, which libcyaml's errors do not carry.
 */
#include "config_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

struct file {
	struct config *c;
	const char *path;
	yaml_document_t doc;
	char *err;
	size_t size;
};

static int read_scalar(struct file *f, const struct option *o, const yaml_node_t *node)
{
	const char *value = (const char *)node->data.scalar.value;
	char what[256];

	snprintf(what, sizeof(what), "%s:%zu: %s", f->path, node->start_mark.line + 1, o->name);
	if (strlen(value) != node->data.scalar.length) {
		snprintf(f->err, f->size, "%s: the value holds a zero byte", what);
		return -EINVAL;
	}
	return option_set(f->c, o, value, CONFIG_FILE, what, f->err, f->size);
}

static int read_value(struct file *f, const struct option *o, const yaml_node_t *node)
{
	const yaml_node_t *item;
	int err = 0;

	if (node->type == YAML_SCALAR_NODE)
		return read_scalar(f, o, node);
	if (node->type == YAML_SEQUENCE_NODE && o->kind == OPT_LIST) {
		for (yaml_node_item_t *i = node->data.sequence.items.start;
		     i < node->data.sequence.items.top && !err; i++) {
			item = yaml_document_get_node(&f->doc, *i);
			if (item->type != YAML_SCALAR_NODE)
				goto wrong;
			err = read_scalar(f, o, item);
		}
		return err;
	}
wrong:
	snprintf(f->err, f->size, "%s:%zu: %s: expected %s", f->path, node->start_mark.line + 1,
		 o->name, o->kind == OPT_LIST ? "a value or a sequence of values" : o->metavar);
	return -EINVAL;
}

static int read_pair(struct file *f, const yaml_node_pair_t *pair, bool *seen)
{
	const yaml_node_t *key = yaml_document_get_node(&f->doc, pair->key);
	const struct option *o;
	char hint[128] = "";
	const char *name;
	size_t line = key->start_mark.line + 1;

	if (key->type != YAML_SCALAR_NODE) {
		snprintf(f->err, f->size, "%s:%zu: expected the name of an option", f->path, line);
		return -EINVAL;
	}
	name = (const char *)key->data.scalar.value;
	o = option_find(name, "", hint, sizeof(hint));
	if (!o) {
		snprintf(f->err, f->size, "%s:%zu: %s: no such key%s", f->path, line, name, hint);
		return -EINVAL;
	}
	if (o->is_flag_only || o->offset == offsetof(struct config, config_file)) {
		snprintf(f->err, f->size, "%s:%zu: %s: only a flag, --%s, not a key", f->path, line,
			 name, name);
		return -EINVAL;
	}
	if (seen[o - options]) {
		snprintf(f->err, f->size, "%s:%zu: %s: given twice", f->path, line, name);
		return -EINVAL;
	}
	seen[o - options] = true;
	return read_value(f, o, yaml_document_get_node(&f->doc, pair->value));
}

static int read_document(struct file *f)
{
	const yaml_node_t *root = yaml_document_get_root_node(&f->doc);
	bool seen[CONFIG_OPTIONS_MAX] = { false };
	int err = 0;

	if (!root) /* nothing but comments */
		return 0;
	if (root->type != YAML_MAPPING_NODE) {
		snprintf(f->err, f->size, "%s:%zu: expected lines of the form NAME: VALUE", f->path,
			 root->start_mark.line + 1);
		return -EINVAL;
	}
	for (yaml_node_pair_t *p = root->data.mapping.pairs.start;
	     p < root->data.mapping.pairs.top && !err; p++)
		err = read_pair(f, p, seen);
	return err;
}

/* A second document would be ignored by us, so it is a mistake. */
static int read_end(struct file *f, yaml_parser_t *parser)
{
	yaml_document_t next;
	int err = 0;

	if (!yaml_parser_load(parser, &next)) {
		snprintf(f->err, f->size, "%s:%zu: not valid YAML: %s", f->path,
			 parser->problem_mark.line + 1, parser->problem);
		return -EINVAL;
	}
	if (yaml_document_get_root_node(&next)) {
		snprintf(f->err, f->size, "%s: holds more than one YAML document", f->path);
		err = -EINVAL;
	}
	yaml_document_delete(&next);
	return err;
}

int config_read_file(struct config *c, const char *path, char *err, size_t size)
{
	struct file f = { .c = c, .path = path, .err = err, .size = size };
	yaml_parser_t parser;
	FILE *in = fopen(path, "re");
	struct stat st;
	int res = -EINVAL;

	/* a folder can be opened, and only fails to be read */
	if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(in);
		in = NULL;
		errno = EISDIR;
	}
	if (!in) {
		snprintf(err, size, "%s: cannot read the configuration: %s", path, strerror(errno));
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&parser)) {
		snprintf(err, size, "%s: out of memory", path);
		goto out;
	}
	yaml_parser_set_input_file(&parser, in);
	if (!yaml_parser_load(&parser, &f.doc)) {
		snprintf(err, size, "%s:%zu: not valid YAML: %s", path,
			 parser.problem_mark.line + 1,
			 parser.problem ? parser.problem : "cannot be read");
	} else {
		res = read_document(&f);
		if (!res && yaml_document_get_root_node(&f.doc))
			res = read_end(&f, &parser);
		yaml_document_delete(&f.doc);
	}
	yaml_parser_delete(&parser);
out:
	fclose(in);
	return res;
}
