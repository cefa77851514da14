# SPDX-License-Identifier: Apache-2.0
"""What it adds to a server's requests that their waits are known, and the pressure on processes: a
sonde that has the hooks for them and has them not, in turns of a tenth of a second."""

import os
import subprocess

import databases
import host
from host import Row

LIMIT_US = 0.2
SECONDS = 40  # some eighty groups of four turns


def turns(opts, pid, seconds):
    """(with, ns, CPU ns of the process) of each turn."""
    binary = os.path.join(os.path.dirname(opts.pace), "bench_waits")
    proc = host.spawn([binary, str(pid), str(seconds)], host.OTHER_CPUS, stdout=subprocess.PIPE,
                      text=True)
    try:
        lines = proc.communicate(timeout=seconds + 30)[0].splitlines()
    finally:
        host.stop(proc)
    if proc.returncode:
        raise host.Failed(f"bench_waits: exit {proc.returncode}")
    return [(kind == "with", int(ns), int(used)) for kind, ns, used in map(str.split, lines)]


def differences(found, rate):
    """us of CPU per request that the hooks add, of each group of four turns."""
    costs = [(is_with, used / ns * 1e6 / rate) for is_with, ns, used in found]
    groups = [costs[i:i + 4] for i in range(0, len(costs) - 3, 4)]
    return [(g[0][1] + g[3][1] - g[1][1] - g[2][1]) / 2 for g in groups]


def added(opts, what, unit, port, pid, rate, more=()):
    """The row of one server, asked so many times a second."""
    client = host.pace(opts.pace, port, rate, SECONDS + 4, more=more)
    try:
        found = differences(turns(opts, pid, SECONDS), rate)
        result = host.pace_result(client)
    finally:
        host.stop(client)
    if result["failed"]:
        raise host.Failed(f"the client lost requests: {result}")
    low, high = host.interval(found)
    return Row(f"{what} CPU per {unit}, added by waits and pressure", "µs", found, LIMIT_US,
               f"95 % interval of the median {low:.2f} to {high:.2f}; {rate} a second")


def cost_waits(opts):
    """CPU per request of nginx and Redis: the hooks of waits and pressure there, and not there."""
    with host.nginx() as (port, pid):
        rate = int(host.wrk(port, 2, 16) * 0.5)
        rows = [added(opts, "nginx", "request", port, pid, rate)]
    with databases.redis() as (port, pid), databases.sets(1) as more:
        rate = int(databases.redis_benchmark(port, 1, 60000) * 0.5)
        rows.append(added(opts, "Redis", "command", port, pid, rate, more))
    return rows


MEASURES = [cost_waits]
