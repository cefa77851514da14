# SPDX-License-Identifier: Apache-2.0
"""Under load: still exact, or exact in what was lost."""
import os
import re
import signal
import time
from collections import Counter

from harness.case import case
from harness.env import quiet, tool
from harness.expect import Expect, difference
from harness.proc import PATIENCE, Failure, until
from harness.raw import Raw
from harness.replay import replay_is_identical
from harness.sonde import Sonde


def fail_if(found):
    if found:
        raise Failure("; ".join(found[:6]))


def ab(e, url, n, c=50):
    """ApacheBench with kept connections; how many it says it completed."""
    p = e.procs.run([tool("ab"), "-q", "-k", "-c", c, "-n", n, url], seconds=25)
    done = re.search(r"Complete requests:\s+(\d+)", p.stdout())
    bad = re.search(r"Failed requests:\s+(\d+)", p.stdout())
    if not done or not bad or int(bad[1]):
        raise Failure(f"ab: {(p.stdout() + p.stderr())[-200:]!r}")
    return int(done[1])


@case(group=None)
def ab_50000_in_metrics(e):
    """50,000 requests by ab -k -c 50, both roles, nothing lost."""
    ng = e.nginx()
    s = Sonde(e, "run", "--port", ng.port).wait_ready()
    n = ab(e, f"http://127.0.0.1:{ng.port}/ok", 50000)
    truth = ng.log(n)
    m = s.settled_metrics()
    s.end()
    e.figures.update(sent=n, counted=sum(m.requests("server").values()), lost=m.lost())
    fail_if([f"access log {dict(truth)}"] if truth != {("GET", "/ok", 200): 50000} else [])
    for role, service in (("server", "nginx"), ("client", "ab")):
        fail_if(difference(role, Counter({(service, "GET", "/ok", 200, None): n}),
                           m.requests(role)))
    fail_if([f"lost {k}: {v}" for k, v in m.lost().items() if v])


@case(group=None)
def ab_50000_in_tail(e):
    """The same by printed transactions, of one port."""
    ng = e.nginx()
    s = Sonde(e, "tail", "--json", "--port", ng.port).wait_ready()
    n = ab(e, f"http://127.0.0.1:{ng.port}/ok", 50000)
    truth = ng.log(n)
    s.settle(limit=15)
    s.end()
    fail_if(Expect(ng.port, truth, "nginx", "ab").problems(s.transactions))


@case(group=None)
def wrk_against_access_log(e):
    """wrk abandons requests at its end: the access log is the truth."""
    ng = e.nginx()
    s = Sonde(e, "run", "--server-address", "on", "--port", ng.port).wait_ready()
    e.procs.run([tool("wrk"), "-t", 2, "-c", 16, "-d", "2s", f"http://127.0.0.1:{ng.port}/hello"])
    m = s.settled_metrics()
    truth = ng.log()
    s.end()
    seen = Counter()
    for key, n in m.requests("server", ng.port).items():
        seen[key[:3]] += n
    logged = Counter()
    for (method, path, _), n in truth.items():
        logged[("nginx", method, path)] += n
    fail_if(difference("server", logged, seen))
    fail_if([f"lost {k}: {v}" for k, v in m.lost().items() if v])


def said_lost(s):
    """Records that a sonde which has ended says found no room."""
    said = re.search(r"sonde: (\d+) records found no room in the ring", s.proc.stderr())
    return int(said[1]) if said else 0


@case(group=None)
def lost_is_said(e):
    """By a command without metrics too: what was sent and is not there, and why."""
    ng = e.nginx()
    for size, n in (("16MiB", 200), ("64KiB", 2000)):
        s = Sonde(e, "tail", "--json", "--comm", "nginx", "--port", ng.port, "--ring-size",
                  size).wait_ready()
        s.proc.signal(signal.SIGSTOP)
        e.procs.run([tool("ab"), "-q", "-k", "-c", 10, "-n", n, f"http://127.0.0.1:{ng.port}/ok"])
        s.proc.signal(signal.SIGCONT)
        s.end()
        told, lost = len(s.transactions), said_lost(s)
        if told + lost < n or (told == n) != (lost == 0):
            raise Failure(f"{size}: {told} told of {n}, {lost} records said to be lost")


# reads as a pager does, or a network: a little, and then something else for a while
SLOW_READER = """
import sys, time
while some := sys.stdin.buffer.read1(1 << 16):
    sys.stdout.buffer.write(some)
    time.sleep(0.05)
"""


