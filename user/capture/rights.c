/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/rights.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/uprobe.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"

static uint64_t effective_capabilities(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	uint64_t caps = 0;
	char line[256];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	fclose(f);
	return caps;
}

static bool has(uint64_t caps, int cap)
{
	return caps >> cap & 1;
}

bool rights_modules(void)
{
	return has(effective_capabilities(), CAP_SYS_ADMIN);
}

enum probe_error rights_check(char *err, size_t size)
{
	uint64_t caps = effective_capabilities();
	bool bpf = has(caps, CAP_BPF) || has(caps, CAP_SYS_ADMIN);
	bool perfmon = has(caps, CAP_PERFMON) || has(caps, CAP_SYS_ADMIN);

	if (!bpf || !perfmon) {
		snprintf(err, size, "missing rights: %s%s%s; run as root or grant them",
			 bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ",
			 perfmon ? "" : "CAP_PERFMON");
		return PROBE_NO_RIGHTS;
	}
	if (access(BTF_PATH, R_OK) < 0) {
		snprintf(err, size,
			 "this kernel does not describe its types: %s is missing or unreadable; "
			 "a kernel built with CONFIG_DEBUG_INFO_BTF is needed, and /sys must be "
			 "mounted",
			 BTF_PATH);
		return PROBE_NO_BTF;
	}
	return PROBE_OK;
}

bool rights_propagate(char *why, size_t size)
{
	if (has(effective_capabilities(), CAP_NET_ADMIN))
		return true;
	snprintf(why, size,
		 "missing rights: CAP_NET_ADMIN, which --propagate needs; run as root or grant it");
	return false;
}

bool rights_uprobes(char *why, size_t size)
{
	if (uprobe_means() != UPROBE_BY_NOBODY)
		return true;
	snprintf(why, size,
		 "missing rights: CAP_SYS_ADMIN, which attaching to functions takes on a kernel "
		 "without uprobe_multi (Linux 6.6)");
	return false;
}

size_t rights_missing(struct right out[RIGHTS_MAX])
{
	static const struct {
		int cap;
		struct right right;
	} wanted[RIGHTS_MAX] = {
		{ CAP_SYS_PTRACE,
		  { "CAP_SYS_PTRACE",
		    "executables and environments of other users' processes, and so their service "
		    "names" } },
		{ CAP_DAC_READ_SEARCH,
		  { "CAP_DAC_READ_SEARCH", "the same where their files are not readable by all" } },
		{ CAP_SYS_ADMIN,
		  { "CAP_SYS_ADMIN",
		    "the plaintext of TLS and what goroutines hand to each other, for this kernel "
		    "lacks uprobe_multi (Linux 6.6)" } },
	};
	uint64_t caps = effective_capabilities();
	bool can_do_without = uprobe_means() != UPROBE_BY_NOBODY;
	size_t n = 0;

	for (size_t i = 0; i < RIGHTS_MAX; i++)
		if (!has(caps, wanted[i].cap) &&
		    !(wanted[i].cap == CAP_SYS_ADMIN && can_do_without))
			out[n++] = wanted[i].right;
	return n;
}
