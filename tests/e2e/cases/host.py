# SPDX-License-Identifier: Apache-2.0
"""The host as a whole: what /metrics says of it is what the kernel's files say."""
import os

from harness.case import case
from harness.proc import Failure
from harness.sonde import Sonde


def words(path):
    with open(path, encoding="ascii") as f:
        return [line.split() for line in f]


def near(what, got, low, high):
    """Read between two readings of the truth."""
    if not low <= got <= high:
        raise Failure(f"{what}: {got}, not between {low} and {high}")


def truth():
    tick = os.sysconf("SC_CLK_TCK")
    cpu = [int(x) / tick for x in words("/proc/stat")[0][1:9]]
    out = {("cpu", mode): cpu[i] for i, mode in
           enumerate(("user", "nice", "system", "idle", "iowait")) }
    out["cpu", "interrupt"] = cpu[5] + cpu[6]
    out["cpu", "steal"] = cpu[7]
    out["softirq"] = cpu[6]
    for line in words("/proc/net/dev")[2:]:
        out["net", line[0][:-1], "receive"] = int(line[1])
        out["net", line[0][:-1], "transmit"] = int(line[9])
    for resource in ("cpu", "memory", "io"):
        for line in words(f"/proc/pressure/{resource}"):
            out["psi", resource, line[0]] = int(line[-1].split("=")[1]) / 1e6
    for line in words("/proc/diskstats"):
        if int(line[5]) or int(line[9]):
            out["disk", line[2], "read"] = int(line[5]) * 512
            out["disk", line[2], "write"] = int(line[9]) * 512
    return out


def told(m):
    out = {}
    for labels, v in m.of("system_cpu_time_seconds_total"):
        out["cpu", labels["cpu_mode"]] = v
    for _, v in m.of("sonde_softirq_seconds_total"):
        out["softirq"] = v
    for labels, v in m.of("system_network_io_bytes_total"):
        out["net", labels["network_interface_name"], labels["network_io_direction"]] = v
    for labels, v in m.of("sonde_pressure_seconds_total"):
        if labels["scope"] == "host":
            out["psi", labels["resource"], labels["kind"]] = v
    for labels, v in m.of("system_disk_io_bytes_total"):
        out["disk", labels["system_device"], labels["disk_io_direction"]] = v
    return out


def memory_free():
    return next(int(line[1]) * 1024 for line in words("/proc/meminfo") if line[0] == "MemFree:")


def space_used():
    root = os.statvfs("/")
    return (root.f_blocks - root.f_bfree) * root.f_frsize


@case(group=None)
def host_figures_are_the_kernels(e):
    s = Sonde(e, "run", "--port", 1).wait_ready()
    s.metrics()
    before, free, used = truth(), memory_free(), space_used()
    m = s.metrics()
    after, free, used = truth(), (free, memory_free()), (used, space_used())
    # interfaces and disks of others come and go
    got, before = told(m), {key: v for key, v in before.items() if key in after}
    if set(before) - set(got):
        raise Failure(f"absent: {sorted(set(before) - set(got))[:5]}")
    for key, low in before.items():
        # idle and iowait of a processor may be corrected downwards
        slack = 0.02 if key[0] == "cpu" else 1e-6
        near(key, got[key], low - slack, after[key] + slack)
    memory = {labels["system_memory_state"]: v for labels, v in m.of("system_memory_usage_bytes")}
    info = {line[0][:-1]: int(line[1]) * 1024 for line in words("/proc/meminfo")}
    near("memory in all", sum(memory.values()), info["MemTotal"], info["MemTotal"])
    near("memory free", memory["free"], min(free) * 0.95, max(free) * 1.05)
    root = os.statvfs("/")
    space = {labels["system_filesystem_state"]: v
             for labels, v in m.of("system_filesystem_usage_bytes")
             if labels["system_filesystem_mountpoint"] == "/"}
    near("space of /", sum(space.values()), root.f_blocks * root.f_frsize, root.f_blocks * root.f_frsize)
    near("space used of /", space["used"], min(used) * 0.98, max(used) * 1.02)
    load = {labels["period"]: v for labels, v in m.of("sonde_load_average")}
    if set(load) != {"1m", "5m", "15m"}:
        raise Failure(f"load averages {load}")
    s.end()
