# SPDX-License-Identifier: Apache-2.0
"""Ordinary requests between real servers and real clients."""
import os
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.expect import Expect, key_of
from harness.proc import Failure, until
from harness.raw import Raw


def same(what, a, b):
    """Is the ground truth itself sound?"""
    if a != b:
        raise Failure(f"{what}: {dict(a)} is not {dict(b)}")


def curls(e, port, *asked):
    """Asks with curl, one process per line of (n, method, path, arguments...)."""
    truth = Counter()
    for n, method, path, *more in asked:
        for _ in range(n):
            p = e.curl(*more, f"http://127.0.0.1:{port}{path}")
            truth[(method, path.split("?")[0], p.status[0])] += 1
    return truth


@case()
def nginx_get_head_post(e):
    """200, 404, 204, HEAD, a POST that is not allowed, a 5 MB file by sendfile."""
    ng = e.nginx()
    truth = curls(e, ng.port, (3, "GET", "/hello"), (2, "GET", "/missing?q=1"),
                  (1, "GET", "/empty"), (2, "HEAD", "/hello", "-I"),
                  (2, "POST", "/hello", "-d", "a=1"), (2, "GET", "/big"),
                  (1, "DELETE", "/hello", "-X", "DELETE"))
    same("access log", ng.log(sum(truth.values())), truth)
    same("expected", truth, {("GET", "/hello", 200): 3, ("GET", "/missing", 404): 2,
                             ("GET", "/empty", 204): 1, ("HEAD", "/hello", 200): 2,
                             ("POST", "/hello", 405): 2, ("GET", "/big", 200): 2,
                             ("DELETE", "/hello", 405): 1})

    def sizes(seen):
        for t in seen:
            if t["target"] == "/big" and t["response_bytes"] < 5242880:
                return [f"{t['role']} /big: response_bytes {t['response_bytes']}"]
    return Expect(ng.port, truth, "nginx", "curl", check=sizes)


@case()
def nginx_keepalive(e):
    """One curl, many requests over one connection; fields of a transaction."""
    ng = e.nginx()
    url = f"http://127.0.0.1:{ng.port}/hello"
    p = e.procs.run([tool("curl"), "-sS", "-H", "X-Request-ID: one", *[url] * 25])
    if p.stdout() != "hello\n" * 25:
        raise Failure("curl did not get its 25 answers")
    truth = ng.log(25)

    def fields(seen):
        for t in seen:
            wrong = {k: t.get(k) for k, v in (
                    ("protocol", "http"), ("version", "1.1"), ("tls", False),
                    ("request_id", "one"), ("target", "/hello"), ("method", "GET"))
                     if t.get(k) != v}
            if t["role"] == "client" and t["pid"] != p.pid:
                wrong["pid"] = t["pid"]
            if t["comm"] != {"server": "nginx", "client": "curl"}[t["role"]]:
                wrong["comm"] = t["comm"]
            if wrong:
                return [f"{t['role']}: {wrong}"]
    return Expect(ng.port, truth, "nginx", "curl", check=fields)


@case()
def python_http_server(e):
    port = e.http_server()
    truth = curls(e, port, (3, "GET", "/hello"), (2, "GET", "/missing"),
                  (2, "HEAD", "/hello", "-I"),
                  (2, "POST", "/hello", "-d", "x=y"), (1, "FROB", "/hello", "-X", "FROB"),
                  (1, "GET", "/big"))
    same("expected", truth, {("GET", "/hello", 200): 3, ("GET", "/missing", 404): 2,
                             ("HEAD", "/hello", 200): 2, ("POST", "/hello", 501): 2,
                             ("FROB", "/hello", 501): 1, ("GET", "/big", 200): 1})
    return Expect(port, truth, "http.server", "curl")


@case()
def node_server(e):
    port = e.node("echo.js")
    body = e.write("body", os.urandom(300000))
    truth = curls(e, port, (3, "GET", "/ok"), (2, "GET", "/missing"), (2, "HEAD", "/ok", "-I"),
                  (2, "GET", "/broken"), (2, "POST", "/echo", "--data-binary", "@" + body),
                  (1, "PUT", "/ok", "-T", body))
    for n in (1, 22, 333):
        e.curl(f"http://127.0.0.1:{port}/users/{n}")
        truth[("GET", "/users/{id}", 200)] += 1
    return Expect(port, truth, "echo", "curl")


