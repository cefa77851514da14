# SPDX-License-Identifier: Apache-2.0
"""
Everything comes and goes, fast: processes, connections, sonde itself. Counts stay exact, or the
difference is counted; what sonde holds stays flat. The long forms (--soak) fill the table of
docs/reliability.md with what the cases put into e.figures.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import time
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.expect import difference
from harness.holdings import Holdings, all_objects, held_objects, listed, pinned
from harness.proc import Failure, free_port, until
from harness.sonde import Sonde, get

from cases.load import ab, fail_if, settled_account

# What the allocator may keep of a busy moment. A leak of 10 bytes a connection shows in the soak.
SLACK_KIB = 2048


def figures(e, m, **more):
    """What was sent, what of it was counted, and what sonde says it lost."""
    e.figures.update(more, lost=m.lost())


def flat(e, before, after):
    e.figures.update(anonymous_kib=[before.anonymous_kib, after.anonymous_kib],
                     bpf_bytes=after.bpf_bytes, fds=after.fds)
    return before.grown_to(after, SLACK_KIB)


def held_again(s, before, seconds=20):
    """What is held once what remembers for some seconds has forgotten."""
    end = time.monotonic() + seconds
    while True:
        after = Holdings(s)
        if not before.grown_to(after, SLACK_KIB) or time.monotonic() > end:
            return after
        quiet(0.5)


def lost(m):
    return [f"lost {k}: {v}" for k, v in m.lost().items() if v]


def left_out(s):
    """The kernel's own account: which of a sonde's programs it left out, and how often."""
    mine = held_objects(s.proc.pid)
    return {p["name"]: p.get("recursion_misses", 0) for p in listed("prog")
            if ("prog", p["id"]) in mine}


def missed(s):
    """Which programs the kernel left out, and how often."""
    hooks = json.loads(get(s.port, "/api/v1/status")[2])["hooks"]
    return {h["program"]: h["recursion_misses"] for h in hooks if h["recursion_misses"]}


def one_instance_each(m):
    """However short its processes lived, a service of one cgroup is one instance."""
    instances = {(labels["service_name"], labels.get("service_instance_id"))
                 for name in ("client", "server")
                 for labels, _ in m.of(f"http_{name}_request_duration_seconds_count")}
    of = Counter(service for service, _ in instances)
    return [f"{service} is {n} instances" for service, n in of.items() if n != 1]


def names(e, n):
    """The same small program under n names: whose request it was is then seen by name."""
    found = []
    for i in range(n):
        found.append(e.path(f"brief{i}"))
        shutil.copy(e.program("brief"), found[-1])
    return found


def swarm(e, port, rate, count, programs):
    p = e.procs.run([e.program("swarm"), port, rate, count, *programs], seconds=400)
    out = json.loads(p.stdout())
    fail_if([f"swarm: {out}"] if out["failed"] or out["started"] != count else [])
    return out["seconds"]


WARM = 20000


def warm(e, s, port):
    """What remembers up to a cap (spans, above all) is full from here on."""
    ab(e, f"http://127.0.0.1:{port}/ok", WARM)
    s.settled_metrics()


@case(group=None, limit=100, soak_limit=600)
def churn_of_processes(e):
    """1,000 short processes a second: each one's request counted, under its own name."""
    ng = e.nginx("location = /brief { return 200; }")
    programs = names(e, 8)
    # of the host's other processes some would map a TLS library meanwhile, which is then watched
    s = Sonde(e, "run", "--server-address", "on", "--port", ng.port, "--comm", "nginx", "--comm", "ab",
              "--comm", "brief*").wait_ready()
    # those that are gone are remembered up to a cap, which the first round reaches
    rounds = e.amount([8800, 1600], [60000, 60000])
    held = []
    warm(e, s, ng.port)
    for n in rounds:
        took = swarm(e, ng.port, 1000, n, programs)
        m = s.settled_metrics()
        held.append(held_again(s, held[0]) if held else Holdings(s))
    total = sum(rounds)
    figures(e, m, sent=total, missed=missed(s), rate=round(n / took), seconds=took,
            counted=sum(m.requests("client", ng.port).values()) - WARM)
    s.end()
    found = lost(m) + difference(
        "access log", Counter({("GET", "/brief", 200): total, ("GET", "/ok", 200): WARM}),
        ng.log(total + WARM))
    truth = Counter({("nginx", "GET", "/brief", 200, None): total,
                     ("nginx", "GET", "/ok", 200, None): WARM})
    found += difference("server", truth, m.requests("server", ng.port))
    truth = Counter({(os.path.basename(p), "GET", "/brief", 200, None): total // len(programs)
                     for p in programs})
    truth["ab", "GET", "/ok", 200, None] = WARM
    found += difference("client", truth, m.requests("client", ng.port)) + one_instance_each(m)
    ends = Counter({labels["service_name"]: int(v) for labels, v in m.of("sonde_process_exits_total")
                    if labels["service_name"].startswith("brief") and labels["code"] == "0"})
    found += difference("ends", Counter({os.path.basename(p): total // len(programs)
                                         for p in programs}), ends)
    fail_if(found + flat(e, *held))


