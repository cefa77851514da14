// SPDX-License-Identifier: Apache-2.0
/*
 * The init of a guest of the kernel matrix, linked statically: mounts what sonde needs, runs it
 * beside a load (load.c) and writes what it said to the second serial port, section by section:
 * "@@ NAME" begins one, "@@= NAME EXIT-CODE MILLISECONDS" ends it. Judging is the host's business.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_MS = 120000 /* a busy host's guest */, METRICS_PORT = 9464 };

static FILE *out;

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void prepare(void)
{
	static const char *const mounts[][3] = {
		{ "proc", "/proc", "proc" },
		{ "sysfs", "/sys", "sysfs" },
		{ "dev", "/dev", "devtmpfs" },
		{ "tmp", "/tmp", "tmpfs" },
		{ "tracing", "/sys/kernel/tracing", "tracefs" },
		{ "bpf", "/sys/fs/bpf", "bpf" },
		{ "cgroup", "/sys/fs/cgroup", "cgroup2" },
	};
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i][1], 0755);
		mount(mounts[i][0], mounts[i][1], mounts[i][2], 0, NULL);
	}
	s = socket(AF_INET, SOCK_DGRAM, 0);
	ioctl(s, SIOCSIFFLAGS, &lo);
	close(s);
}

static void become(char *const argv[], const char *to, const char *err)
{
	dup2(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644), 1);
	dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0644), 2);
	execv(argv[0], argv);
	_exit(127);
}

static pid_t spawn(char *const argv[], const char *to, const char *err)
{
	pid_t pid = fork();

	if (pid == 0)
		become(argv, to, err);
	return pid;
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void section(const char *name, const char *file, int status, long ms)
{
	FILE *f = fopen(file, "r");
	char line[65536];

	fprintf(out, "@@ %s\n", name);
	while (f && fgets(line, sizeof(line), f))
		fputs(line, out);
	if (f)
		fclose(f);
	fprintf(out, "@@= %s %d %ld\n", name, code_of(status), ms);
	fflush(out);
}

static void say(const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(out, "@@ %s\n", name);
	vfprintf(out, fmt, ap);
	fprintf(out, "\n@@= %s 0 0\n", name);
	va_end(ap);
}

/* A command from start to end, its output and what it complained about as two sections. */
static void command(const char *name, char *const argv[])
{
	char err_name[64];
	long begin = now_ms(), ms;
	int status = -1;

	waitpid(spawn(argv, "/tmp/out", "/tmp/err"), &status, 0);
	ms = now_ms() - begin;
	section(name, "/tmp/out", status, ms);
	snprintf(err_name, sizeof(err_name), "%s.err", name);
	section(err_name, "/tmp/err", status, ms);
}

static int has_line(const char *file, const char *start)
{
	FILE *f = fopen(file, "r");
	char line[1024];
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strncmp(line, start, strlen(start)) == 0;
	if (f)
		fclose(f);
	return found;
}

/* Waits until a growing file has stood still for a second. */
static void settle(const char *file)
{
	struct stat st;
	off_t before = -1;
	int same = 0;

	for (int i = 0; i < 100 && same < 10; i++) {
		pause_ms(100);
		same = stat(file, &st) == 0 && st.st_size == before ? same + 1 : 0;
		before = st.st_size;
	}
}

/* BPF programs in the kernel; they go a grace period after their last user. */
static int programs_left(void)
{
	union bpf_attr attr = { 0 };
	int n = 0;

	while (syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr)) == 0) {
		attr.start_id = attr.next_id;
		n++;
	}
	return n;
}

/* Runs the kernel left out because the program ran already on that CPU, by program. */
static void say_missed(const char *name)
{
	union bpf_attr next = { 0 };

	fprintf(out, "@@ %s\n", name);
	while (syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &next, sizeof(next)) == 0) {
		struct bpf_prog_info info = { 0 };
		union bpf_attr get = { .prog_id = next.next_id }, ask = { 0 };
		int fd = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &get, sizeof(get));

		ask.info.bpf_fd = (uint32_t)fd;
		ask.info.info_len = sizeof(info);
		ask.info.info = (uint64_t)(uintptr_t)&info;
		if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) == 0)
			fprintf(out, "%s %llu\n", info.name,
				(unsigned long long)info.recursion_misses);
		close(fd);
		next.start_id = next.next_id;
	}
	fprintf(out, "@@= %s 0 0\n", name);
}

