# SPDX-License-Identifier: Apache-2.0
"""What one run of a BPF program costs: run_time_ns / run_cnt of the kernel's own statistics, their
accounting included (about 70 ns a run, which is not there when they are off)."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import host
from host import Row

STATS = "/proc/sys/kernel/bpf_stats_enabled"
DATA = ("sonde_send", "sonde_recv")
SWITCH = ("sonde_switch",)
ARRIVAL = ("sonde_arrival", "sonde_arrival_again")


@contextlib.contextmanager
def statistics_on():
    with open(STATS, encoding="ascii") as f:
        was = f.read()
    with open(STATS, "w", encoding="ascii") as f:
        f.write("1")
    try:
        yield
    finally:
        with open(STATS, "w", encoding="ascii") as f:
            f.write(was)


def programs(pid):
    """{name: (runs, ns)} of the programs this process holds."""
    ids = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
            ids |= {int(line.split()[1]) for line in f if line.startswith("prog_id:")}
    bpftool = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not bpftool:
        raise host.Failed("no bpftool: deploy/install-deps build")
    out = subprocess.run([bpftool, "prog", "show", "-j"], capture_output=True, check=True).stdout
    return {p["name"]: (p.get("run_cnt", 0), p.get("run_time_ns", 0))
            for p in json.loads(out) if p["id"] in ids}


def measured(pid, load):
    """{name: (runs, ns)} of what ran during load()."""
    before = programs(pid)
    load()
    after = programs(pid)
    return {n: (after[n][0] - before[n][0], after[n][1] - before[n][1]) for n in after}


def per_run(runs, names):
    """ns per run of these programs together, None when they did not run."""
    chosen = [runs[n] for n in names if n in runs]
    count = sum(c for c, _ in chosen)
    return sum(ns for _, ns in chosen) / count if count else None


def breakdown(runs, requests):
    parts = [f"{n} {c / requests:.2f} x {ns / c:.0f} ns"
             for n, (c, ns) in sorted(runs.items(), key=lambda x: -x[1][1]) if c * 20 > requests]
    return "per request: " + ", ".join(parts)


def rounds_of(opts, args_of, load_of):
    """[runs] of `rounds` measurements with one sonde."""
    with statistics_on(), host.nginx() as (port, pid):
        with host.Sonde(opts.sonde, args_of(pid)) as s:
            load_of(port, 1)
            return [measured(s.pid, lambda: load_of(port, opts.seconds))
                    for _ in range(opts.rounds)]


def need(values):
    values = [v for v in values if v is not None]
    if not values:
        raise host.Failed("no program that was to be measured ran")
    return values


def requests_at(opts, rate):
    def load(port, seconds):
        host.pace_result(host.pace(opts.pace, port, rate, seconds))
    return load


def kernel_heads(opts):
    """A message whose head is captured. Both ends are observed, so that no run is a filtered one."""
    rate = 20000
    got = rounds_of(opts, lambda pid: ["--comm", "nginx", "--comm", "pace"],
                    requests_at(opts, rate))
    total = [sum(ns for _, ns in r.values()) / (2 * rate * opts.seconds) for r in got]
    return [
        Row("kernel, a captured head, sent or received", "ns",
            need(per_run(r, DATA) for r in got), 450, digits=0),
        Row("kernel, a captured head, sent", "ns", need(per_run(r, DATA[:1]) for r in got), digits=0),
        Row("kernel, a switch of threads, most of them observed", "ns",
            need(per_run(r, SWITCH) for r in got), digits=0),
        Row("kernel, bytes that arrive at an observed socket", "ns",
            need(per_run(r, ARRIVAL) for r in got), digits=0),
        Row("kernel, a request and its response at one end, all programs", "ns", total, None,
            breakdown(got[-1], 2 * rate * opts.seconds), digits=0),
    ]


def kernel_floor(opts):
    """What any hook costs here, and the parts that capture cannot do without."""
    here = os.path.dirname(opts.pace)
    argv = [os.path.join(here, "hook"), os.path.join(here, "..", "tests", "bench", "hook.bpf.o")]
    got = {}
    with statistics_on():
        for _ in range(opts.rounds):
            run = subprocess.run(argv, capture_output=True, text=True, check=False)
            if run.returncode:
                raise host.Failed(run.stderr.strip())
            for name, ns in (line.split() for line in run.stdout.splitlines()):
                got.setdefault(name, []).append(float(ns))
    floor = sorted(got["empty"])[len(got["empty"]) // 2]
    rows = [Row("kernel, an empty program", "ns", got.pop("empty"), digits=0)]
    for name, what in (("clock", "the clock"), ("user_copy", "128 bytes copied from the process"),
                       ("ring_record", "a record put into the ring")):
        rows.append(Row(f"kernel, on top of it: {what}", "ns",
                        [ns - floor for ns in got[name]], digits=0))
    return rows


def kernel_filtered(opts):
    """An operation of a process that the filter leaves out."""
    got = rounds_of(opts, lambda pid: ["--comm", "no-such-name"], requests_at(opts, 20000))
    return [Row("kernel, a process that is filtered out", "ns",
                need(per_run(r, DATA) for r in got), 100, digits=0),
            Row("kernel, a switch of threads nobody observes", "ns",
                need(per_run(r, SWITCH) for r in got), 120, digits=0)]


class Flood:
    """One HTTP response with a body of many sends, from this process to itself."""

    CHUNK = b"x" * 4096

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def read(self, sock):
        buf = bytearray(1 << 18)
        while sock.recv_into(buf):
            pass

    def run(self, sends):
        client = socket.create_connection(("127.0.0.1", self.port))
        server, _ = self.listener.accept()
        client.sendall(b"GET /flood HTTP/1.1\r\nHost: flood\r\n\r\n")
        server.recv(4096)
        reader = threading.Thread(target=self.read, args=(client,))
        reader.start()
        server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (sends * len(self.CHUNK)))
        time.sleep(0.2)  # the verdict may be on its way
        for _ in range(sends):
            server.sendall(self.CHUNK)
        server.close()
        reader.join()
        client.close()


def kernel_continuation(opts):
    """A send that continues a body whose framing is known: nothing is copied, nothing recorded."""
    flood = Flood()
    args = ["--pid", str(os.getpid())]
    with statistics_on(), host.Sonde(opts.sonde, args) as s:
        flood.run(1000)
        got = [measured(s.pid, lambda: flood.run(100000)) for _ in range(opts.rounds)]
    return [Row("kernel, a continuation", "ns", need(per_run(r, DATA) for r in got), 150,
                breakdown(got[-1], 100000).replace("request", "send"), digits=0)]


MEASURES = [kernel_floor, kernel_heads, kernel_continuation, kernel_filtered]
