# SPDX-License-Identifier: Apache-2.0
"""
--propagate http: what a server hears of each request is byte for byte what it hears without, but for
one line; the line says what the client's span says; nothing stalls; and nothing of it is left.
"""
import json
import os
import re
import signal
import subprocess
from collections import Counter

from harness import golang
from harness.case import case
from harness.env import PROGS, PYTHON, tool
from harness.proc import Failure, until
from harness.sonde import Sonde, get

from . import postgres, redis, tls
from .http2 import nghttpd

STALL_S = 1.0, 0.2  # in check, on a machine with others on it; in soak. A stall is seconds
TRIES = 3
NODE, GO = 30, 24

# that are never given a line: what they say of a trace stays alone, or they are in doubt
NEVER = re.compile(r"/(own|own-b3|upgrades|bytewise|split|pipelined|pipelined-bodies)(/|$)|h:443$")
# of one connection, behind what is in doubt: that depends on what came before
LATER = re.compile(r"/(chunked|bytewise)/then|/pipelined-apart/[1-9]|/heads/9000|/node/|/go/|/curl/")


def hearer(e, port=None):
    port = e.python("hear.py", port=port)
    return port, e.procs.all[-1]


def heard(proc, n=None):
    def lines():
        found = proc.stdout().split("\n")
        return found[:-1] if n is None or len(found) > n else None
    return [json.loads(line) for line in until(lines, 10, f"{n} requests heard")]


def speak(e, port, *args, seconds=60):
    p = e.procs.run([PYTHON, os.path.join(PROGS, "speak.py"), port, *args], seconds=seconds)
    if p.code:
        raise Failure(f"speak.py {args}: {p.stderr().strip()[-300:]}")
    return p.stdout()


def build(e):
    golang.program(e, "speak")


