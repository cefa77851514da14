# SPDX-License-Identifier: Apache-2.0
"""What it adds to a server's requests that their waits are known, and the pressure on processes: in
pairs with a copy of sonde that finds none of those hooks in the kernel."""

import contextlib
import json
import os
import subprocess
import tempfile
import time

import cost
import databases
import host
from host import Row

HOOKS = (b"sched_switch", b"sched_process_free", b"mark_victim", b"tcp_receive_reset",
         b"tcp_send_reset", b"block_rq_complete", b"block_io_start",
         b"mm_vmscan_direct_reclaim_begin", b"mm_vmscan_direct_reclaim_end",
         b"mm_vmscan_memcg_reclaim_begin", b"mm_vmscan_memcg_reclaim_end")
LIMIT_US = 0.2


def without_hooks(binary, folder):
    """A copy in which these have names that no kernel knows: in its table of hooks, and in the
    programs that are to run there."""
    with open(binary, "rb") as f:
        data = f.read()
    for hook in HOOKS:
        data = data.replace(b"tp_btf/" + hook + b"\0", b"tp_btf/-" + hook[1:] + b"\0")
    path = os.path.join(folder, "sonde")
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o755)
    told = json.loads(subprocess.run([path, "check", "--json", "--duration", "100ms"], timeout=20,
                                     capture_output=True, check=True).stdout)
    off = sum(not p["attached"] and p["hook"].startswith("tp_btf/-") for p in told["programs"])
    if off != len(HOOKS):
        raise host.Failed(f"{off} of {len(HOOKS)} hooks can be left out")
    return path


def either(path):
    """An observer for cost.interleaved: sonde as it is, and without these hooks in its place."""

    @contextlib.contextmanager
    def observe(opts, is_whole, args, cpus):
        with host.Sonde(opts.sonde if is_whole else path, args, cpus=cpus) as s:
            time.sleep(0.3)
            yield s
    return observe


def added(opts, what, unit, pid, measure):
    """The row of one server, `measure` giving its CPU per request in us."""
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        path = without_hooks(opts.sonde, folder)
        measure()  # warm
        got = cost.interleaved(opts, pid, cost.only(pid), lambda *_: measure(), observer=either(path))
    more = [t - u for u, t in got.kept]
    return Row(f"{what} CPU per {unit}, added by waits and pressure", "µs", more, LIMIT_US,
               cost.notes(host.interval(more), got))


def cost_waits(opts):
    """CPU per request of nginx and Redis: all hooks, against those of waits and pressure left out."""
    with host.nginx() as (port, pid):
        rate = int(host.wrk(port, 2, 16) * 0.5)
        rows = [added(opts, "nginx", "request", pid,
                      lambda: cost.round_of(opts, port, pid, rate, opts.seconds)[0] / 1e3)]
    with databases.redis() as (port, pid), databases.at_rate(opts, port, pid, 1) as (measure, _):
        rows.append(added(opts, "Redis", "command", pid, measure))
    return rows


MEASURES = [cost_waits]
