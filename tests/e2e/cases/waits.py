# SPDX-License-Identifier: Apache-2.0
"""
Where a request's time went, against what the server measured of itself while it spent the time:
every request of each case within 5 % or 1 ms.
"""
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from harness import golang
from harness.case import case
from harness.env import PYTHON, quiet
from harness.proc import Failure, free_port, until
from harness.raw import Raw
from harness.sonde import Sonde

from .namespaces import within
from .redis import Redis
from .tcp import wired

MS = 1_000_000
# what a thread waited for is told by the same program in both tiers
TIMES = {"syscall": 100}
LIMIT = 60


class Watched:
    """A server of which all is known: requests to it, what it measured, what sonde says."""

    def __init__(self, e, port, *more):
        self.e, self.port = e, port
        ports = ",".join(map(str, (port, *more)))
        self.tail = Sonde(e, "tail", "--json", "--port", ports)
        self.tail.keeps_waits = True
        self.tail.wait_ready()
        self.measured = {port: [] for port in ports.split(",")}  # all there ever was

    def requests(self, path, port):
        """What the server measured of each, and when its client began to send it."""
        truths = []
        with Raw(port) as c:
            for _ in range(TIMES.get(self.e.tier, 200) + 2):
                sent = time.monotonic_ns()
                truths.append({**json.loads(c.ask("GET", path).body), "sent": sent})
        self.measured[str(port)] += truths
        return truths

    def ask_all(self, path, ports):
        """Of each server, all at once: [(truth, transaction)], in order. The first two warm it up."""
        with ThreadPoolExecutor(len(ports)) as pool:
            all_truths = list(pool.map(lambda port: self.requests(path, port), ports))
        quiet()
        self.tail.settle()
        out = []
        for port, truths in zip(ports, all_truths):
            seen = [t for t in self.tail.transactions if t["role"] == "server"
                    and t["protocol"] == "http" and t["target"] == path
                    and t["local"].endswith(f":{port}")]
            if len(seen) != len(truths):
                raise Failure(f"{len(seen)} transactions of {len(truths)} requests to {path}")
            out.append(list(zip(truths, seen))[2:])
        return out

    def ask(self, path):
        return self.ask_all(path, [self.port])[0]


def check(pairs, name, told, truth):
    """
    told(waits, blocked_on) is truth(measured), in each request. A server cannot measure itself
    while it reads and sends: what passed then may be in any part. On a machine that is itself a
    guest, moments are stolen that are in no account of its kernel, or are taken for another's: two
    requests in a hundred may be off.
    """
    off = []
    for measured, t in pairs:
        is_, should = told(t["waits_ns"], t["blocked_on"]), truth(measured)
        beside = t["duration_ns"] - (t["waits_ns"]["receive_queue"] or 0) - measured["wall"]
        near = max(0.05 * should, MS)
        if is_ is None or not should - near <= is_ <= should + near + beside:
            off.append(f"{is_} of {should} ns: {t['waits_ns']} {t['blocked_on']} {measured}")
    if len(off) > len(pairs) // 50:
        raise Failure(f"{name}: {len(off)} of {len(pairs)} are off: {off[0]}")


def alone(pairs):
    shared = sum(t["shared"] for _, t in pairs)
    if shared:
        raise Failure(f"{shared} of {len(pairs)} are said to be shared")


def slept(m):
    return m["wall"] - m["cpu"] - m["delay"]


def accounted(pairs):
    """
    Of requests that never sleep, those of which the server's kernel accounts for every moment. A
    guest loses some to its host, and its kernel counts them as nobody's.
    """
    whole = [(m, t) for m, t in pairs if slept(m) < MS / 2]
    if len(whole) < len(pairs) // 2:
        raise Failure(f"only of {len(whole)} of {len(pairs)} requests the kernel says where their time went")
    return whole


def burns(pairs):
    pairs = accounted(pairs)
    check(pairs, "cpu", lambda w, _: w["cpu"], lambda m: m["cpu"])
    check(pairs, "run queue", lambda w, _: w["runqueue"] + w["throttled"], lambda m: m["delay"])
    check(pairs, "blocked", lambda w, _: w["blocked"], slept)
    alone(pairs)


