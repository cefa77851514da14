# SPDX-License-Identifier: Apache-2.0
"""Go within TLS: crypto/tls at both ends, in programs built in every way."""
import json
import os
import signal
from collections import Counter

from harness import golang
from harness.case import case
from harness.expect import Expect
from harness.holdings import held_objects
from harness.proc import Failure, free_port, until
from harness.replay import replay
from harness.sonde import Sonde

from . import tls

BUILDS = {
    "plain": ([], {}),
    "stripped": (["-ldflags=-s -w"], {"CGO_ENABLED": "0"}),
    # as distributions build: by another linker, placed when it is loaded, stripped
    "pie": (["-buildmode=pie", "-ldflags=-s -w -linkmode=external"], {}),
}


def program(e, build):
    """secure.go; the path differs by build, so that no other case's file is watched for it."""
    return golang.program(e, "secure", build, *BUILDS[build])


def build(e):
    for name in BUILDS:
        program(e, name)


def serve(e, path, *words):
    port = free_port()
    e.serve([path, "serve", port, *tls.certificate(e), *words], port)
    return port


def ask(path, port, connections, requests, *more, protocol="http/1.1"):
    return [path, "ask", port, protocol, connections, requests, *more]


def marked(e, build, connections, requests, protocol="http/1.1"):
    """Each request on the connection that carried it, at both ends; the server says as many."""
    path = program(e, build)
    port = serve(e, path)
    name = os.path.basename(path)
    w = tls.Watched(e, port)
    p = e.procs.run(ask(path, port, connections, requests, protocol=protocol), seconds=60)
    told = dict(line.split() for line in p.stdout().splitlines())
    if p.code or len(told) < connections:  # net/http makes one more now and then
        raise Failure(f"the client: {len(told)} connections, exit {p.code}: {p.stderr()[-200:]}")
    seen = w.judge(Expect(port, {("GET", tls.ROUTE, 200): connections * requests}, name, name,
                          check=tls.each_on_its_own(told)))
    e.figures.update(sent=connections * requests, connections=connections, lost={},
                     counted=sum(t["role"] == "server" for t in seen))
    logged = sum(p.stdout().count("GET /marked/") for p in e.procs.all)
    if logged != connections * requests:
        raise Failure(f"the server's own log has {logged} requests")


@case(group=None, limit=90)
def go_tls_10000_over_50(e):
    marked(e, "plain", 50, 200)


@case(group=None, limit=90)
def go_tls_stripped(e):
    marked(e, "stripped", *e.amount((20, 50), (50, 200)))


@case(group=None, limit=240)
def go_tls_of_another_linker(e):
    marked(e, "pie", *e.amount((20, 50), (50, 200)))


@case(group=None, limit=90)
def go_tls_http2(e):
    marked(e, "stripped", 10, 100, protocol="h2")


def large(e, version, post, answer):
    """Pieces of a write are records that begin small and grow."""
    path = program(e, "stripped")
    port = serve(e, path, version)
    w = tls.Watched(e, port)
    p = e.procs.run(ask(path, port, 3, 10, 0, f"/big/{answer}:{post}"), seconds=25)
    if p.code:
        raise Failure(f"the client: {p.stderr()[-200:]}")
    name = os.path.basename(path)
    w.judge(Expect(port, {("POST", "/big/{id}", 200): 30}, name, name))


@case(group=None, limit=90)
def go_tls_large_1_3(e):
    large(e, "1.3", 50000, 200000)


@case(group=None, limit=90)
def go_tls_large_1_2(e):
    large(e, "1.2", 50000, 200000)


@case(group=None, limit=90)
def go_tls_large_1_2_chacha(e):
    large(e, "1.2-chacha", 50000, 200000)


@case(group=None, limit=90)
def go_tls_connections_within_others(e):
    """What a program wraps its sockets in has another type than net.TCPConn."""
    large(e, "1.3+wrapped", 3000, 3000)


@case(group=None, limit=90)
def go_tls_server_after_sonde(e):
    """A program of a file that nobody knew is watched before its first connection."""
    path = program(e, "plain")
    own = e.path("later")
    e.write("later", open(path, "rb").read())
    os.chmod(own, 0o755)
    port = free_port()
    w = tls.Watched(e, port)
    before = held_objects(w.sonde.proc.pid)
    e.serve([own, "serve", port, *tls.certificate(e)], port)
    tls.until_watched(e, w.sonde, before)
    tls_client = e.procs.run(ask(own, port, 5, 20), seconds=25)
    told = dict(line.split() for line in tls_client.stdout().splitlines())
    if tls_client.code or len(told) != 5:
        raise Failure(f"the client: {tls_client.stderr()[-200:]}")
    w.judge(Expect(port, {("GET", tls.ROUTE, 200): 100}, "later", "later",
                   check=tls.each_on_its_own(told)))


