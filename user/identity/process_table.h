/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of identity/: the table behind process.h, shared by the files that fill it. */
#ifndef PROCESS_TABLE_H
#define PROCESS_TABLE_H

#include "identity/golang.h"
#include "identity/process.h"
#include "identity/program.h"
#include "util/list.h"
#include "util/map.h"

/* A control group's path, shared by the processes in it. */
struct cgroup_name {
	uint32_t held;
	char path[];
};

struct process_entry {
	struct process p;   /* first: a process is its entry */
	struct list used;   /* in `living`, least recently used first; or in `gone`, oldest first */
	struct list check;  /* in `fresh` or `checked`; the living only */
	uint64_t cgroup_id; /* 0: not known */
	struct cgroup_name *cgroup;		   /* held; NULL: not known */
	uint64_t container_key, container_version; /* by which it was identified; 0: none */
	uint64_t fork_ns, exec_ns;		   /* of the last record seen; 0: none */
	uint64_t recheck_ns; /* gone: when /proc was last asked for a successor */
	char *program;	     /* owned: the name by the exec record; NULL: none seen */
	enum program_is program_is;
	bool is_resolved; /* p.service is set */
	bool is_announced;
	bool is_go_known;
};

struct processes {
	struct processes_opts opts;
	struct map by_tgid; /* owns the entries */
	struct list living, gone;
	size_t n_gone;
	uint64_t dropped, dropped_gone; /* at the caps */
	struct list fresh, checked;	/* whose turn it is to be looked at by the tick */
	struct services *services;	/* owned */
	struct golang golang;
	struct map cgroups;	     /* id -> struct cgroup_name, held */
	struct process_entry nobody; /* out of memory */
	uint64_t containers_seen;    /* containers_changes() when all were last looked at */
};

/* Finds who the process is: sets service, comm, ppid, start. Reads /proc when live. */
void process_identify(struct processes *ps, struct process_entry *e, uint64_t now_ns);

/* The parent, as long as it is still what it was when the child was made; NULL: not known. */
struct process_entry *process_parent(struct processes *ps, const struct process_entry *e);

/* In which cgroup a process is (process_cgroup.c): asked at its fork and exec, told by whoever has
 * read its /proc. */
struct resolved;
void process_cgroup_fork(struct processes *ps, struct process_entry *e,
			 struct process_entry *parent);
void process_cgroup_exec(struct processes *ps, struct process_entry *e, uint64_t id);
void process_cgroup_told(struct processes *ps, struct process_entry *e, const struct resolved *r);
void process_cgroup_let_go(struct process_entry *e);
void process_forget_cgroups(struct processes *ps);

/* Its service, by what was found out of it; also which container it was found in. */
struct service *process_service(struct processes *ps, struct process_entry *e,
				const struct resolved *r, uint64_t now_ns);
/* Whose container is now known to be another is to be found anew. */
void process_check_containers(struct processes *ps);

/* Found or made; NULL: out of memory. */
struct process_entry *process_entry(struct processes *ps, uint32_t tgid);
void process_bind(struct process_entry *e, struct service *s);
void process_unbind(struct process_entry *e); /* whoever it is now has to be found anew */
void process_gone(struct processes *ps, struct process_entry *e, uint64_t ts_ns);

/* Is it a Go program? Returns how many files had to be read: 0 or 1, none for one seen before. */
int process_check_go(struct processes *ps, struct process_entry *e);
/* The tick's slow work: a few living processes each time. */
void process_check_some(struct processes *ps, uint64_t now_ns);

#endif