def sleeps(pairs):
    check(pairs, "blocked", lambda w, _: w["blocked"], slept)
    check(pairs, "for nothing but time", lambda w, on: sum(n or 0 for n in on.values()),
          lambda _: 0)
    check(pairs, "cpu", lambda w, _: w["cpu"], lambda m: m["cpu"])
    alone(pairs)


def on_lock(pairs):
    check(pairs, "blocked", lambda w, _: w["blocked"], slept)
    check(pairs, "on lock", lambda _, on: on["lock"], slept)


def calls(pairs):
    check(pairs, "downstream", lambda w, _: w["downstream"], slept)
    check(pairs, "blocked", lambda w, _: w["blocked"], lambda _: 0)
    # while the database slept it may also have waited for a CPU to go to sleep itself
    if min(sum(t["waits_ns"][p] for p in ("downstream", "runqueue", "cpu")) for _, t in pairs) < 19 * MS:
        raise Failure("the database took less than 20 ms")
    alone(pairs)


def threaded(e, serve):
    redis = Redis(e)
    w = Watched(e, serve(redis.port), redis.port)
    for path, judge in (("/burn", burns), ("/sleep", sleeps), ("/lock", on_lock),
                        ("/call", calls)):
        judge(w.ask(path))


@case(group=None, limit=LIMIT)
def waits_of_c(e):
    """20 ms each of CPU, sleep, a lock that another thread holds, a database."""
    threaded(e, lambda redis: e.c("waits", "-", redis))


@case(group=None, limit=LIMIT)
def waits_of_python(e):
    threaded(e, lambda redis: e.python("waits.py", redis))


@case(group=None, limit=LIMIT)
def waits_of_node(e):
    """One thread for everything, with one request at a time: its time is the request's."""
    redis = Redis(e)
    w = Watched(e, e.node("waits.js", redis.port), redis.port)
    pairs = w.ask("/burn")
    check(pairs, "cpu", lambda w, _: w["cpu"], lambda m: m["wall"] - m["delay"])
    alone(pairs)
    pairs = w.ask("/sleep")
    check(pairs, "blocked and cpu", lambda w, _: w["blocked"] + w["cpu"],
          lambda m: m["wall"] - m["delay"])
    # it may have run meanwhile, to collect garbage, for as long as nobody here can tell: asleep until
    # the timer, whose clock has whole ms, the one in the middle was
    middle = statistics.median(t["waits_ns"]["blocked"] for _, t in pairs)
    if not 19 * MS <= middle <= 21 * MS:
        raise Failure(f"half of them were blocked for {middle} ns or less")
    alone(pairs)
    pairs = w.ask("/lock")
    check(pairs, "on lock", lambda _, on: on["lock"], lambda m: m["stood"])
    alone(pairs)
    pairs = w.ask("/call")
    check(pairs, "downstream and cpu", lambda w, _: w["downstream"] + w["cpu"],
          lambda m: m["wall"] - m["delay"])
    check(pairs, "blocked", lambda w, _: w["blocked"], lambda _: 0)
    alone(pairs)