@case()
def python_client(e):
    ng = e.nginx()
    p = e.procs.run([PYTHON, os.path.join(PROGS, "client.py"), ng.port, "/ok", 200])
    truth = Counter(("GET", "/ok", int(line.split()[0])) for line in p.stdout().splitlines())
    same("access log", ng.log(200), truth)
    return Expect(ng.port, truth, "nginx", "client")


@case()
def node_client(e):
    ng = e.nginx()
    p = e.procs.run([tool("node"), os.path.join(PROGS, "client.js"), ng.port, "/hello", 100])
    truth = Counter(("GET", "/hello", int(s)) for s in p.stdout().split())
    same("access log", ng.log(100), truth)
    return Expect(ng.port, truth, "nginx", "client")


@case()
def proxy_sees_both_sides(e):
    """nginx in front of node: each is observed in each role it plays."""
    back = e.node("echo.js")
    front = e.nginx(f"location / {{ proxy_pass http://127.0.0.1:{back}; }}")
    truth = Counter()
    for path in ("/echo", "/missing", "/broken"):
        for _ in range(5):
            p = e.curl("-d", "z" * 1000, f"http://127.0.0.1:{front.port}{path}")
            truth[("POST", path, p.status[0])] += 1
    same("access log", front.log(15), truth)
    return [Expect(front.port, truth, "nginx", "curl"), Expect(back, truth, "echo", "nginx")]


@case()
def unix_socket(e):
    """By path and by abstract name."""
    path = e.path("web.sock")
    e.nginx(listen="unix:" + path)
    truth = Counter()
    for what in ("/hello", "/missing", "/hello"):
        p = e.curl("--unix-socket", path, "http://localhost" + what)
        truth[("GET", what, p.status[0])] += 1
    name = "@sonde-e2e-" + str(os.getpid())
    e.serve([PYTHON, os.path.join(PROGS, "raw.py"), name, "plain"], "/proc/self")

    def listens():
        with open("/proc/net/unix") as f:
            return any(line.endswith(" " + name + "\n") for line in f)
    until(listens, 5, "listener of " + name)
    with Raw("\0" + name[1:]) as c:
        for _ in range(7):
            c.ask("GET", "/abstract")
    quiet()
    return [Expect(path, truth, "nginx", "curl"),
            Expect(name, {("GET", "/abstract", 200): 7}, "raw", "run")]


@case()
def ipv6(e):
    """Native, and IPv4 to a socket of both families."""
    port = e.http_server(host="::1")
    truth = Counter()
    for what in ("/hello", "/missing", "/hello"):
        p = e.curl("-g", f"http://[::1]:{port}{what}")
        truth[("GET", what, p.status[0])] += 1

    def native(seen):
        for t in seen:
            mine = t["local"] if t["role"] == "server" else t["peer"]
            if mine != f"[::1]:{port}":
                return [f"address {mine}"]

    def mapped(seen):
        for t in seen:
            mine = t["local"] if t["role"] == "server" else t["peer"]
            if mine != f"127.0.0.1:{both}":
                return [f"address {mine}"]
    both = e.http_server(host="::")
    p = e.curl(f"http://127.0.0.1:{both}/hello")
    return [Expect(port, truth, "http.server", "curl", check=native),
            Expect(both, {("GET", "/hello", p.status[0]): 1}, "http.server", "curl",
                   check=mapped)]


@case()
def ab_and_h2load(e):
    """Load generators, kept connections and fresh ones."""
    ng = e.nginx()
    url = f"http://127.0.0.1:{ng.port}/ok"
    e.procs.run([tool("ab"), "-q", "-k", "-c", 10, "-n", 2000, url])
    e.procs.run([tool("ab"), "-q", "-c", 4, "-n", 300, url])
    truth = ng.log(2300)
    p = e.procs.run([tool("h2load"), "--h1", "-c", 8, "-n", 2000, url])
    if "2000 succeeded" not in p.stdout():
        raise Failure(f"h2load: {p.stdout()[-200:]}")
    both = ng.log(4300)
    same("access log", both, {("GET", "/ok", 200): 4300})

    ok = ("GET", "/ok", 200, None)

    def split(seen):
        by = Counter(key_of(t) for t in seen if t["role"] == "client")
        if by != {("ab", *ok): 2300, ("h2load", *ok): 2000}:
            return [f"clients {dict(by)}"]
        version = Counter(t["version"] for t in seen if t["role"] == "server")
        if version != {"1.0": 2300, "1.1": 2000}:
            return [f"versions {dict(version)}"]
    return Expect(ng.port, both, "nginx", check=split)
