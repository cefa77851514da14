# SPDX-License-Identifier: Apache-2.0
"""Whose connection it is: old ones, shared ones, passed and inherited ones."""
import os
import socket
import time
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.expect import Expect
from harness.proc import Failure, free_port
from harness.raw import Raw

from cases.plain import same


def open_before(e):
    """A kept connection with a finished request, one with nothing yet."""
    e.data["nginx"] = e.nginx()
    e.data["used"] = Raw(e.data["nginx"].port)
    e.data["used"].ask("GET", "/hello")
    e.data["fresh"] = Raw(e.data["nginx"].port)
    e.data["port"] = e.http_server()
    e.data["python"] = Raw(e.data["port"])
    e.data["python"].ask("GET", "/hello")


@case(before=open_before)
def opened_before_sonde(e):
    truth = Counter()
    for name, n in (("used", 10), ("fresh", 5)):
        for i in range(n):
            path = "/ok" if i % 2 else "/missing"
            truth[("GET", path, e.data[name].ask("GET", path).status)] += 1
    other = Counter()
    for path in ("/hello", "/hello", "/missing"):  # its 404 closes
        other[("GET", path, e.data["python"].ask("GET", path).status)] += 1
    for name in ("used", "fresh", "python"):
        e.data[name].sock.close()
    quiet()
    same("access log", e.data["nginx"].log(16), truth + Counter({("GET", "/hello", 200): 1}))
    return [Expect(e.data["nginx"].port, truth, "nginx", "run"),
            Expect(e.data["port"], other, "http.server", "run")]


TCP_CLOSE = 7


@case()
def read_when_all_is_over(e):
    """A client that says it has nothing more to say, and reads when its server has closed."""
    port = e.python("raw.py", "plain")
    for n in range(20):
        with Raw(port) as c:
            c.send("GET /early HTTP/1.1\r\nHost: localhost\r\n\r\n")
            c.sock.shutdown(socket.SHUT_WR)
            until = time.monotonic() + 5
            while c.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != TCP_CLOSE:
                if time.monotonic() > until:
                    raise Failure("the server does not close")
            if n % 2:
                c.buffer = c.sock.recv(30)
            if c.response().status != 200 or c.sock.recv(1):
                raise Failure("no 200, or more than that")
    quiet()
    return Expect(port, {("GET", "/early", 200): 20}, "raw", "run")


@case()
def prefork_workers(e):
    """gunicorn: workers that share a listener are one service."""
    port = free_port()
    p = e.serve([PYTHON, tool("gunicorn"), "-w", 3, "-b", f"127.0.0.1:{port}", "shop:app"],
                port, cwd=PROGS, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    workers = e.workers(p.pid, 3)
    truth = Counter()
    for n in range(30):
        path = ("/cart", "/pay", "/gone")[n % 3]
        r = e.curl("-d", "q" * n, f"http://127.0.0.1:{port}{path}")
        truth[("POST", path, r.status[0])] += 1

    def by_worker(seen):
        odd = {t["pid"] for t in seen if t["role"] == "server"} - set(workers)
        return [f"pids {odd} are no workers"] if odd else []
    return Expect(port, truth, "shop", "curl", check=by_worker)


@case()
def two_threads_one_socket(e):
    """Whole requests, and requests in two pieces, read by either thread."""
    port = e.c("twothreads")
    with Raw(port) as c:
        for n in range(200):
            text = f"GET /threads?n={n} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            if n % 2:
                c.send(text[:30])
                quiet(0.002)
                c.send(text[30:])
            else:
                c.send(text)
            if c.response().status != 200:
                raise Failure("no 200")
    quiet()
    return Expect(port, {("GET", "/threads", 200): 200}, "twothreads", "run")


@case()
def passed_descriptor(e):
    """Accepted by one process, served by another that got it by SCM_RIGHTS."""
    port = e.python("raw.py", "pass")
    parent = e.procs.all[-1].pid
    worker = e.workers(parent, 1)[0]
    for _ in range(5):
        with Raw(port) as c:
            c.ask("GET", "/passed")
            c.ask("POST", "/passed", body=b"b" * 100)
    quiet()

    def pids(seen):
        found = {t["pid"] for t in seen if t["role"] == "server"}
        return [] if found == {worker} else [f"pids {found}, not {worker}"]
    return Expect(port, {("GET", "/passed", 200): 5, ("POST", "/passed", 200): 5}, "raw", "run",
                  check=pids)


@case()
def inherited_descriptor(e):
    """Served by a child that inherited the connection by fork."""
    port = e.python("raw.py", "fork")
    parent = e.procs.all[-1].pid
    for _ in range(5):
        with Raw(port) as c:
            c.ask("GET", "/inherited", ["Connection: close"])
            c.ask("GET", "/inherited")
    quiet()

    def pids(seen):
        found = {t["pid"] for t in seen if t["role"] == "server"}
        return [] if len(found) == 5 and parent not in found else [f"pids {found}"]
    return Expect(port, {("GET", "/inherited", 200): 10}, "raw", "run", check=pids)


@case()
def descriptor_reuse(e):
    """The same number is a socket, then a pipe that carries HTTP's words, then a socket again."""
    ports = [e.nginx().port, e.python("raw.py", "plain")]
    truths = [Counter(), Counter()]
    number = None
    for n in range(20):
        with Raw(ports[n % 2]) as c:
            if number is not None and c.sock.fileno() != number:
                raise Failure("the descriptor's number changed")
            number = c.sock.fileno()
            truths[n % 2][("GET", "/ok", c.ask("GET", "/ok").status)] += 1
        r, w = os.pipe()
        if number not in (r, w):
            raise Failure("the descriptor's number was not reused")
        os.write(w, b"GET /pipe HTTP/1.1\r\nHost: a\r\n\r\n")
        os.read(r, 100)
        os.close(r)
        os.close(w)
    quiet()
    return [Expect(ports[0], truths[0], "nginx", "run"), Expect(ports[1], truths[1], "raw", "run")]


@case()
def short_lived_process(e):
    """A client that lives a few milliseconds still has its name."""
    ng = e.nginx("location = /brief { return 200; }")
    for _ in range(20):
        e.procs.run([e.program("brief"), ng.port])
    same("access log", ng.log(20), {("GET", "/brief", 200): 20})

    def names(seen):
        found = {t["comm"] for t in seen if t["role"] == "client"}
        return [] if found == {"brief"} else [f"comm {found}"]
    return Expect(ng.port, ng.log(), "nginx", "brief", check=names)


@case()
def many_connections(e):
    """200 open at once, each used in turn."""
    ng = e.nginx()
    open_ = [Raw(ng.port) for _ in range(200)]
    for _ in range(3):
        for c in open_:
            c.request("GET", "/ok")
        for c in open_:
            c.response()
    for c in open_:
        c.sock.close()
    quiet()
    return Expect(ng.port, ng.log(600), "nginx", "run")
