/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the person asked for. Flag over environment over file over default. One table in config.c
 * describes every option: its flag, YAML key and SONDE_ variable follow from its name, and the
 * usage text and reference from its help.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/probe.h"
#include "util/log.h"

enum command {
	CMD_RUN,
	CMD_TOP,
	CMD_TAIL,
	CMD_RECORD,
	CMD_REPLAY,
	CMD_CHECK,
	CMD_VERSION,
	CMD_HELP,
};

enum propagate { PROPAGATE_OFF, PROPAGATE_HTTP };

struct config_list {
	char **v; /* owned */
	size_t n;
};

/* Where a value came from: the later wins over the earlier. */
enum config_origin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENV, CONFIG_FLAG };

enum { CONFIG_OPTIONS_MAX = 64 };

struct config {
	enum command command;
	enum command help_of;		    /* help: the command asked about; CMD_HELP: all */
	uint8_t origin[CONFIG_OPTIONS_MAX]; /* enum config_origin, by place in the option table */
	char *file;			    /* positional: record and replay */
	char *config_file;
	char *listen_addr; /* NULL: off */
	uint16_t listen_port;
	char *web_config;
	struct config_list pids, comms, exes, ports, cgroups, namespaces, not_comms, protocols;
	uint32_t protocol_mask; /* of enum proto_id; 0: all */
	bool tls, routes, sizes, server_address;
	char *kubernetes, *kubelet, *kubernetes_account, *node_name, *cluster_name, *docker, *cri;
	bool pod_labels;
	char *otlp_endpoint;
	struct config_list traces_keep;
	struct config_list health; /* rules, as metrics/health.h */
	enum propagate propagate;
	enum probe_tier tier;
	uint64_t ring_size; /* bytes */
	uint64_t max_series, max_processes;
	double cpu_limit; /* cores */
	enum log_level log_level;
	bool log_json;
	char *record_file;
	uint64_t duration_ns; /* 0: until told */
	/* of one command */
	bool json, metrics, spans, once, stats;
	char *filter_expr;	    /* tail */
	char *connect_url;	    /* top */
	uint32_t pid;		    /* check --pid */
	struct sonde_filter filter; /* the lists above, as the kernel takes them */
};

/* Parses argv, environment and file into *c (zeroed by it). 0; or -EINVAL after printing one line
 * on stderr that names what is wrong, the accepted form and the nearest valid word: exit 2. */
int config_load(struct config *c, int argc, char **argv);
/* The same without printing: the line, without newline, goes into err. */
int config_parse(struct config *c, int argc, char **argv, char **envp, char *err, size_t size);
/* Reads everything again (SIGHUP). What can change while running is taken over into *c; what
 * cannot is named in a warning. A mistake is reported and leaves *c as it was. */
void config_reload(struct config *c, int argc, char **argv);
/* Warns of values of OTEL_ variables that their specification does not allow:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
void config_warn_otel(char **envp);
/* Is that word in --traces-keep? */
bool config_keeps(const struct config *c, const char *word);
void config_free(struct config *c); /* leaves it zeroed */

/* Help, generated from the table, on stdout. CMD_HELP: every command. */
void config_usage(enum command cmd);
void config_markdown(void); /* docs/configuration.md */
const char *config_command_name(enum command cmd);

#endif