@case(group=None)
def told_to_the_end(e):
    """What the kernel had handed over when sonde was to end is told, however slow the reader is."""
    ng, n = e.nginx(), 8000
    slow = ["bash", "-c", 'exec "$@" > >(exec python3 -c "$0")', SLOW_READER]
    s = Sonde(e, "tail", "--json", "--comm", "nginx", "--port", ng.port, prefix=slow).wait_ready()
    os.kill(s.proc.pid, signal.SIGSTOP)
    ab(e, f"http://127.0.0.1:{ng.port}/ok", n)
    os.kill(s.proc.pid, signal.SIGTERM)  # not its reader
    os.kill(s.proc.pid, signal.SIGCONT)
    s.proc.wait(20)
    until(lambda: s.read() >= 0 and len(s.transactions) >= n, 5, f"{n} transactions")
    fail_if(Expect(ng.port, ng.log(n), "nginx", None).problems(s.transactions))


def flood(e, keep, n):
    ng = e.nginx()
    s = Sonde(e, "run", "--ring-size", "64KiB", "--comm", "nginx", "--port", ng.port).wait_ready()
    load = e.procs.start([tool("ab"), "-q", *(["-k"] if keep else []), "-c", 50, "-n", n,
                          f"http://127.0.0.1:{ng.port}/ok"])
    log = os.path.join(ng.folder, "access.log")
    while load.is_running():
        # sonde keeps up with a flood: it loses where it does not get the time to, and more than
        # its ring holds comes in
        s.proc.signal(signal.SIGSTOP)
        least = os.path.getsize(log) + 500 * len("GET /ok 200\n")
        quiet(0.03)
        while load.is_running() and os.path.getsize(log) < least:
            quiet(0.01)
        s.proc.signal(signal.SIGCONT)
        quiet(0.06)
    sent = sum(ng.log(n).values())
    total, parts = settled_account(s, sent)
    e.figures.update(sent=sent, accounted=total, counted=parts["transactions"],
                     lost=s.metrics().lost())
    s.end()
    in_ring = sum(n for why, n in e.figures["lost"].items() if why.startswith("ring_full"))
    if said_lost(s) < in_ring:
        raise Failure(f"{in_ring} records found no room, {said_lost(s)} at the end")
    if total != sent:
        raise Failure(f"sent {sent}, accounted for {total}: {parts}")
    if e.figures["lost"]["unknown_call"]:
        raise Failure(f"what was lost is counted twice: {e.figures['lost']}")
    if parts["ring_full"] + parts["response_missing"] == 0:
        raise Failure("nothing was lost: this was no flood")


def settled_account(s, sent):
    """Ends of connections whose records were lost are found by the sweep: until it stands still."""
    end, last, before = time.monotonic() + 20, time.monotonic(), None
    while time.monotonic() < end:
        # one that is short may wait for the sweep after the next
        if time.monotonic() - last > (6 if before and before[0] >= sent else 12):
            break
        now = account(s.metrics())
        if now != before:
            last, before = time.monotonic(), now
        quiet(0.2)
    return before


def account(m):
    lost = m.lost()
    done = sum(int(v) for labels, v in m.of("sonde_transactions_total")
               if labels["protocol"] == "http" and labels["role"] == "server")
    parts = {"transactions": done, "ring_full": lost["ring_full"],
             "response_missing": lost["response_missing"]}
    return sum(parts.values()), parts


@case(group=None, limit=60)
def flood_of_a_small_ring(e):
    """A ring of 64 KiB: transactions and counted losses add up to what was sent."""
    flood(e, True, 60000)


@case(group=None, limit=60)
def flood_of_fresh_connections(e):
    """The same with a connection per request, whose opening and closing is lost too."""
    flood(e, False, 15000)


@case(group=None)
def io_uring_server(e):
    """Counted right, or counted as not seen: never wrong."""
    from harness.raw import Raw
    port = e.c("uring")
    s = Sonde(e, "run", "--server-address", "on", "--port", port).wait_ready()
    t = Sonde(e, "tail", "--json", "--port", port).wait_ready()
    with Raw(port) as c:
        for _ in range(100):
            if c.ask("GET", "/uring").status != 200:
                raise Failure("no 200")
    t.settle()
    m = s.settled_metrics()
    s.end()
    t.end()
    truth = {("GET", "/uring", 200): 100}
    mine = [x for x in t.transactions if x["role"] == "client"]
    fail_if(Expect(port, truth, client="run").problems(mine))
    key = ("uring", "GET", "/uring", 200, None)
    seen = m.requests("server", port)
    if any(k != key for k in seen) or seen[key] > 100:
        raise Failure(f"wrong transactions of the server: {dict(seen)}")
    if seen[key] < 100:
        unseen = sum(m.lost().values()) + sum(
                v for labels, v in m.of("sonde_bytes_observed_total")) - sum(
                v for labels, v in m.of("sonde_bytes_attributed_total"))
        if unseen <= 0:
            raise Failure(f"{seen[key]} of 100 seen, and nothing says that some were not")


