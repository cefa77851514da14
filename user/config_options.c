/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and options, and nothing else. */
#include "config_option.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "config_check.h"
#include "metrics/health.h"
#include "util/nearest.h"

#define CMD(id)	  (1U << CMD_##id)
#define OBSERVING (CMD(RUN) | CMD(TOP) | CMD(TAIL) | CMD(RECORD))
#define PIPELINE  (OBSERVING | CMD(REPLAY))
#define ALL	  (PIPELINE | CMD(CHECK))
#define FIELD(f)  .offset = offsetof(struct config, f)

static const char *const words_on_off[] = { "off", "on", NULL };
static const char *const words_propagate[] = { "off", "http", NULL };
static const char *const words_tier[] = { "auto", "socket", "syscall", NULL };
static const char *const words_level[] = { "error", "warn", "info", "debug", NULL };
static const char *const words_format[] = { "text", "json", NULL };

#define ON_OFF	.metavar = "on|off", .kind = OPT_BOOL, .words = words_on_off
#define LIST(m) .metavar = m, .kind = OPT_LIST
#define SWITCH	.kind = OPT_SWITCH, .is_flag_only = true

const struct command_info commands[] = {
	[CMD_RUN] = { "run", "", NULL, "observe this host and serve metrics (also bare sonde)" },
	[CMD_TOP] = { "top", "[FILE]", NULL,
		      "a live view of services, endpoints, peers and requests" },
	[CMD_TAIL] = { "tail", "", NULL, "print each transaction as it ends" },
	[CMD_RECORD] = { "record", "FILE", NULL,
			 "write captured events, payload included, to FILE" },
	[CMD_REPLAY] = { "replay", "FILE", NULL,
			 "run the pipeline over a recording or capture, no root needed" },
	[CMD_CHECK] = { "check", "", NULL,
			"say what this kernel, these rights and this host allow" },
	[CMD_VERSION] = { "version", "", NULL, "print version, commit and build features" },
	[CMD_HELP] = { "help", "[COMMAND]", NULL, "print this help, or a command's" },
};

