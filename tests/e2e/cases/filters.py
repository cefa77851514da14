# SPDX-License-Identifier: Apache-2.0
"""What is observed, decided in the kernel."""
import os
from collections import Counter

from harness.case import case
from harness.cgroup import Cgroup
from harness.expect import Expect
from harness.proc import Failure
from harness.raw import Raw
from harness.sonde import Sonde

FILTERS = {
        "--port": lambda e, a, b, pid: [a],
        "--comm": lambda e, a, b, pid: ["ngin*"],
        "--exe": lambda e, a, b, pid: ["*/curl"],
        "--pid": lambda e, a, b, pid: [pid],
        "--exclude-comm": lambda e, a, b, pid: ["nginx"],
}


@case(group=None)
def filters_by_process_and_port(e):
    """Five filters at once; each shows its part of the same traffic and nothing else."""
    ng, other = e.nginx(), e.python("raw.py", "plain")
    pid = e.procs.all[-1].pid
    sondes = {}
    for name, value in FILTERS.items():
        args = [str(v) for v in value(e, ng.port, other, pid)]
        sondes[name] = Sonde(e, "tail", "--json", name, *args)
    for s in sondes.values():
        s.wait_ready()
    for _ in range(5):
        e.curl(f"http://127.0.0.1:{ng.port}/ok")
        e.curl(f"http://127.0.0.1:{other}/ok")
    seen = {}
    for name, s in sondes.items():
        s.settle()
        s.end()
        seen[name] = Counter(
                (t["service"], t["role"], where == ng.port) for where in (ng.port, other)
                for t in s.transactions if Expect(where).matches(t))
    nginx, raw = ("nginx", "server", True), ("raw", "server", False)
    one, two = ("curl", "client", True), ("curl", "client", False)
    expected = {"--port": (nginx, one), "--comm": (nginx,), "--exe": (one, two), "--pid": (raw,),
                "--exclude-comm": (raw, one, two)}
    for name, keys in expected.items():
        if seen[name] != Counter({k: 5 for k in keys}):
            raise Failure(f"{name}: saw {dict(seen[name])}")


@case(group=None)
def filter_by_cgroup(e):
    """The server moves into a cgroup before sonde starts; its clients stay outside."""
    port = e.python("raw.py", "plain")
    group = Cgroup(f"sonde-e2e-one-{os.getpid()}")
    try:
        group.add(e.procs.all[-1].pid)
        s = Sonde(e, "tail", "--json", "--cgroup", group.glob).wait_ready()
        for _ in range(5):
            e.curl(f"http://127.0.0.1:{port}/ok")
        s.settle()
        s.end()
    finally:
        e.procs.stop()
        group.close()
    seen = Counter((t["service"], t["role"], t["target"]) for t in s.transactions)
    if seen != {("raw", "server", "/ok"): 5}:
        raise Failure(f"saw {dict(seen)}")


@case(group=None)
def tail_filter(e):
    """--filter keeps what its expression says."""
    port = e.node("echo.js")
    s = Sonde(e, "tail", "--json", "--port", port, "--filter", "status>=500 and role=server")
    s.wait_ready()
    with Raw(port) as c:
        for n in range(9):
            c.ask("GET", ("/ok", "/missing", "/broken")[n % 3])
    s.settle()
    s.end()
    seen = Counter((t["role"], t["status"]) for t in s.transactions)
    if seen != {("server", 500): 3}:
        raise Failure(f"saw {dict(seen)}")


@case(group=None)
def routes_off(e):
    port = e.node("echo.js")
    s = Sonde(e, "tail", "--json", "--port", port, "--routes", "off").wait_ready()
    with Raw(port) as c:
        c.ask("GET", "/users/17")
    s.settle()
    s.end()
    seen = [(t["target"], t.get("route")) for t in s.transactions]
    if seen != [("/users/17", None)] * 2:
        raise Failure(f"saw {seen}")