def ab_fresh(e, url, n, c=20):
    """A connection for each request; how many seconds they took."""
    p = e.procs.run([tool("ab"), "-q", "-c", c, "-n", n, url], seconds=500)
    done = re.search(r"Complete requests:\s+(\d+)", p.stdout())
    bad = re.search(r"Failed requests:\s+(\d+)", p.stdout())
    took = re.search(r"Time taken for tests:\s+([0-9.]+)", p.stdout())
    fail_if([] if done and bad and int(done[1]) == n and int(bad[1]) == 0
            else [f"ab: {(p.stdout() + p.stderr())[-200:]!r}"])
    return float(took[1])


@case(group=None, limit=60, soak_limit=600)
def churn_of_connections(e):
    """5,000 fresh connections a second: both ends of every one counted, none kept."""
    ng = e.nginx()
    # these two alone: of the host's other processes it would remember those that end meanwhile
    s = Sonde(e, "run", "--server-address", "on", "--port", ng.port, "--comm", "nginx", "--comm",
              "ab").wait_ready()
    rounds = e.amount([5000, 20000], [20000, 300000])
    held = []
    warm(e, s, ng.port)
    for n in rounds:
        took = ab_fresh(e, f"http://127.0.0.1:{ng.port}/ok", n)
        m = s.settled_metrics()
        held.append(held_again(s, held[0]) if held else Holdings(s))
    total = WARM + sum(rounds)
    # connections whose last record was lost are found by the sweep
    open_ = [sum(v for _, v in s.metrics().of("sonde_connections"))]
    figures(e, m, sent=total, missed=missed(s), rate=round(n / took), seconds=took,
            counted=sum(m.requests("server", ng.port).values()))
    s.end()
    found = lost(m) + difference("access log", Counter({("GET", "/ok", 200): total}),
                                 ng.log(total))
    for role, service in (("server", "nginx"), ("client", "ab")):
        found += difference(role, Counter({(service, "GET", "/ok", 200, None): total}),
                            m.requests(role, ng.port))
    found += [f"{int(n)} connections are still held" for n in open_ if n]
    fail_if(found + flat(e, *held))


@case(group=None, limit=60)
def churn_of_unix_sockets(e):
    """Sockets whose end no tracepoint tells, of programs that are not observed: nothing is kept."""
    s = Sonde(e, "run", "--comm", "nobody").wait_ready()
    before = Holdings(s)
    # at the same time: one that ends makes room at its address for the next
    pairs = [socket.socketpair() for _ in range(450)]
    for a, b in pairs:
        a.send(b"x")
        b.recv(1)
    if e.tier == "syscall" and not before.grown_to(Holdings(s), SLACK_KIB):
        raise Failure("no state was kept of 900 sockets: nothing to be cleared")
    for a, b in pairs:
        a.close()
        b.close()

    def is_flat():
        return not before.grown_to(Holdings(s), SLACK_KIB)
    # in the syscall tier what is left of them is found by the sweep after the next
    until(is_flat, 30, "end of the state of 900 sockets")
    s.end()


@case(group=None, limit=60)
def first_bytes_read_at_once(e):
    """
    The state of a unix socket is made by whoever gets there first, its sender or its reader: each
    connection's only request is there at both ends, though both were at it at once.
    """
    s = Sonde(e, "run", "--comm", "eager").wait_ready()
    n = 20000
    p = e.procs.run([e.program("eager"), e.path("eager.sock"), n], seconds=40)
    m = s.settled_metrics()
    s.end()
    found = lost(m) + ([f"exit {p.code}"] if p.code else [])
    for role in ("server", "client"):
        found += difference(role, Counter({("eager", "GET", "/eager", 200, None): n}),
                            m.requests(role))
    fail_if(found)


def endless(e, url, *more):
    """Load that goes on until it is told to sum up."""
    return e.procs.start([tool("ab"), "-q", *more, "-c", 4, "-t", 200, "-n", 3000000, url])


def sum_up(load):
    """Ends endless(): requests completed and failed."""
    load.signal(signal.SIGINT)
    load.wait(5)
    done = re.search(r"Complete requests:\s+(\d+)", load.stdout())
    bad = re.search(r"Failed requests:\s+(\d+)", load.stdout())
    fail_if([] if done and bad else [f"ab: {(load.stdout() + load.stderr())[-200:]!r}"])
    return int(done[1]), int(bad[1])


def kill(s):
    """Like a crash; the BPF objects it held until then. Stopped first, so that these are all."""
    s.proc.signal(signal.SIGSTOP)
    held = held_objects(s.proc.pid)
    s.proc.popen.kill()
    s.proc.popen.wait()
    return held