/* The kinds of links that there are, a line each: enum bpf_link_type. */
static void say_links(const char *name)
{
	union bpf_attr next = { 0 };

	fprintf(out, "@@ %s\n", name);
	while (syscall(SYS_bpf, BPF_LINK_GET_NEXT_ID, &next, sizeof(next)) == 0) {
		struct bpf_link_info info = { 0 };
		union bpf_attr get = { .link_id = next.next_id }, ask = { 0 };
		int fd = (int)syscall(SYS_bpf, BPF_LINK_GET_FD_BY_ID, &get, sizeof(get));

		ask.info.bpf_fd = (uint32_t)fd;
		ask.info.info_len = sizeof(info);
		ask.info.info = (uint64_t)(uintptr_t)&info;
		if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) == 0)
			fprintf(out, "%u\n", info.type);
		close(fd);
		next.start_id = next.next_id;
	}
	fprintf(out, "@@= %s 0 0\n", name);
}

static void named(char name[64], const char *what, const char *of)
{
	snprintf(name, 64, "%s-%s", what, of);
}

/* Starts sonde and waits until it observes; 0 where it does not. */
static pid_t observe(const char *of, char *const argv[])
{
	long begin = now_ms();
	int status = 0;
	char name[64];
	pid_t pid;

	unlink("/tmp/tail");
	unlink("/tmp/tail.err"); /* of the run before */
	pid = spawn(argv, "/tmp/tail", "/tmp/tail.err");
	while (!has_line("/tmp/tail.err", "sonde: observing") && now_ms() - begin < READY_MS) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			pid = 0;
			break;
		}
		pause_ms(50);
	}
	named(name, "ready", of);
	section(name, "/tmp/tail.err", status, now_ms() - begin);
	return pid;
}

static void end(const char *of, pid_t pid)
{
	char *replay[] = { "/sonde", "replay", "--metrics", "/tmp/recording", NULL };
	long begin = now_ms();
	int status = 0, left;
	char name[64];

	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	named(name, "tail", of);
	section(name, "/tmp/tail", status, now_ms() - begin);
	named(name, "tail.err", of);
	section(name, "/tmp/tail.err", status, 0);
	for (int i = 0; (left = programs_left()) > 0 && i < 50; i++)
		pause_ms(100);
	named(name, "left", of);
	say(name, "%d", left);
	/* the same pipeline over the same records: what it could not use */
	named(name, "replay", of);
	command(name, replay);
	unlink("/tmp/recording");
}

/* A load under sonde's eyes. */
static void watch_load(const char *of, char *const argv[], char *const load[])
{
	char name[64], status[64];
	pid_t pid = observe(of, argv);

	if (!pid)
		return;
	named(name, "status", of);
	snprintf(status, sizeof(status), "/proc/%d/status", pid);
	section(name, status, 0, 0);
	named(name, "load", of);
	command(name, load);
	settle("/tmp/tail");
	named(name, "missed", of);
	say_missed(name);
	named(name, "links", of);
	say_links(name);
	end(of, pid);
}

static void watch(const char *of, char *kind, char *flag, char *value)
{
	char *argv[] = {
		"/sonde", "tail", "--json", "--record", "/tmp/recording", flag, value, NULL
	};
	char *load[] = { "/load", kind, NULL };

	watch_load(of, argv, load);
}

