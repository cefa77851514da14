/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check_report.h"

#include "cmd/observe.h"
#include "util/human.h"
#include "util/utf8.h"

struct name {
	char text[PATH_MAX];
};

/* What others have named: nothing of it may steer a terminal. */
static struct name name_of(const char *s)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "%s", s);
	utf8_tame(name.text);
	return name;
}

static void print_program(FILE *out, const struct probe_program *p)
{
	fprintf(out, "%-38s %-4s %s", p->hook, p->is_attached ? "on" : "off", p->gives);
	if (!p->is_attached)
		fprintf(out, " (%s; %s)", p->reason[0] ? p->reason : "no reason given",
			p->is_required ? "required" : "optional");
	if (p->run_count)
		fprintf(out, "; %llu runs of %llu ns", (unsigned long long)p->run_count,
			(unsigned long long)(p->run_ns / p->run_count));
	fputc('\n', out);
}

static void print_dark(FILE *out, const struct check_report *r)
{
	const struct watched *p;
	char why[128];
	size_t n, shown = 0;

	p = watch_processes(r->watch, &n);
	for (size_t i = 0; i < n && shown < CHECK_SHOWN; i++) {
		if (!check_is_dark(&p[i]))
			continue;
		if (!shown++)
			fprintf(out, "\nbusiest processes that yielded no data in %s:\n",
				human_duration(r->watched_ns).text);
		watch_why(&p[i], why, sizeof(why));
		fprintf(out, "%8u %-16s %9s  %s\n", p[i].tgid,
			p[i].comm[0] ? name_of(p[i].comm).text : "(gone)",
			human_bytes(p[i].bytes).text, why);
	}
	if (!shown)
		fprintf(out, "\nno process moved data in %s without yielding any\n",
			human_duration(r->watched_ns).text);
}

/* What was seen of it in the short look. */
static void print_traffic(FILE *out, const struct check_report *r)
{
	const struct watched *p;
	char why[128];
	size_t n;

	if (!r->watch)
		return;
	p = watch_processes(r->watch, &n);
	for (size_t i = 0; i < n; i++) {
		if (p[i].tgid != r->process.pid)
			continue;
		fprintf(out,
			"  traffic    %s, %llu transaction%s; connections: %u parsed, "
			"%u undecided, %u unknown, %u encrypted\n",
			human_bytes(p[i].bytes).text, (unsigned long long)p[i].transactions,
			p[i].transactions == 1 ? "" : "s", p[i].parsed, p[i].undecided,
			p[i].unknown, p[i].encrypted);
		if (check_is_dark(&p[i])) {
			watch_why(&p[i], why, sizeof(why));
			fprintf(out, "  no data    %s\n", why);
		}
		return;
	}
	fprintf(out, "  traffic    none on its sockets in %s (--duration says how long to look)\n",
		human_duration(r->watched_ns).text);
}

static void print_tls(FILE *out, const struct check_process *p)
{
	fprintf(out, "  TLS        %s", p->tls_name ? p->tls_name : "by no library that is known");
	if (p->tls_library[0])
		fprintf(out, " (%s)", name_of(p->tls_library).text);
	if (p->is_tls_read)
		fprintf(out, ": its plaintext is read");
	else if (p->tls_why[0])
		fprintf(out, ": not read: %s", p->tls_why);
	fputc('\n', out);
}

static void print_process(FILE *out, const struct check_report *r)
{
	const struct check_process *p = &r->process;

	if (!p->is_found) {
		fprintf(out, "\nprocess %u: there is none\n", p->pid);
		return;
	}
	fprintf(out, "\nprocess %u (%s)\n  executable %s\n  service    %s\n  runtime    %s\n",
		p->pid, name_of(p->comm).text, p->exe[0] ? name_of(p->exe).text : "not known",
		name_of(p->service).text, p->is_go ? "Go" : "not Go");
	print_tls(out, p);
	print_traffic(out, r);
}

static void print_asked(FILE *out, const struct check_report *r)
{
	fprintf(out, "\n%-38s %-4s\n", "ASKED ABOUT CONTAINERS", "IS");
	for (size_t i = 0; i < r->n_asked; i++) {
		const struct asked *a = r->asked[i];

		fprintf(out, "%-38s %-4s %s", a->name, a->has_answered ? "on" : "off", a->where);
		if (!a->has_answered)
			fprintf(out, " (%s)",
				a->reason[0] ? name_of(a->reason).text : "no answer yet");
		fputc('\n', out);
	}
	if (!r->n_asked)
		fprintf(out, "nobody is there: containers are known by their ids\n");
}

static void print_propagation(FILE *out, const struct check_report *r)
{
	fprintf(out, "\n%-38s %-4s ", "--propagate http", r->can_propagate ? "can" : "off");
	if (!r->can_propagate) {
		fprintf(out, "a traceparent in HTTP/1 requests (%s)\n", r->propagate_off);
		return;
	}
	if (r->can_propagate_briefly)
		fprintf(out, "a traceparent in the first HTTP/1 request of each connection (%s)",
			PROPAGATE_BRIEFLY);
	else
		fprintf(out, "a traceparent in every HTTP/1 request that may have one");
	fprintf(out, "; %s of BPF maps more\n", human_bytes(r->propagate_memory).text);
}

void check_text(const struct check_report *r, FILE *out)
{
	fprintf(out, "kernel  %s %s\n", r->kernel.release, r->kernel.machine);
	if (r->error) {
		fprintf(out, "result  sonde run cannot work: %s\n", r->reason);
		if (r->process.pid)
			print_process(out, r);
		return;
	}
	fprintf(out, "tier    %s\nring    %s, all BPF maps %s\n\n", tier_name(r->tier),
		human_bytes(r->ring_size).text, human_bytes(r->bpf_memory).text);
	for (size_t i = 0; i < r->n_missing; i++)
		fprintf(out, "without %s: not known are %s\n%s", r->missing[i].name,
			r->missing[i].costs, i + 1 == r->n_missing ? "\n" : "");
	fprintf(out, "%-38s %-4s %s\n", "HOOK", "IS", "GIVES");
	for (size_t i = 0; i < r->n_programs; i++)
		print_program(out, &r->programs[i]);
	print_propagation(out, r);
	print_asked(out, r);
	fprintf(out, "\npressure of services' control groups: %s%s\n",
		r->has_stalls ? "by " : "not known: ", r->stalls);
	if (r->process.pid)
		print_process(out, r);
	else if (r->watch)
		print_dark(out, r);
	fprintf(out, "\nresult  sonde run can work here\n");
}
