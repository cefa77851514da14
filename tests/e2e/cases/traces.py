# SPDX-License-Identifier: Apache-2.0
"""
Parents against the truth: an id that three services pass on to each other and to a database in what
they ask, and that no observer takes for one. A link is right if both its ends bear the same id.
"""
import http.client
import json
import os
import re
import threading
import time
from collections import Counter, defaultdict

from cases.dns import Dnsmasq
from cases.postgres import Server
from harness import golang
from harness.case import case
from harness.env import PROGS, PYTHON, tool
from harness.proc import Failure, free_port
from harness.sonde import Sonde

REQUESTS = 150
FLIGHTS = (1, 10, 50)


HAPROXY = """
global
    nbthread 2
defaults
    mode http
    timeout connect 9s
    timeout client 9s
    timeout server 9s
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server one 127.0.0.1:{to}
"""


def nginx(e, to):
    return e.nginx("""location / { proxy_pass http://backs;
        proxy_http_version 1.1; proxy_set_header Connection ""; }""", f"""
        upstream backs {{ server 127.0.0.1:{to}; keepalive 64; }}""").port


def haproxy(e, to):
    port = free_port()
    e.serve([tool("haproxy"), "-db", "-f",
             e.write("haproxy.cfg", HAPROXY.format(port=port, to=to))], port)
    return port


class Chain:
    """Three services of a kind, the last one asking a database, perhaps with a proxy before them."""

    def __init__(self, e, kind, database, passes=(), front=None):
        self.e = e
        # as they are spelt by the client; nginx passes on what it was given
        self.passes = {"x-request-id": {"X-Request-ID"}, "traceparent": {"traceparent"}}.get(
            passes[0], set()) if passes else set()
        self.front = front
        self.is_datagram = isinstance(database, Dnsmasq)
        self.ports = [free_port() for _ in range(3)]
        onward = [*map(str, self.ports[1:]), f"{'dns' if self.is_datagram else 'pg'}{database.port}"]
        self.procs = [e.serve([*self.command(kind), port, to, *passes], port)
                      for port, to in zip(self.ports, onward)]
        if front:
            self.ports.insert(0, front(e, self.ports[0]))
        self.hops = [*self.ports, database.port]

    def command(self, kind):
        if kind == "go":
            return [golang.program(self.e, "hop")]
        if kind == "c":
            return [self.e.program("hop")]
        run = {"node": [tool("node")], "python": [PYTHON]}[kind]
        return [*run, os.path.join(PROGS, {"node": "hop.js", "python": "hop.py"}[kind])]

    def stop(self):
        for p in self.procs:
            p.stop()
        # ids by service, as they say themselves
        self.said = [Counter(p.stdout().split()) for p in self.procs]