@case(group=None, limit=60)
def churn_of_sonde(e):
    """Killed again and again under load, also while it attaches: nobody notices, nothing stays."""
    here = e.path("cwd")
    os.mkdir(here)
    pins, held, random_ = pinned(), set(), random.Random(7)
    ng = e.nginx("location = /fresh { return 200; }")
    url = f"http://127.0.0.1:{ng.port}"
    loads = [endless(e, url + "/ok", "-k"), endless(e, url + "/ok")]
    rounds = e.amount(3, 20)
    for n in range(rounds):
        s = Sonde(e, "run", cwd=here)
        if n % 2:
            time.sleep(random_.uniform(0.02, 0.6))
        else:
            s.wait_ready(20)
            quiet(0.3)
        held |= kill(s)
    s = Sonde(e, "run", "--server-address", "on", "--port", ng.port).wait_ready(20)
    ab_fresh(e, url + "/fresh", 1000, 4)
    done, bad = map(sum, zip(*map(sum_up, loads)))
    m = s.settled_metrics()
    s.end()
    fresh = {role: Counter({k: v for k, v in m.requests(role, ng.port).items()
                            if k[2] == "/fresh"}) for role in ("server", "client")}
    figures(e, m, restarts=rounds, requests=done, failed=bad, sent=1000,
            counted=sum(fresh["server"].values()))
    found = [f"{bad} of {done} requests failed"] if bad else []
    for role, service in (("server", "nginx"), ("client", "ab")):
        found += difference(role, Counter({(service, "GET", "/fresh", 200, None): 1000}),
                            fresh[role])
    until(lambda: not held & all_objects(), 15, "end of the killed ones' BPF objects")
    found += [f"pinned: {p}" for p in pinned() if p not in pins]
    found += [f"left behind: {p}" for p in os.listdir(here)]
    fail_if(found)


@case(group=None, limit=60)
def suspended_sonde(e):
    """Stopped for 5 s under a flood: what its ring could not hold is counted; then exact again."""
    ng = e.nginx("location = /fresh { return 200; }")
    url = f"http://127.0.0.1:{ng.port}"
    s = Sonde(e, "run", "--ring-size", "1MiB", "--comm", "nginx", "--port", ng.port).wait_ready()
    warm(e, s, ng.port)
    before = Holdings(s)
    load = e.procs.start([tool("ab"), "-q", "-k", "-c", 20, "-t", 6, "-n", 3000000, url + "/ok"])
    quiet(0.5)
    s.proc.signal(signal.SIGSTOP)
    time.sleep(5)
    s.proc.signal(signal.SIGCONT)
    load.wait(10)
    quiet(0.2)
    sent = sum(ng.log().values())
    total, parts = settled_account(s, sent)
    m = s.metrics()
    ab_fresh(e, url + "/fresh", 2000)
    after = s.settled_metrics()
    held = Holdings(s)
    s.end()
    figures(e, after, sent=sent, accounted=total, counted=parts["transactions"],
            exact_after=2000)
    found = [] if total == sent else [f"sent {sent}, accounted for {total}: {parts}; {lost(m)}"]
    found += [] if parts["ring_full"] else ["nothing was lost: the ring held it all"]
    found += [f"lost after it went on: {k}" for k in set(lost(after)) - set(lost(m))]
    seen = Counter({k: v for k, v in after.requests("server").items() if k[2] == "/fresh"})
    found += difference("server", Counter({("nginx", "GET", "/fresh", 200, None): 2000}), seen)
    fail_if(found + flat(e, before, held))


@case(group=None, limit=90)
def interrupts_find_programs_at_work(e):
    """
    A softirq that finds a program at work on its CPU has it left out by the kernel: connections'
    beginnings and ends, and arrivals. A second program does what the first was left out of; that of
    arrivals from the second in which the first was left out once.
    """
    s = Sonde(e, "run", "--protocols", "http").wait_ready()
    firsts = ["sonde_state"] if e.tier == "syscall" else ["sonde_state", "sonde_arrival"]
    e.procs.start([PYTHON, os.path.join(PROGS, "paced.py"), free_port(), 80])
    for _ in range(2):
        e.procs.start([PYTHON, os.path.join(PROGS, "chat.py"), 80])
    endless(e, f"http://127.0.0.1:{e.nginx().port}/ok")
    until(lambda: min(left_out(s)[p] for p in firsts), 40, "program that was left out")
    time.sleep(2.2)  # and the second of arrivals is there
    before, told = left_out(s), missed(s)
    until(lambda: all(left_out(s)[p] >= before[p] + 3 for p in firsts), 40,
          f"more runs that were left out: {before}, {left_out(s)}")
    after, m = missed(s), s.metrics()
    e.figures.update(left_out=left_out(s), missed=after)
    s.end()
    if after != told or "sonde_state" in after:
        raise Failure(f"{told}, then {after} were not made up for, of {left_out(s)}")
    if m.lost()["recursion"]:
        raise Failure(f"lost {m.lost()}")