/* Connections in the map of those whose sends are looked at; -1: there is no such map. */
static int looked_at(void)
{
	union bpf_attr next = { 0 };
	int n = -1;

	while (n < 0 && syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &next, sizeof(next)) == 0) {
		struct bpf_map_info info = { 0 };
		union bpf_attr get = { .map_id = next.next_id }, ask = { 0 }, key = { 0 };
		int fd = (int)syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &get, sizeof(get));
		uint64_t at = 0;

		ask.info.bpf_fd = (uint32_t)fd;
		ask.info.info_len = sizeof(info);
		ask.info.info = (uint64_t)(uintptr_t)&info;
		key.map_fd = (uint32_t)fd;
		key.next_key = (uint64_t)(uintptr_t)&at;
		if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) == 0 &&
		    strcmp(info.name, "speaking") == 0)
			for (n = 0; syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &key, sizeof(key)) == 0;
			     n++)
				key.key = key.next_key;
		close(fd);
		next.start_id = next.next_id;
	}
	return n;
}

/* What sonde says of its tables that were full. */
static void say_full(const char *name)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(METRICS_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char ask[] = "GET /metrics HTTP/1.0\r\n\r\n";
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char line[4096];
	FILE *f;

	fprintf(out, "@@ %s\n", name);
	if (connect(s, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    write(s, ask, sizeof(ask) - 1) > 0 && (f = fdopen(s, "r"))) {
		while (fgets(line, sizeof(line), f))
			if (strncmp(line, "sonde_table_full_total", 22) == 0)
				fputs(line, out);
		fclose(f);
	}
	fprintf(out, "@@= %s 0 0\n", name);
}

/* More connections that sonde is done with than it can take note of, as it stands still; the last
 * one stays. */
static void crowd(void)
{
	char *argv[] = { "/sonde",	"run",	"--listen", "127.0.0.1:9464", "--port", "8094",
			 "--propagate", "http", NULL };
	char *load[] = { "/crowd", "4296", NULL };
	pid_t pid = observe("crowd", argv), speaker;
	int before;

	if (!pid)
		return;
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	speaker = spawn(load, "/tmp/crowd", "/tmp/crowd.err");
	for (int i = 0; i < READY_MS / 50 && !has_line("/tmp/crowd", "ready"); i++)
		pause_ms(50);
	before = looked_at();
	kill(pid, SIGCONT);
	for (int i = 0; i < READY_MS / 50 && looked_at() > 0; i++)
		pause_ms(50);
	say("crowd", "%d %d", before, looked_at());
	say_full("full-crowd");
	kill(speaker, SIGKILL);
	waitpid(speaker, NULL, 0);
	section("crowd.err", "/tmp/crowd.err", 0, 0);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* With a line put into requests on connections that are kept. */
static void propagate(void)
{
	char *argv[] = { "/sonde", "tail", "--json",	  "--record", "/tmp/recording",
			 "--port", "8091", "--propagate", "http",     NULL };
	char *kept[] = { "/kept", NULL };

	watch_load("kept", argv, kept);
	if (!has_line("/tmp/tail.err", "sonde: only the first")) /* there nobody stays */
		crowd();
}

/* The same for long; a quarter of it without sonde before, and again behind it: what the machine
 * itself does to them changes from minute to minute. */
static void propagate_long(char *requests)
{
	char *argv[] = { "/sonde", "run",	  "--listen", "off", "--port",
			 "8091",   "--propagate", "http",     NULL };
	char fewer[16], *kept[] = { "/kept", requests, NULL }, *plain[] = { "/kept", fewer, NULL };
	pid_t pid;

	snprintf(fewer, sizeof(fewer), "%d", atoi(requests) / 4);
	command("load-before", plain);
	pid = observe("long", argv);
	if (!pid)
		return;
	command("load-long", kept);
	say_missed("missed-long");
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	command("load-after", plain);
}

/* Until somebody listens there. */
static void wait_for(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int err = -1;

	for (int i = 0; err && i < READY_MS / 50; i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		err = connect(s, (struct sockaddr *)&at, sizeof(at));
		close(s);
		if (err)
			pause_ms(50);
	}
}

/* curl, Python, Node and Go, to a server that says what it heard and to nginx; without sonde first.
 * The host adds them to the archive: clients.py. */
static void clients(void)
{
	char *hear[] = { "/usr/bin/python3", "/progs/hear.py", "8092", NULL };
	char *nginx[] = { "/usr/sbin/nginx", "-c", "/nginx.conf", NULL };
	char *speak[] = { "/usr/bin/python3", "/speakers.py", "8092", "8093", NULL };
	char *argv[] = { "/sonde", "tail",	"--json",      "--record", "/tmp/recording",
			 "--port", "8092,8093", "--propagate", "http",	   NULL };
	pid_t pid = spawn(hear, "/tmp/heard", "/tmp/heard.err");

	command("nginx", nginx);
	wait_for(8092);
	command("speak-plain", speak);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	section("heard-plain", "/tmp/heard", 0, 0);
	truncate("/tmp/nginx.log", 0);
	pid = spawn(hear, "/tmp/heard", "/tmp/heard.err");
	wait_for(8092);
	watch_load("clients", argv, speak);
	kill(pid, SIGTERM);
	section("heard-clients", "/tmp/heard", 0, 0);
	section("nginx-clients", "/tmp/nginx.log", 0, 0);
}

/* "few COMMAND...": the rights that are said to suffice, and no others. */
static int with_few_rights(char *argv[])
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap != CAP_BPF && cap != CAP_PERFMON && cap != CAP_SYS_PTRACE &&
		    cap != CAP_DAC_READ_SEARCH && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return 126;
	execv(argv[0], argv);
	return 127;
}

/* Within TLS too, for that takes uprobes; what it may do it says itself. */
static void few_rights(void)
{
	char *check[] = { "/init", "few", "/sonde", "check", "--json", NULL };
	char *argv[] = { "/init",  "few",      "/sonde",	 "tail",
			 "--json", "--record", "/tmp/recording", NULL };
	char *load[] = { "/load", "both", NULL };

	command("check-few", check);
	watch_load("few", argv, load);
}

/* "own COMMAND...": with a copy of the TLS library that nobody else uses. */
static int with_own_library(char *argv[])
{
	setenv("LD_LIBRARY_PATH", "/own", 1);
	execv(argv[0], argv);
	return 127;
}

/* By the time such a client begins sonde has given up what rights it could. */
static void own_library(void)
{
	char *argv[] = { "/sonde", "tail", "--json", "--record", "/tmp/recording", NULL };
	char *load[] = { "/init", "own", "/load", "late", NULL };

	watch_load("tls-own", argv, load);
}

static void tail(char *tier)
{
	watch(tier, "client", "--capture-tier", tier);
}

static void put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
	close(fd);
}

