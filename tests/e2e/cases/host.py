# SPDX-License-Identifier: Apache-2.0
"""The host as a whole: what /metrics says of it is what the kernel's files say."""
import os

from harness.case import case
from harness.env import PYTHON, tool
from harness.proc import Failure, until
from harness.sonde import Sonde

from .namespaces import ip, netns, within


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

    def load_is_told():
        told = {labels["period"]: v for labels, v in s.metrics().of("sonde_load_average")}
        return told == dict(zip(("1m", "5m", "15m"), map(float, words("/proc/loadavg")[0])))
    until(load_is_told, 5, "load averages as the kernel has them")
    s.end()


# v0 has no way to where it is to send five packets, and seven come to it cut short; of fifty that
# nobody takes from tun0 forty find no place in its queue, and three that are written to it are none
SPOIL = """
import fcntl, os, socket, struct, subprocess, sys, time
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"tun0", 0x1001))  # TUNSETIFF, TUN without heads
for args in ("link set tun0 txqueuelen 10 up", "address add 192.0.2.1/24 dev tun0"):
    subprocess.run([sys.argv[1], *args.split()], check=True)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(5): s.sendto(b"x", ("203.0.113.2", 9))
cut = b"\\x08\\0\\0\\0\\0\\0\\7\\0" + b"\\2\\0\\0\\0\\0\\2" * 2 + b"\\x08\\0"
for _ in range(7): s.sendto(cut, ("127.0.0.1", 4789))
for _ in range(50): s.sendto(b"x", ("192.0.2.2", 9))
for _ in range(3):
    try: os.write(tun, bytes(20))
    except OSError: pass
open(sys.argv[2], "w").close()
time.sleep(1000)
"""


@case(group=None)
def packets_that_interfaces_lose(e):
    """Of interfaces in a network of its own, which sonde takes for the host's: errors and drops, both
    ways, are those that were made, and what /sys says."""
    world, done = netns(e, "a"), e.path("done")
    e.procs.run([*within(world), "/bin/sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"])
    for args in ("link add v0 type vxlan id 7 remote 198.51.100.9 dstport 4789", "link set v0 up",
                 "address add 203.0.113.1/24 dev v0",
                 "neighbour add 203.0.113.2 lladdr 02:00:00:00:00:02 dev v0"):
        ip("-n", world, *args.split())
    p = e.procs.start([*within(world), PYTHON, e.write("spoil.py", SPOIL), tool("ip"), done])
    until(lambda: os.path.exists(done), 10, "end of what is to be lost")
    s = Sonde(e, "run", "--port", 1, prefix=(
        tool("unshare"), "--mount", "/bin/sh", "-c",
        f'mount --bind /proc/{p.pid}/net /proc/1/net && exec "$@"', "sh")).wait_ready()
    until(lambda: s.metrics().of("system_network_errors_total"), 5, "figures of interfaces")
    m, got = s.metrics(), {}
    for what, name in (("errors", "system_network_errors_total"),
                       ("dropped", "system_network_packet_dropped_total")):
        for labels, v in m.of(name):
            way = "rt"[labels["network_io_direction"] == "transmit"] + "x_"
            got[labels["network_interface_name"], way + what] = v
    said = e.procs.run([*within(world), "/bin/sh", "-c",
                        "cd /sys/class/net && grep . */statistics/?x_errors */statistics/?x_dropped"])
    truth = {}
    for line in said.stdout().split():
        interface, _, name = line.partition(":")[0].split("/")
        truth[interface, name] = int(line.partition(":")[2])
    if got != truth:
        raise Failure(f"interfaces have lost {truth}, and are told to have {got}")
    made = {("v0", "tx_errors"): 5, ("v0", "rx_errors"): 7, ("tun0", "tx_dropped"): 40,
            ("tun0", "rx_dropped"): 3}
    if {key: v for key, v in truth.items() if v} != made:
        raise Failure(f"interfaces have lost {truth}, not {made}")
    s.end()