def load(port, name, flight, headers, requests=REQUESTS):
    """So many requests by `flight` clients that keep their connections; what each id was sent."""
    sent, failures = {}, []

    def one(thread):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for n in range(thread, requests, flight):
            ident = f"{name}{n}"
            sent[ident] = headers(n)
            conn.request("GET", f"/r/{ident}", headers=sent[ident])
            answer = conn.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
        conn.close()
    threads = [threading.Thread(target=one, args=(n,)) for n in range(flight)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise Failure(f"{name}: {len(failures)} failures, {failures[0]}")
    return sent


IDENT = re.compile(r"\br_(\w+)|^/r/(\w+)|^(\w+)\.example$")


def port_of(address):
    return int(address.rsplit(":", 1)[1])


class Judged:
    """What is true of the links of one run."""

    def __init__(self, transactions, chain, sent):
        self.passes, self.front = chain.passes, chain.front
        self.is_datagram = chain.is_datagram
        hops = chain.hops
        self.last = len(hops) - 1
        self.right, self.wrong, self.expected = Counter(), Counter(), Counter()
        self.how, self.problems = Counter(), []
        self.spans = {t["span_id"]: t for t in transactions}
        self.places = defaultdict(list)
        for t in transactions:
            found = IDENT.search(t.get("query") or t.get("target") or t.get("question") or "")
            ident = found and next(filter(None, found.groups()))
            hop = port_of(t["local"] if t["role"] == "server" else t["peer"])
            if ident in sent and hop in hops:
                t["ident"], t["hop"] = ident, hops.index(hop)
                self.places[ident, t["role"], t["hop"]].append(t)
        for ident, headers in sent.items():
            for hop in range(len(hops)):
                self.link(ident, "client", hop, headers)
                self.link(ident, "server", hop, headers)

    def link(self, ident, role, hop, headers):
        mine = self.places[ident, role, hop]
        if len(mine) != 1:
            self.problems.append(f"{len(mine)} spans of {ident}, {role} {hop}")
            return
        t, above = mine[0], hop - (role == "client")
        context = headers.get("traceparent")
        by_front = self.front and above == 0 and role == "client"
        carries = set(headers) if by_front else hop < self.last and set(headers) & self.passes
        kind = "ends" if role == "server" else "headers" if carries else \
            "front" if by_front else "calls"
        if role == "server" and hop == self.last and self.is_datagram:
            kind = "datagrams"
        if hop == 0 and (role == "client" or context):
            want = context.split("-")[2] if context else None
            if t["parent_span_id"] != want:
                self.problems.append(f"the first of {ident}: {t['parent_span_id']}, not {want}")
            return
        self.expected[kind] += 1
        self.how[t["parent"]] += 1
        if t["parent_span_id"] is None:
            return
        parent = self.spans.get(t["parent_span_id"])
        truth = ("client" if role == "server" else "server", above, ident)
        if not parent or (parent["role"], parent.get("hop"), parent.get("ident")) != truth:
            self.wrong[kind] += 1
            return
        self.right[kind] += 1
        if parent["time_unix_nano"] > t["time_unix_nano"]:
            self.problems.append(f"{ident}: {role} {hop} starts before its parent")
        if parent["trace_id"] != t["trace_id"]:
            self.problems.append(f"{ident}: {role} {hop} is not in its parent's trace")

    def recall(self, kind):
        return self.right[kind] / self.expected[kind] if self.expected[kind] else 1.0

    def shown(self, kind):
        return f"{self.recall(kind):.3f}" if self.expected[kind] else "-"

    def precision(self):
        claimed = sum(self.right.values()) + sum(self.wrong.values())
        return sum(self.right.values()) / claimed if claimed else 1.0


def build(e):
    golang.program(e, "hop")


def none(_):
    return {}


def traceparent(n):
    return {"traceparent": f"00-{n + 1:032x}-{n + 1:016x}-01"}


def request_id(n):
    return {"X-Request-ID": f"id-{n}"}


# name, kind, services pass on, headers of the client, in front, least recall of calls. A proxy passes
# on what it is given.
W3C, IDS = ("traceparent",), ("x-request-id",)
RUNS = [
    ("python", "python", (), none, None, 0.99),
    ("node", "node", (), none, None, None),
    ("go", "go", (), none, None, 0.99),
    ("python, traceparent not passed on", "python", (), traceparent, None, 0.99),
    ("node, traceparent", "node", W3C, traceparent, None, None),
    ("go, traceparent", "go", W3C, traceparent, None, 0.99),
    ("nginx, python", "python", (), none, nginx, 0.99),
    ("nginx, node", "node", (), none, nginx, None),
    ("nginx, go", "go", (), none, nginx, 0.99),
    ("nginx, python, traceparent not passed on", "python", (), traceparent, nginx, 0.99),
    ("nginx, node, traceparent", "node", W3C, traceparent, nginx, None),
    ("nginx, node, request id", "node", IDS, request_id, nginx, None),
    ("nginx, go, traceparent", "go", W3C, traceparent, nginx, 0.99),
    ("haproxy, python, request id not passed on", "python", (), request_id, haproxy, 0.99),
    ("python, a thread made for each call", "python", ("by:thread",), none, None, 0.5),
    ("python, an executor made for each call", "python", ("by:executor",), none, None, 0.5),
    ("python, by threads of a pool", "python", ("by:pool",), none, None, None),
    ("c, a thread made for each call", "c", ("by:thread",), none, None, 0.5),
    ("c, by threads of a pool", "c", ("by:pool",), none, None, None),
    ("python, names over UDP instead of a database", "python", (), none, None, 0.99),
]


def table(rows):
    lines = ["| run | in flight | links | precision | recall: both ends here | calls with a header "
             "| the services' other calls | the proxy's | known by |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---|"]
    for name, flight, j in rows:
        how = ", ".join(f"{k} {n}" for k, n in sorted(j.how.items()))
        lines.append(f"| {name} | {flight} | {sum(j.expected.values())} | {j.precision():.3f} | "
                     f"{j.shown('ends')} | {j.shown('headers')} | {j.shown('calls')} | {j.shown('front')} | {how} |")
    return "\n".join(lines)


@case(group=None, limit=360)
def traces_are_true(e):
    database, names, rows, problems, runs = Server(e), Dnsmasq(e), [], [], []
    if any(kind == "go" for _, kind, *_ in RUNS):
        golang.program(e, "hop")
    tail = Sonde(e, "tail", "--json").wait_ready()
    for name, kind, passes, headers, front, least in RUNS:
        if kind == "go" and e.tier == "syscall":
            least = None  # nobody says there on which socket a goroutine's request goes out
        chain = Chain(e, kind, names if "UDP" in name else database, passes, front)
        # the kernel is told which programs are Go when they are first seen
        load(chain.ports[0], f"w{len(runs)}x", 2, headers, 10)
        time.sleep(0.3)
        for flight in FLIGHTS:
            sent = load(chain.ports[0], f"n{len(runs)}x", flight, headers)
            runs.append((sent, name, chain, flight, least))
        chain.stop()
    tail.settle(quiet=1.5)
    tail.end()
    for sent, name, chain, flight, least in runs:
        j = Judged(tail.transactions, chain, sent)
        rows.append((name, flight, j))
        where = f"{name}, {flight} in flight"
        for said in chain.said:
            if any(said[ident] != 1 for ident in sent):
                problems.append(f"{where}: a service did not log every id once")
        if j.problems:
            problems.append(f"{where}: {len(j.problems)}: {j.problems[0]}")
        if j.precision() != 1:
            problems.append(f"{where}: precision {j.precision():.4f}")
        # where the other end's record comes late a datagram's is not waited for
        for part, part_least in (("ends", 1), ("headers", 1), ("datagrams", 0.5)):
            if j.recall(part) < part_least:
                problems.append(f"{where}: recall of {part} {j.recall(part):.4f}")
        if least and j.recall("calls") < least:
            problems.append(f"{where}: recall of calls {j.recall('calls'):.4f}")
    print(table(rows), flush=True)
    e.figures = {"traces": table(rows)}
    if problems:
        raise Failure("; ".join(problems[:6]))