def clients(e, port, go, big):
    """Programs as they are; what each prints is not asked for."""
    url = f"http://127.0.0.1:{port}/curl"
    runs = [[tool("curl"), "-sS", "--max-time", "20", "-o", "/dev/null", *args] for args in (
        [f"{url}/get"], ["-I", f"{url}/head"], ["-d", "a=b", f"{url}/post"],
        ["--data-binary", f"@{big}", f"{url}/big"],
        ["-H", "Transfer-Encoding: chunked", "--data-binary", f"@{big}", f"{url}/chunked"],
        ["-H", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", f"{url}/own"],
    )]
    runs += [[tool("node"), os.path.join(PROGS, "speak.js"), port, NODE], [go, port, GO]]
    for argv in runs:
        p = e.procs.run(argv, seconds=40)
        if p.code:
            raise Failure(f"{argv[0]}: {p.code}, {p.stderr().strip()[-200:]}")


def least(outs):
    """Of several runs, by form: the least time it took."""
    took = {}
    for out in outs:
        for line in out.split("\n"):
            if line:
                name, seconds = line.split()
                took[name] = min(float(seconds), took.get(name, 1e9))
    return took


def whole(requests):
    return Counter((r["target"], r["sha"]) for r in requests)


def propagating(e, *args, command=("tail", "--json")):
    s = Sonde(e, *command, "--propagate", "http", *args).wait_ready()
    said = s.proc.stderr()
    if "no traceparent" in said:
        raise Failure(said.strip())
    return s, "only the first" in said


def judge_lines(requests, spans, is_brief):
    """Who got a line and who did not; each line is of the span of that very request."""
    mine = {t.get("target"): t for t in spans if t["role"] == "client"}
    theirs = {t.get("target"): t for t in spans if t["role"] == "server"}
    ids = [tuple(r["ours"]) for r in requests if r["ours"]]
    if len(set(ids)) != len(ids):
        raise Failure("a span's id was given twice")
    for r in requests:
        target, ours = r["target"], r["ours"]
        if target is None or NEVER.match(target) or (is_brief and r["n"] > 1):
            if ours:
                raise Failure(f"{target[:40]}, request {r['n']} of its connection, was given {ours}")
            continue
        if not ours:
            if not LATER.match(target):
                raise Failure(f"{target[:40]}, request {r['n']} of its connection, was given nothing")
            continue
        if target == "/spliced":  # of its answer no bytes are seen
            continue
        client, server = mine.get(target[:1024]), theirs.get(target[:1024])
        if not client or not server:
            raise Failure(f"no spans of {target}")
        if [client["trace_id"], client["span_id"]] != ours:
            raise Failure(f"{target} was given {ours}, its span is {client['span_id']}")
        if [server["trace_id"], server["parent_span_id"], server["parent"]] != [*ours, "header"]:
            raise Failure(f"{target}: the server's span is {server}")
        if client["request_bytes"] != server["request_bytes"]:
            raise Failure(f"{target}: {client['request_bytes']} bytes sent, "
                          f"{server['request_bytes']} received")
    return len(ids)


@case(group=None, limit=150)
def propagation_adds_a_line_and_nothing_else(e):
    go, big = golang.program(e, "speak"), e.write("big", os.urandom(10 << 20))
    port, proc = hearer(e)
    before = [speak(e, port, "forms") for _ in range(TRIES)]
    clients(e, port, go, big)
    truth = heard(proc)
    # each once, so that spans are told apart by their targets
    forms = len(truth) - NODE - GO - 6
    proc.stop()
    port, proc = hearer(e, port)  # programs say the port in what they send
    s, is_brief = propagating(e, "--port", port)
    after = [speak(e, port, "forms")]
    clients(e, port, go, big)
    requests = heard(proc, forms // TRIES + NODE + GO + 6)
    s.settle()
    once = [*truth[:forms // TRIES], *truth[forms:]]
    if whole(requests) != whole(once):
        raise Failure(f"other bytes: {list((whole(requests) - whole(once)).items())[:4]} for "
                      f"{list((whole(once) - whole(requests)).items())[:4]}")
    n = judge_lines(requests, s.transactions, is_brief)
    after += [speak(e, port, "forms") for _ in range(TRIES - 1)]
    s.end()
    slow = {name: (took, least(after)[name]) for name, took in least(before).items()
            if least(after)[name] > took + e.amount(*STALL_S)}
    if slow:
        raise Failure(f"seconds without and with: {slow}")
    if n < 20:
        raise Failure(f"{n} lines in all")
    e.figures["lines"] = n


def left(word):
    """What bpftool shows of it."""
    out = subprocess.run([tool("bpftool"), word, "list"], capture_output=True, text=True,
                         timeout=20, check=False).stdout
    return [line for line in out.split("\n") if re.search(
        r"name (sonde_speaker|sonde_request|speaking|speakers)\b", line)]


def gone():
    return not left("prog") and not left("map")


@case(group=None, limit=90)
def propagation_ends_with_its_process(e):
    port, proc = hearer(e)
    for number in (signal.SIGTERM, signal.SIGKILL):
        s, _ = propagating(e, "--port", port)
        if not left("prog"):
            raise Failure("bpftool does not show what is there")
        load = e.procs.start([PYTHON, os.path.join(PROGS, "speak.py"), port, "load", 3])
        until(lambda: any(r["ours"] for r in heard(proc)), 10, "line")
        os.kill(s.proc.pid, number)
        s.proc.wait(5)
        if load.wait(30):
            raise Failure(f"{number}: {load.stderr().strip()[-300:]}")
        until(gone, 30, "end of its programs and maps")
        n = len(heard(proc))
        speak(e, port, "load", 1)
        late = [r for r in heard(proc)[n:] if r["ours"]]
        if late:
            raise Failure(f"{number}: {late[0]} after its end")


@case(group=None, soak_limit=600)
def propagation_of_many(e):
    """So many requests over one connection, each of them counted."""
    n = e.amount(2000, 100000)
    port, proc = hearer(e)
    untraced = float(speak(e, port, "many", n, seconds=300).split()[1])
    truth = heard(proc, n)
    s, is_brief = propagating(e, "--port", port, command=("run",))
    longest = float(speak(e, port, "many", n, seconds=300).split()[1])
    requests = heard(proc, 2 * n)[n:]
    if whole(requests) != whole(truth):
        raise Failure("other bytes")
    given = sum(bool(r["ours"]) for r in requests)
    if given != (1 if is_brief else n):
        raise Failure(f"{given} of {n} were given a line")
    m = s.settled_metrics()
    s.end()
    lost = {reason: k for reason, k in m.lost().items() if k}
    counted = [sum(m.requests(role).values()) for role in ("client", "server")]
    if lost or counted != [n, n]:
        raise Failure(f"counted {counted} of {n} at both ends, lost {lost}")
    told = [v for _, v in m.of("sonde_propagated_requests_total")]
    if told != [given]:
        raise Failure(f"{given} were given a line, sonde says {told}")
    if longest > untraced + e.amount(1e9, STALL_S[1]):
        raise Failure(f"a request took {longest} s, without sonde {untraced} s at most")
    e.figures.update(sent=n, counted=counted[0], lost=m.lost(), given=given,
                     longest_ms=longest * 1e3, untraced_ms=untraced * 1e3)


# of speak.py's once: what is said of each
GIVEN, PASSED = 4, {"own_context": 3, "upgrade": 3, "in_doubt": 3, "more_behind": 3, "not_http1": 5,
                    "sent_ahead": 0, "unsent": 0, "no_room": 0, "unseen": 0}


@case(group=None)
def propagation_says_what_it_passed_over(e):
    port, _ = hearer(e)
    s = Sonde(e, "run", "--propagate", "http", "--port", port).wait_ready()
    speak(e, port, "once")
    m = s.metrics()
    passed = {labels["reason"]: n for labels, n in m.of("sonde_propagation_passed_over_total")}
    given = [n for _, n in m.of("sonde_propagated_requests_total")]
    if (given, passed) != ([GIVEN], PASSED):
        raise Failure(f"given {given}, passed over {passed}, not {GIVEN}, {PASSED}")
    told = json.loads(get(s.port, "/api/v1/status")[2])["propagation"]
    if (told["given"], told["passed_over"]) != (GIVEN, PASSED):
        raise Failure(f"status says {told}")
    if (told["requests"] == "first") != ("only the first" in s.proc.stderr()):
        raise Failure(f"status says {told}, and at its start: {s.proc.stderr()}")
    s.end()
    # the same is found by trying, and nothing but this is tried on
    p = e.procs.run([e.sonde, "check", "--json"])
    found = json.loads(p.stdout())["propagation"]
    if found != {key: told.get(key) for key in ("requests", "reason")}:
        raise Failure(f"check says {found}, status {told}")


@case(group=None)
def propagation_leaves_other_protocols_alone(e):
    """One process, five protocols; all that is given anything is HTTP/1."""
    turns = 30
    port, proc = hearer(e)
    ports = {"http": port, "redis": redis.Redis(e).port, "postgres": postgres.Server(e).port,
             "http2": nghttpd(e), "tls": tls.nginx(e).port}
    s, is_brief = propagating(e, "--port", ",".join(map(str, ports.values())))
    p = e.procs.run([PYTHON, os.path.join(PROGS, "mixed.py"), turns, *ports.values()], seconds=60)
    if p.code:
        raise Failure(p.stderr().strip()[-300:])
    given = sum(bool(r["ours"]) for r in heard(proc, turns - 1))
    if given != (1 if is_brief else turns):
        raise Failure(f"{given} of {turns} requests of HTTP/1 were given a line")
    more = {name: sent - said for name, (said, sent) in json.loads(p.stdout()).items()}
    if more != {name: 70 * given * (name == "http") for name in ports}:
        raise Failure(f"TCP sent more than the program: {more}")
    s.settle()
    seen = Counter(t["protocol"] for t in s.transactions if t["role"] == "client" and not t["tls"])
    s.end()
    want = {"http": 2 * turns, "redis": turns, "postgresql": turns}  # HTTP/1 and HTTP/2
    if seen != want:
        raise Failure(f"{dict(seen)}, not {want}")


@case(group=None)
def propagation_by_two(e):
    """Of two sondes that are asked to, the first gives the line."""
    n, connections = 20, 3
    port, proc = hearer(e)
    asked = ["run", "--propagate", "http", "--port", port]
    both = [Sonde(e, *asked).wait_ready(), Sonde(e, *asked).wait_ready()]
    for _ in range(connections):
        speak(e, port, "many", n)
    requests = heard(proc, connections * n - 1)
    given = sum(bool(r["ours"]) for r in requests)
    told = []
    for s in both:
        m = s.settled_metrics()
        lines = int(m.of("sonde_propagated_requests_total")[0][1])
        passed = {labels["reason"]: int(v)
                  for labels, v in m.of("sonde_propagation_passed_over_total") if v}
        told.append((lines, passed))
        s.end()
        counted = [sum(m.requests(role).values()) for role in ("client", "server")]
        if counted != [len(requests)] * 2 or any(m.lost().values()):
            raise Failure(f"counted {counted} of {len(requests)}, lost {m.lost()}")
    if told != [(given, {}), (0, {"no_room": connections})] or given not in (connections, connections * n):
        raise Failure(f"{given} of {len(requests)} given a line; the two say {told}")


@case(group=None)
def propagation_wants_to_be_told_whose(e):
    p = e.procs.run([e.sonde, "tail", "--propagate", "http"])
    if p.code != 2 or "--propagate" not in p.stderr() or len(p.stderr().splitlines()) != 1:
        raise Failure(f"exit {p.code}: {p.stderr()}")
    p = e.procs.run([tool("setpriv"), "--bounding-set=-net_admin", "--inh-caps=-all", e.sonde, "tail",
                     "--propagate", "http", "--port", "1"])
    if p.code != 1 or "CAP_NET_ADMIN" not in p.stderr():
        raise Failure(f"exit {p.code}: {p.stderr()}")