@case(group=None)
def server_of_32_bits(e):
    """Its system calls have numbers and layouts of their own: each request is counted as not seen."""
    from harness.raw import Raw
    port = e.c("compat")
    s = Sonde(e, "run", "--server-address", "on", "--port", port).wait_ready()
    with Raw(port) as c:
        for _ in range(20):
            if c.ask("GET", "/compat").status != 200:
                raise Failure("no 200")
    until(lambda: s.metrics().lost()["unknown_call"], 5, "count of calls that were not understood")
    m = s.settled_metrics()
    s.end()
    key = ("run", "GET", "/compat", 200, None)
    fail_if(difference("client", Counter({key: 20}), m.requests("client", port)))
    fail_if(difference("server", Counter(), m.requests("server", port)))
    if m.lost()["unknown_call"] < 20:
        raise Failure(f"20 requests were not seen, and lost says {m.lost()}")


@case(group=None)
def spliced_requests(e):
    """Requests that the server moves into a pipe fire no hook: seen or counted, never wrong."""
    from harness.raw import Raw
    port = e.c("vectors", "splice")
    s = Sonde(e, "run", "--server-address", "on", "--port", port).wait_ready()
    with Raw(port) as c:
        for _ in range(50):
            c.ask("GET", "/write")
    key = ("vectors", "GET", "/write", 200, None)

    def accounted():
        """What was never seen is known when the connection is over."""
        m = s.metrics()
        return m.requests("server", port)[key] == 50 or sum(m.lost().values())
    until(accounted, 5, "account of 50 requests: neither seen nor counted as lost")
    m = s.settled_metrics()
    s.end()
    seen = m.requests("server", port)
    fail_if(difference("client", Counter({("run", "GET", "/write", 200, None): 50}),
                       m.requests("client", port)))
    if any(k != key for k in seen) or seen[key] > 50:
        raise Failure(f"wrong transactions of the server: {dict(seen)}")


def exceed(e, s, port):
    """Load until sonde has used more than it may."""
    end = time.monotonic() + 20 * PATIENCE
    while "--cpu-limit 0.05" not in s.proc.stderr():
        if time.monotonic() > end:
            raise Failure("used more than allowed, and did not say so")
        ab(e, f"http://127.0.0.1:{port}/ok", 20000, 8)
    ab(e, f"http://127.0.0.1:{port}/ok", 20000, 8)
    quiet(1.2)  # the window that saw the end of the load
    s.settle()


def whole_and_none(s, port, clients=300, each=4):
    """Of so many connections those seen whole and those left out, by the client's port."""
    s.transactions.clear()
    ports = []
    for _ in range(clients):
        with Raw(port) as c:
            ports.append(c.sock.getsockname()[1])
            for _ in range(each):
                c.ask("GET", "/ok")
        quiet(0.005)
    s.settle()
    seen = Counter()
    for t in s.transactions:
        end = t["peer"] if t["role"] == "server" else t["local"]
        seen[t["role"], int(end.rsplit(":", 1)[1])] += 1
    whole = {p for p in ports if seen["server", p] == seen["client", p] == each}
    none = {p for p in ports if seen["server", p] == seen["client", p] == 0}
    if len(whole) + len(none) != clients:
        raise Failure(f"{clients - len(whole) - len(none)} connections seen in part")
    return whole, none


@case(group=None, limit=60)
def cpu_limit_leaves_out_whole_connections(e):
    """
    Over --cpu-limit: of each connection all or nothing, at both ends alike; replay agrees. Some are
    left out while the share is below all; where others leave sonde hardly a CPU it is soon all again.
    """
    ng = e.nginx()
    recording = e.path("shed.rec")
    s = Sonde(e, "tail", "--json", "--cpu-limit", "0.05", "--port", ng.port,
              "--record", recording).wait_ready()
    whole, none = set(), set()
    for _ in range(5):
        exceed(e, s, ng.port)
        whole, none = whole_and_none(s, ng.port)
        if none:
            break
    s.end()
    e.figures.update(whole=len(whole), none=len(none))
    if not whole or not none:
        raise Failure(f"{len(whole)} connections seen, {len(none)} left out")
    replay_is_identical(e, recording, s.proc.out)