/* A network that takes its time, and one that loses; a segment that is lost again and again is sent
 * again after the same time, not after twice as long each time, or a request could take minutes. */
static void netem(void)
{
	char *slow[] = { "/netem", "40", "0", NULL }, *lossy[] = { "/netem", "5", "20", NULL };
	char *none[] = { "/netem", "0", "0", NULL };

	command("netem-slow", slow);
	watch("slow", "few", "--port", "8080");
	put("/proc/sys/net/ipv4/tcp_thin_linear_timeouts", "1");
	command("netem-lossy", lossy);
	watch("lossy", "few", "--port", "8080");
	command("netem-none", none);
	section("snmp", "/proc/net/snmp", 0, 0);
}

/* "bare=1" on the kernel's command line: what older kernels lack is done without. */
static void bare(void)
{
	setenv("BPF_BARE", "1", 1);
	watch("bare", "client", "--capture-tier", "syscall");
	watch("tls-bare", "secure", "--capture-tier", "syscall");
	unsetenv("BPF_BARE");
}

/* What is started from now on lives in a cgroup of version 2 with controllers of its own. */
static void enter_cgroup(const char *name)
{
	char procs[128];

	put("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory");
	snprintf(procs, sizeof(procs), "/sys/fs/cgroup/%s", name);
	mkdir(procs, 0755);
	snprintf(procs, sizeof(procs), "/sys/fs/cgroup/%s/cgroup.procs", name);
	put(procs, "0");
}

