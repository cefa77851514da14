/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program is called by the people who run it: the executable, or for an interpreter the
 * script, module, jar or class it was given. Pure. Bytes are what a process chose to say of itself.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include "util/slice.h"

struct program {
	struct slice exe;  /* path of the executable, or what was given to execve */
	struct slice args; /* NUL separated, the first is the program's own name */
	struct slice cwd;  /* empty: not known */
};

enum program_is {
	PROGRAM_NAMED,
	PROGRAM_INTERPRETER, /* an interpreter, and what it runs was not to be told: its own name */
	PROGRAM_WORKER,	     /* an interpreter started anew to do a part of its parent's work */
	PROGRAM_NAMELESS,    /* out is empty */
};

/* Writes a name as valid UTF-8, NUL terminated and cut to size. */
enum program_is program_name(const struct program *p, char *out, size_t size);

/* The next of NUL separated arguments; false at the end. */
bool program_next_arg(struct slice *args, struct slice *arg);

/* The part after the last slash. */
struct slice program_base(struct slice path);

/* A script, jar or folder: base name without a known extension; names that say nothing (index,
 * main, app, server, ...) take the parent folder's. */
struct slice program_path_name(struct slice path, struct slice cwd);

/* A dotted module or class: nothing-saying last parts are left out; false when nothing is left. */
bool program_module_name(struct slice module, struct slice *out);

/* Of a server that runs somebody's application, like gunicorn, that application; args begin behind
 * its name. False: it is no such server, or the application is not told. */
bool program_server_app(struct slice name, struct slice args, struct slice cwd, struct slice *out);

/* What such a server tells by its title; false when it is none. */
bool program_title_name(struct slice title, struct slice cwd, struct slice *out);

/* What a Java virtual machine runs; args begin behind its own name. */
bool program_java_name(struct slice args, struct slice cwd, struct slice *out);

/* What a Java virtual machine and its program were told of the service. Slices of the arguments,
 * empty where nothing was. */
struct java_says {
	bool is_java;
	struct slice service_name; /* -Dotel.service.name= */
	struct slice attributes;   /* -Dotel.resource.attributes= */
	struct slice application;  /* --spring.application.name=, else that of -D */
};

/* args begin behind its own name. */
void program_java_says(struct slice args, struct java_says *out);

/* The same of a program, whatever it is. */
void program_says(const struct program *p, struct java_says *out);

#endif