const struct option options[] = {
	{ "config", "FILE", OPT_STRING, FIELD(config_file), .commands = ALL,
	  .help = "read options from FILE (YAML; keys are the names of these flags)" },
	{ "listen", "ADDR:PORT", OPT_LISTEN, .commands = CMD(RUN), .def = "127.0.0.1:9464",
	  .help = "serve metrics and the API here; off: nowhere" },
	{ "web-config", "FILE", OPT_STRING, FIELD(web_config), .commands = CMD(RUN),
	  .help = "TLS and authentication, in the Prometheus exporters' file form" },
	{ "pid", LIST("PID"), FIELD(pids), .commands = OBSERVING | CMD(CHECK), .check = check_pid,
	  .max_items = SONDE_PIDS, .help = "observe only these processes",
	  .check_help = "look at this one in depth" },
	{ "comm", LIST("GLOB"), FIELD(comms), .commands = OBSERVING, .check = check_comm,
	  .max_items = SONDE_GLOBS, .help = "observe only processes of these names" },
	{ "exe", LIST("GLOB"), FIELD(exes), .commands = OBSERVING, .check = check_glob,
	  .max_items = SONDE_GLOBS,
	  .help = "observe only processes of these executables, as given to execve" },
	{ "port", LIST("LIST"), FIELD(ports), .commands = OBSERVING, .check = check_port,
	  .max_items = SONDE_PORTS,
	  .help = "observe only TCP connections with one of these ports at either end" },
	{ "cgroup", LIST("GLOB"), FIELD(cgroups), .commands = OBSERVING, .check = check_glob,
	  .max_items = SONDE_GLOBS, .help = "observe only processes of these cgroups" },
	{ "namespace", LIST("NS"), FIELD(namespaces), .commands = OBSERVING,
	  .check = check_namespace, .help = "observe only pods of these Kubernetes namespaces" },
	{ "exclude-comm", LIST("GLOB"), FIELD(not_comms), .commands = OBSERVING,
	  .check = check_comm, .max_items = SONDE_GLOBS,
	  .help = "do not observe processes of these names" },
	{ "protocols", LIST("LIST"), FIELD(protocols), .commands = PIPELINE, .def = "all",
	  .check = check_protocol,
	  .help = "parse only these protocols, of those that sonde version lists" },
	{ "tls", ON_OFF, FIELD(tls), .commands = OBSERVING, .def = "on",
	  .help = "observe the plaintext of encrypted connections" },
	{ "routes", ON_OFF, FIELD(routes), .commands = PIPELINE, .def = "on",
	  .help = "make routes of paths: /users/42 becomes /users/{id}" },
	{ "sizes", ON_OFF, FIELD(sizes), .commands = PIPELINE, .def = "off",
	  .help = "export histograms of body sizes" },
	{ "server-address", ON_OFF, FIELD(server_address), .commands = PIPELINE, .def = "off",
	  .help = "put server_address and server_port on server metrics" },
	{ "kubernetes", "auto|off|URL", OPT_STRING, FIELD(kubernetes),
	  .commands = OBSERVING | CMD(CHECK), .def = "auto", .check = check_kubernetes,
	  .help = "API server to ask about this node's pods, and Services' addresses; auto: in a "
		  "pod, its own" },
	{ "kubelet", "off|URL", OPT_STRING, FIELD(kubelet), .commands = OBSERVING | CMD(CHECK),
	  .def = "off", .check = check_kubelet,
	  .help = "kubelet to ask about this node's pods, instead of the API server" },
	{ "kubernetes-account", "DIR", OPT_STRING, FIELD(kubernetes_account),
	  .commands = OBSERVING | CMD(CHECK),
	  .def = "/var/run/secrets/kubernetes.io/serviceaccount",
	  .help = "where the token and ca.crt for that are" },
	{ "node-name", "NAME", OPT_STRING, FIELD(node_name), .commands = OBSERVING | CMD(CHECK),
	  .check = check_node_name,
	  .help = "of this Kubernetes node; else the variable NODE_NAME" },
	{ "cluster-name", "NAME", OPT_STRING, FIELD(cluster_name), .commands = OBSERVING,
	  .help = "of this Kubernetes cluster, as a label: k8s_cluster_name" },
	{ "pod-labels", ON_OFF, FIELD(pod_labels), .commands = OBSERVING, .def = "off",
	  .help = "name services by app.kubernetes.io/instance and /name before their owner" },
	{ "docker", "auto|off|PATH", OPT_STRING, FIELD(docker), .commands = OBSERVING | CMD(CHECK),
	  .def = "auto", .check = check_socket,
	  .help = "socket to ask about containers; auto: Docker's and Podman's, where they are" },
	{ "cri", "auto|off|PATH", OPT_STRING, FIELD(cri), .commands = OBSERVING | CMD(CHECK),
	  .def = "auto", .check = check_socket,
	  .help = "socket of a node's runtime; auto: containerd's or CRI-O's, where it is" },
	{ "otlp-endpoint", "URL", OPT_STRING, FIELD(otlp_endpoint), .commands = CMD(RUN),
	  .check = check_url, .help = "export metrics and traces to an OTLP collector" },
	{ "traces-keep", LIST("LIST"), FIELD(traces_keep), .commands = CMD(RUN),
	  .check = check_keep,
	  .help = "traces kept whatever the sampler says: errors, slow (1 s and more)" },
	{ "health", LIST("RULE"), FIELD(health), .commands = CMD(RUN) | CMD(TOP),
	  .check = health_check_rule,
	  .help = "limits of health, [SERVICE.]NAME=VALUE: errors=5%, unhealthy-errors=50%, "
		  "p95=1s, "
		  "saturation=10%, stuck=30s; SERVICE is a glob, the last rule that fits counts" },
	{ "propagate", "off|http", OPT_ENUM, FIELD(propagate), .commands = OBSERVING,
	  .words = words_propagate, .def = "off",
	  .help = "put a traceparent into outgoing HTTP/1 requests of the processes that --pid, "
		  "--comm, --exe, --cgroup, --namespace or --port names" },
	{ "capture-tier", "auto|socket|syscall", OPT_ENUM, FIELD(tier),
	  .commands = OBSERVING | CMD(CHECK), .words = words_tier, .def = "auto",
	  .help = "which kernel hooks to capture with" },
	{ "ring-size", "SIZE", OPT_SIZE, FIELD(ring_size), .commands = OBSERVING | CMD(CHECK),
	  .def = "16MiB",
	  .help = "room for records between kernel and sonde; rounded up to a power of two" },
	{ "max-series", "N", OPT_COUNT, FIELD(max_series), .commands = PIPELINE, .def = "2000",
	  .help = "label sets of one metric, at most; further ones are folded" },
	{ "max-processes", "N", OPT_COUNT, FIELD(max_processes), .commands = OBSERVING,
	  .def = "200", .help = "processes with metrics of their own, the busiest first" },
	{ "cpu-limit", "CORES", OPT_CORES, FIELD(cpu_limit), .commands = OBSERVING, .def = "1",
	  .help = "leave connections out when sonde itself uses more CPU than this" },
	{ "log-level", "error|warn|info|debug", OPT_ENUM, FIELD(log_level), .commands = ALL,
	  .words = words_level, .def = "info", .help = "least important message to print" },
	{ "log-format", "text|json", OPT_BOOL, FIELD(log_json), .commands = ALL,
	  .words = words_format, .def = "text", .help = "form of messages on stderr" },
	{ "record", "FILE", OPT_STRING, FIELD(record_file), .commands = OBSERVING,
	  .help = "keep a recording, payload included, beside what the command does" },
	{ "duration", "DURATION", OPT_DURATION, FIELD(duration_ns),
	  .commands = OBSERVING | CMD(CHECK), .help = "end after this time",
	  .check_help = "look at traffic for so long (else 2 s, 150 ms at one process)" },
	{ "probe-stats", ON_OFF, FIELD(stats), .commands = OBSERVING | CMD(CHECK), .def = "off",
	  .help = "count and time every run of the kernel programs (costs a little)" },
	{ "json", SWITCH, FIELD(json), .commands = CMD(TAIL) | CMD(REPLAY) | CMD(CHECK) | CMD(TOP),
	  .help = "print JSON" },
	{ "filter", "EXPR", OPT_STRING, FIELD(filter_expr), .is_flag_only = true,
	  .commands = CMD(TAIL) | CMD(REPLAY),
	  .help = "print only transactions that match, such as 'status>=500 and service=shop'; "
		  "sonde(8) lists the fields" },
	{ "metrics", SWITCH, FIELD(metrics), .commands = CMD(REPLAY),
	  .help = "print the metrics at the end instead of transactions" },
	{ "spans", SWITCH, FIELD(spans), .commands = CMD(REPLAY),
	  .help = "print OTLP/JSON spans, a request in each line, instead of transactions" },
	{ "once", SWITCH, FIELD(once), .commands = CMD(TOP),
	  .help = "observe 5 s (or --duration), print one table and end" },
	{ "connect", "URL", OPT_STRING, FIELD(connect_url), .is_flag_only = true,
	  .commands = CMD(TOP), .check = check_sonde_url,
	  .help = "read a running sonde instead of observing, such as http://127.0.0.1:9464" },
};

const size_t options_n = sizeof(options) / sizeof(options[0]);
_Static_assert(sizeof(options) / sizeof(options[0]) <= CONFIG_OPTIONS_MAX, "config.origin");

const struct option *option_find(const char *name, const char *prefix, char *hint, size_t size)
{
	struct nearest n = { 0 };

	for (size_t i = 0; i < options_n; i++) {
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
		nearest_offer(&n, name, options[i].name);
	}
	nearest_say(&n, prefix, hint, size);
	return NULL;
}

const char *config_command_name(enum command cmd)
{
	return commands[cmd].name;
}

void option_env_name(const struct option *o, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "SONDE_%s", o->name);

	for (size_t i = 0; i < n && i < size - 1; i++)
		out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}