/* A program whose pages are written back for it, in a cgroup of its own. */
static void disk(void)
{
	char *argv[] = { "/sonde", "run", "--listen", "127.0.0.1:9090", NULL };
	char *load[] = { "/disk", "nvme0n1", "8", "9090", NULL };
	pid_t pid = observe("disk", argv), writer;
	int status = 0;

	if (!pid)
		return;
	put("/proc/sys/vm/dirty_expire_centisecs", "10");
	put("/proc/sys/vm/dirty_writeback_centisecs", "10");
	put("/sys/fs/cgroup/cgroup.subtree_control", "+io");
	writer = fork();
	if (writer == 0) {
		enter_cgroup("disk"); /* nobody else is ever in it */
		become(load, "/tmp/out", "/tmp/err");
	}
	waitpid(writer, &status, 0);
	section("disk", "/tmp/out", status, 0);
	section("disk.err", "/tmp/err", status, 0);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* A server that its quota keeps from its processor, and another program: the one is told from the
 * other. */
static void quota(void)
{
	char *argv[] = { "/sonde",	   "tail",   "--json", "--record",
			 "/tmp/recording", "--port", "8096",   NULL };
	char *load[] = { "/quota", "/sys/fs/cgroup/quota", NULL };

	put("/sys/fs/cgroup/cgroup.subtree_control", "+cpu");
	mkdir(load[1], 0755);
	watch_load("quota", argv, load);
}

static void finish(void)
{
	say("end", "end");
	fflush(out);
	sync();
	reboot(RB_POWER_OFF);
}

/* "task=..." on the kernel's command line: one thing alone. */
static void do_task(const char *task)
{
	char *verifier[] = { "/verifier", NULL };
	char *hooks[] = { "/hooks", "/hooks.bpf.o", NULL };

	if (!strcmp(task, "verifier"))
		command("verifier", verifier);
	else if (!strcmp(task, "disk"))
		disk();
	else if (!strcmp(task, "quota"))
		quota();
	else if (!strcmp(task, "propagate"))
		propagate();
	else if (!strcmp(task, "long"))
		propagate_long(getenv("requests"));
	else if (!strcmp(task, "clients"))
		clients();
	else
		command("hooks", hooks);
	finish();
}

int main(int argc, char *argv[])
{
	char *check[] = { "/sonde", "check", "--json", NULL };
	char *verifier[] = { "/verifier", NULL };
	char *server[] = { "/load", "server", NULL };
	pid_t pid;

	if (argc > 2 && !strcmp(argv[1], "few"))
		return with_few_rights(argv + 2);
	if (argc > 2 && !strcmp(argv[1], "own"))
		return with_own_library(argv + 2);
	prepare();
	out = fopen("/dev/ttyS1", "w");
	if (!out)
		out = stderr;
	if (getenv("task"))
		do_task(getenv("task"));
	command("check", check);
	enter_cgroup("shop");
	section("cgroup", "/proc/self/cgroup", 0, 0);
	section("controllers", "/sys/fs/cgroup/shop/cgroup.controllers", 0, 0);
	pid = spawn(server, "/tmp/server", "/tmp/server.err");
	enter_cgroup("."); /* the others stay where they were */
	while (!has_line("/tmp/server", "ready"))
		pause_ms(20);
	tail("auto");
	tail("socket");
	tail("syscall");
	watch("tls-socket", "secure", "--capture-tier", "socket");
	watch("tls-syscall", "secure", "--capture-tier", "syscall");
	few_rights();
	own_library();
	watch("cgroup", "few", "--cgroup", "/shop");
	if (getenv("bare"))
		bare();
	propagate();
	quota();
	if (access("/sys/block/nvme0n1", F_OK) == 0)
		disk();
	netem();
	kill(pid, SIGTERM);
	if (access(verifier[0], X_OK) == 0)
		command("verifier", verifier);
	finish();
	return 0;
}
