# SPDX-License-Identifier: Apache-2.0
"""The least rights that suffice, and what is left of them once sonde observes."""
import json
import os
from collections import Counter

from harness.case import case
from harness.env import tool
from harness.proc import Failure
from harness.sonde import Sonde

LEAST = "bpf", "perfmon", "sys_ptrace", "dac_read_search"
BITS = {39: "bpf", 38: "perfmon", 19: "sys_ptrace", 2: "dac_read_search"}
REQUESTS = 50


def status_of(thread):
    with open(f"{thread}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def is_confined(pid):
    """Each thread for itself: what one gives up the others keep."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        is_thread_confined(f"/proc/{pid}/task/{tid}")


def is_thread_confined(thread):
    status = status_of(thread)
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        caps = int(status[name], 16)
        over = caps & ~sum(1 << bit for bit in BITS)
        if over:
            raise Failure(f"{name} still holds {over:#x}")
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        raise Failure(f"no_new_privs {status['NoNewPrivs']}, seccomp {status['Seccomp']}")


def observes(e, prefix):
    """Counts exactly, confined, to the end in order."""
    port = e.nginx().port
    t = Sonde(e, "tail", "--json", "--port", port, prefix=prefix).wait_ready()
    is_confined(t.proc.pid)
    for _ in range(REQUESTS):
        e.curl(f"http://127.0.0.1:{port}/ok")
    t.settle()
    t.end()
    seen = Counter((x["role"], x["service"], x["target"], x["status"]) for x in t.transactions)
    truth = Counter({("server", "nginx", "/ok", 200): REQUESTS,
                     ("client", "curl", "/ok", 200): REQUESTS})
    if seen != truth:
        raise Failure(f"saw {dict(seen)}")


@case(group=None)
def rights_are_given_up(e):
    observes(e, ())


@case(group=None)
def least_capabilities_suffice(e):
    few = "-all," + ",".join("+" + name for name in LEAST)
    observes(e, [tool("setpriv"), f"--bounding-set={few}", "--inh-caps=-all"])


def checked(e, rights):
    """What `check --json` says, run with these capabilities alone, and its exit code."""
    few = "-all," + ",".join("+" + name for name in rights)
    p = e.procs.start([tool("setpriv"), f"--bounding-set={few}", "--inh-caps=-all", e.sonde,
                       "check", "--json"])
    code = p.wait(15)
    return json.loads(p.stdout()), code


@case(group=None)
def check_names_missing_rights(e):
    """Those that are needed, and those that only cost something."""
    for lacks in ((), LEAST[2:3], LEAST[3:], LEAST[2:]):
        report, code = checked(e, [right for right in LEAST if right not in lacks])
        named = [m["right"] for m in report["missing_rights"] if m["costs"]]
        if code != 0 or named != ["CAP_" + right.upper() for right in lacks]:
            raise Failure(f"without {lacks}: exit {code}, named {named}, {report['reason']}")
    for lacks, other in (LEAST[:2], LEAST[1::-1]):
        report, code = checked(e, [right for right in LEAST if right != lacks])
        reason = report["reason"] or ""
        if code != 1 or "CAP_" + lacks.upper() not in reason or "CAP_" + other.upper() in reason:
            raise Failure(f"without {lacks}: exit {code}, {reason}")


@case(group=None)
def confined_server_answers(e):
    """The scrape, the summary and a reload go through what the filter allows."""
    import signal
    import time
    s = Sonde(e, "run").wait_ready()
    is_confined(s.proc.pid)
    s.metrics()
    os.kill(s.proc.pid, signal.SIGHUP)
    time.sleep(0.2)
    s.metrics({"Accept-Encoding": "gzip"})
    s.end()