@case(group=None, limit=90)
def go_tls_watched_too_late(e):
    """A connection that was there before its program was watched is counted, once."""
    path, ng = program(e, "plain"), tls.nginx(e)
    own = e.path("later")
    e.write("later", open(path, "rb").read())
    os.chmod(own, 0o755)
    s = Sonde(e, "run", "--port", ng.port).wait_ready()
    s.proc.signal(signal.SIGSTOP)
    client = e.procs.start(ask(own, ng.port, 1, 8, 4))
    ng.log(1)  # by now the first answer is on its way
    s.proc.signal(signal.SIGCONT)
    if client.wait(15):
        raise Failure(f"the client: {client.stderr()[-200:]}")
    m = s.settled_metrics()
    s.end()
    lost = {k: v for k, v in m.lost().items() if v}
    n = m.requests("client")[("later", "GET", tls.ROUTE, 200, None)]
    served = m.requests("server")[("nginx", "GET", tls.ROUTE, 200, None)]
    if lost != {"tls_late": 1} or served != 8 or n > 7:
        raise Failure(f"lost {lost}, {served} requests served, {n} of the client")


@case(group=None, limit=90)
def go_tls_one_image_in_containers(e):
    """One program that overlay file systems show under several numbers is watched once."""
    path = program(e, "plain")
    mount = tls.image(e, path)
    programs = [os.path.join(mount(), os.path.basename(path)) for _ in range(2)]
    ports = [serve(e, own) for own in programs]
    w = tls.Watched(e, f"{ports[0]},{ports[1]}")
    for own, port in zip(programs, ports):
        if e.procs.run(ask(own, port, 5, 20), seconds=25).code:
            raise Failure("a client failed")
    name = os.path.basename(path)
    tls.judge_of_both_ends(w, ports, 100, name, name)


@case(group=None, limit=90)
def go_tls_older_than_sonde(e):
    """Connections that were there before: from where they were joined on, both ends alike."""
    path = program(e, "stripped")
    port = serve(e, path)
    p = e.procs.start(ask(path, port, 10, 300, 15))
    until(lambda: len(p.stdout().splitlines()) == 10, 5, "connections")
    w = tls.Watched(e, port)
    if p.wait(40):
        raise Failure(f"the client: {p.stderr()[-200:]}")
    m = w.sonde.settled_metrics()
    w.sonde.end()
    os.chmod(w.file, 0o644)
    seen = [json.loads(line) for line in replay(e, w.file).stdout().splitlines()]
    told = dict(line.split() for line in p.stdout().splitlines())
    found = tls.each_on_its_own(told)(seen)
    name = os.path.basename(path)
    for role in ("server", "client"):
        n = m.requests(role)[(name, "GET", tls.ROUTE, 200, None)]
        if not 500 <= n < 3000:
            found.append(f"{role}: {n} requests")
    if found:
        raise Failure("; ".join(found))


@case(group=None, limit=90)
def go_tls_whose_call(e):
    """A request that a handler makes within TLS is the handler's."""
    path = program(e, "plain")
    behind, port = serve(e, path), serve(e, path)
    s = Sonde(e, "tail", "--json", "--port", f"{port},{behind}").wait_ready()
    p = e.procs.run(ask(path, port, 8, 25, 0, f"/via/{behind}/x"), seconds=25)
    if p.code:
        raise Failure(f"the client: {p.stderr()[-200:]}")
    s.settle()
    s.end()
    served = {t["span_id"]: t for t in s.transactions
              if t["role"] == "server" and t["local"].endswith(f":{port}")}
    calls = [t for t in s.transactions
             if t["role"] == "client" and t["peer"].endswith(f":{behind}")]
    parents = Counter(t["parent_span_id"] for t in calls)
    found = Counter(t["parent"] for t in calls)
    # nobody says in the syscall tier on which socket a goroutine's request goes out
    right = set(parents) == set(served) or (e.tier == "syscall" and set(parents) <= {None, *served})
    if len(served) != 200 or len(calls) != 200 or not right:
        raise Failure(f"{len(served)} served, {len(calls)} calls, parents {dict(found)}")


@case(group=None, limit=90, soak_limit=900)
def go_tls_sonde_comes_and_goes(e):
    tls.comes_and_goes(e, [serve(e, program(e, "plain"))], e.amount(6, 200))


@case(group=None, limit=90)
def go_tls_check(e):
    """check --pid says whether crypto/tls is read."""
    path = program(e, "stripped")
    port = serve(e, path)
    pid = e.procs.all[-1].pid
    told = tls.told_of(e, pid)
    if not (told["go"] and told["tls"] == "go" and told["tls_read"] and not told["tls_why"]):
        raise Failure(f"check of port {port}: {told}")