@case(group=None, limit=LIMIT)
def waits_of_many_on_one_thread(e):
    """Of requests that one thread has open together no part is said to be one's own."""
    w = Watched(e, e.node("waits.js", "-"))
    clients = [Raw(w.port) for _ in range(4)]
    for _ in range(25):
        for c in clients:
            c.send("GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
        for c in clients:
            c.response("GET")
    for c in clients:
        c.sock.close()
    quiet()
    w.tail.settle()
    seen = [t for t in w.tail.transactions if t["role"] == "server"]
    own = [t for t in seen if not t["shared"] or t["waits_ns"]["downstream"] is not None]
    if len(seen) != 100 or own:
        raise Failure(f"{len(seen)} of 100 requests, {len(own)} with a time of their own: {own[:1]}")


def build(e):
    golang.program(e, "waits")


def go_server(e, redis):
    port = free_port()
    e.serve([golang.program(e, "waits"), port, redis], port)
    return port


@case(group=None, limit=180)
def waits_of_go(e):
    """
    A goroutine is followed by its own operations. What its thread did in between is told, as
    shared, where it stayed on one, and unknown where it did not: never anything else. A call of
    its own is downstream wherever it goes.
    """
    redis = Redis(e)
    w = Watched(e, go_server(e, redis.port), redis.port)
    ran = ("runqueue", "throttled", "cpu", "unknown")
    rested = ("runqueue", "cpu", "blocked", "unknown")
    for path, parts in (("/burn", ran), ("/sleep", rested), ("/lock", rested)):
        pairs = w.ask(path)
        check(pairs, path, lambda w, _: sum(w[p] or 0 for p in parts), lambda m: m["wall"])
        known = [t for _, t in pairs if t["waits_ns"]["cpu"] is not None]
        if not all(t["shared"] and t["blocked_on"] is None for t in known):
            raise Failure(f"{path}: a thread's accounts are said to be a goroutine's own")
        e.figures[path] = f"{len(known)} of {len(pairs)} known"
    pairs = w.ask("/call")
    check(pairs, "downstream", lambda w, _: w["downstream"], lambda m: m["wall"])


def parts_of(metrics, name, **labels):
    """Seconds by the one label that tells, of the series that have these."""
    out = {}
    for have, value in metrics.of(name):
        if all(have.get(k) == v for k, v in labels.items()):
            key = have.get("state") or have.get("reason")
            out[key] = out.get(key, 0) + value
    return out


def sleeps_as(m, **truth):
    """Of the server: reason -> ns for which its threads slept for it, within 1 % or 20 ms."""
    told = parts_of(m, "sonde_offcpu_seconds_total", service_name="waits")
    off = {reason: (told.get(reason, 0), ns / 1e9) for reason, ns in truth.items()
           if abs(told.get(reason, 0) - ns / 1e9) > max(ns / 1e11, 0.02)}
    if off:
        raise Failure(f"slept for, and in truth: {off}, of {told}")


def times_given_a_cpu(pid):
    """Of the threads that serve, by the scheduler's own count; the first accepts alone."""
    n = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        if int(thread) != pid:
            with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
                n += int(f.read().split()[2])
    return n


@case(group=None, limit=LIMIT)
def waits_in_metrics(e):
    """What requests took adds up by state; what threads slept for is what they did."""
    port, redis = free_port(), Redis(e)
    server = e.serve([e.program("waits"), port, "-", redis.port], port)
    run = Sonde(e, "run", "--port", f"{port},{redis.port}").wait_ready()
    truth, idle = {}, 0
    with Raw(port) as c:
        for path in ("/sleep", "/burn", "/lock", "/call"):
            measured = [json.loads(c.ask("GET", path).body) for _ in range(50)]
            truth[path] = sum(m["cpu"] if path == "/burn" else slept(m) for m in measured) / 1e9
            idle += sum(m["idle"] for m in measured)
        answered = time.monotonic_ns()
        quiet()
        given = times_given_a_cpu(server.pid)
    idle += time.monotonic_ns() - answered
    quiet()
    m = run.settled_metrics()
    for path, state in (("/sleep", "blocked"), ("/burn", "cpu"), ("/lock", "blocked"),
                        ("/call", "downstream")):
        took = sum(v for have, v in m.of("http_server_request_duration_seconds_sum")
                   if have.get("http_route") == path)
        parts = parts_of(m, "sonde_request_time_seconds_total", http_route=path, protocol="http")
        if abs(sum(parts.values()) - took) > 1e-6 or \
                not 0.95 * truth[path] <= parts.get(state, 0) <= took or truth[path] < 0.5:
            raise Failure(f"50 x {path}, {truth[path]} s of the {took} s, are {parts}")
    took = sum(v for _, v in m.of("sonde_db_server_operation_duration_seconds_sum"))
    parts = parts_of(m, "sonde_request_time_seconds_total", protocol="redis")
    if abs(sum(parts.values()) - took) > 1e-6 or took < 0.95:
        raise Failure(f"what redis did for {took} s is {parts}")
    # the thread that served has slept, and waited for another, and for its client and for redis: for
    # nothing else
    sleeps_as(m, sleep=truth["/sleep"] * 1e9, lock=truth["/lock"] * 1e9,
              network=idle + truth["/call"] * 1e9, disk=0, fault=0, other=0)
    waited = [v for have, v in m.of("sonde_runqueue_latency_seconds_count")
              if have["service_name"] == "waits"]
    # it was given a CPU a few times before its first operation, and after its last request
    if len(waited) != 1 or not given - 5 <= waited[0] <= given + 5 or given < 150:
        raise Failure(f"waits for a CPU: {waited}, of {given} times that it was given one")


ECHO = """
import socket, sys, threading
tcp = socket.create_server(("", int(sys.argv[1])))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", int(sys.argv[1])))
def datagrams():
    while True: udp.sendto(*udp.recvfrom(64))
def stream(c):
    with c:
        while got := c.recv(64): c.send(got)
threading.Thread(target=datagrams).start()
while True: threading.Thread(target=stream, args=tcp.accept()[:1]).start()
"""


@case(group=None, limit=LIMIT)
def waits_for_the_network(e):
    """
    20 ms to an end far away and back: a connection to it, and what speaks no protocol, as a stream and
    as datagrams. That is no call to anyone known: the thread was blocked, and on the network.
    """
    (server, client), far = wired(e, 10, 0), free_port()
    e.serve([PYTHON, e.write("echo.py", ECHO), far], far, within(server))
    there = f"/run/netns/{client}"
    ports = e.c("waits", there, far), e.python("waits.py", far, there)
    runs = [Sonde(e, "run", "--port", port).wait_ready() for port in ports]
    w = Watched(e, *ports, far)
    blocked = {port: 0 for port in ports}
    for path in ("/reach", "/stream", "/datagram"):
        for port, pairs in zip(ports, w.ask_all(path, ports)):
            check(pairs, f"{path}: blocked", lambda w, _: w["blocked"], slept)
            check(pairs, f"{path}: on the network", lambda _, on: on["network"], slept)
            check(pairs, f"{path}: downstream", lambda w, _: w["downstream"], lambda _: 0)
            alone(pairs)
            if statistics.median(slept(m) for m, _ in pairs) < 19 * MS:
                raise Failure("the wire took less than 20 ms")
    # by process: the time in which its threads waited for their clients, too. Who is not observed has
    # no such figure, though its datagrams are looked at to find that out
    for port, run in zip(ports, runs):
        truth = sum(m["idle"] + slept(m) for m in w.measured[str(port)])
        sleeps_as(run.settled_metrics(), network=truth)
        run.end()


@case(group=None, limit=LIMIT)
def stuck_request_is_seen(e):
    """A request without any answer is in flight, and grows old, as long as its server lives."""
    port = free_port()
    server = e.serve([e.program("waits"), port, "-", "-"], port)
    run = Sonde(e, "run", "--port", port).wait_ready()

    def figures():
        m = run.metrics()
        active = sum(v for have, v in m.of("http_server_active_requests")
                     if have["http_request_method"] == "GET" and have["service_name"] == "waits")
        oldest = max((v for have, v in m.of("sonde_oldest_active_request_seconds")
                      if have["protocol"] == "http" and have["service_name"] == "waits"), default=0)
        return active, oldest
    with Raw(port) as stuck, Raw(port) as other:
        began = time.monotonic()
        stuck.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        other.ask("GET", "/plain")
        time.sleep(1)
        least = time.monotonic() - began
        active, oldest = figures()
        if active != 1 or not least - 0.2 <= oldest <= time.monotonic() - began:
            raise Failure(f"{active} in flight, the oldest for {oldest} s, after {least} s")
        top = e.procs.run([e.sonde, "top", "--once", "--json", "--connect",
                           f"http://127.0.0.1:{run.port}"])
        rows = [(r["role"], r["in_flight"]) for r in json.loads(top.stdout())["services"]
                if r["service"] == "waits"]
        if rows != [("server", 1)]:
            raise Failure(f"after {least} s top shows {rows}")
    server.stop()
    until(lambda: figures() == (0, 0), 5, "end of what was in flight")
