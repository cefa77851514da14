# SPDX-License-Identifier: Apache-2.0
"""Every way HTTP/1 says where a message ends, against real parsers."""
import os
import time
from collections import Counter

from harness.case import case
from harness.env import quiet, tool
from harness.expect import Expect
from harness.proc import Failure
from harness.raw import Raw

from cases.plain import curls, same


@case()
def pipelined(e):
    """Ten requests in one write."""
    expects = []
    for port, service in ((e.nginx().port, "nginx"), (e.http_server(), "http.server")):
        truth = Counter()
        other = ("HEAD", "/missing" if service == "nginx" else "/hello")
        asked = [("GET", "/hello") if n % 3 else other for n in range(10)]
        with Raw(port) as c:
            c.send("".join(f"{m} {t} HTTP/1.1\r\nHost: a\r\n\r\n" for m, t in asked))
            for m, t in asked:
                truth[(m, t, c.response(m).status)] += 1
        quiet()
        expects.append(Expect(port, truth, service, "run"))
    return expects


@case()
def chunked_both_ways(e):
    by_curl, port = e.node("echo.js"), e.node("echo.js")
    body = e.write("body", os.urandom(200000))
    truths = [curls(e, by_curl, (3, "POST", "/echo", "-H", "Transfer-Encoding: chunked",
                                 "--data-binary", "@" + body)), Counter()]
    with Raw(port) as c:
        for sizes in ((1, 2, 3), (5000, 70000, 1), (1,) * 200):
            c.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for n in sizes:
                c.send(f"{n:X};name=value\r\n".encode() + b"q" * n + b"\r\n")
            c.send("0\r\nX-Trailer: yes\r\n\r\n")
            r = c.response("POST")
            if len(r.body) != sum(sizes):
                raise Failure("node echoed another length")
            truths[1][("POST", "/echo", r.status)] += 1
    quiet()
    return [Expect(by_curl, truths[0], "echo", "curl"), Expect(port, truths[1], "echo", "run")]


@case()
def chunked_client_role(e):
    """Chunked answers with extensions and trailers."""
    port = e.python("raw.py", "trailers")
    with Raw(port) as c:
        for _ in range(10):
            if len(c.ask("GET", "/trailers").body) != 65541:
                raise Failure("wrong body")
    quiet()
    return Expect(port, {("GET", "/trailers", 200): 10}, "raw", "run")


@case()
def http_1_0(e):
    """Without Host, with and without keep-alive."""
    ng = e.nginx()
    for _ in range(3):
        with Raw(ng.port) as c:
            c.send("GET /hello HTTP/1.0\r\n\r\n")
            c.response()
    with Raw(ng.port) as c:
        for _ in range(4):
            c.ask("GET", "/hello", ["Connection: keep-alive"], version="1.0")
    quiet()
    same("access log", ng.log(7), {("GET", "/hello", 200): 7})

    def version(seen):
        found = {t["version"] for t in seen if t["role"] == "client"}
        return [] if found <= {"1.0", "1.1"} else [f"versions {found}"]
    return Expect(ng.port, ng.log(), "nginx", "run", check=version)


@case()
def connection_close(e):
    """Connection: close, and a body that ends with the connection."""
    ng, port = e.nginx(), e.python("raw.py", "until_close")
    for _ in range(5):
        with Raw(ng.port) as c:
            c.ask("GET", "/hello", ["Connection: close"])
        with Raw(port) as c:
            if len(c.ask("GET", "/close").body) != 10000:
                raise Failure("wrong body")
    quiet()

    def sizes(seen):
        found = {(t["role"], t["response_bytes"]) for t in seen}
        return [] if len({n for _, n in found}) == 1 else [f"response_bytes {found}"]
    return [Expect(ng.port, ng.log(5), "nginx", "run"),
            Expect(port, {("GET", "/close", 200): 5}, "raw", "run", check=sizes)]


@case()
def dribbled(e):
    """A byte at a time."""
    expects = []
    post = b"POST /hello?drib=ble HTTP/1.1\r\nHost: dribble\r\nX-Request-ID: drib\r\n" \
           b"Content-Length: 12\r\n\r\nhello, world"
    get = b"GET /hello HTTP/1.1\r\nHost: dribble\r\n\r\n"
    for port, service in ((e.nginx().port, "nginx"), (e.node("echo.js"), "echo"),
                          (e.http_server(), "http.server")):
        truth = Counter()
        with Raw(port) as c:
            for text in (get, get if service == "http.server" else post):
                for b in text:
                    c.send(bytes([b]))
                    time.sleep(0.0002)
                method = text.split(b" ")[0].decode()
                truth[(method, "/hello", c.response(method).status)] += 1
        quiet()
        expects.append(Expect(port, truth, service, "run"))
    return expects


@case()
def expect_100_continue(e):
    """Interim answers answer nothing."""
    port, raw = e.node("echo.js"), e.python("raw.py", "continue")
    with Raw(port) as c:
        for _ in range(5):
            c.request("POST", "/echo", ["Expect: 100-continue", "Content-Length: 5"])
            if c.response().status != 100:
                raise Failure("no 100")
            c.send("hello")
            c.response("POST")
    with Raw(raw) as c:
        c.request("POST", "/early", ["Expect: 100-continue", "Content-Length: 5"])
        c.response()
        c.send("hello")
        if [c.response().status, c.response().status] != [103, 200]:
            raise Failure("no 103")
    quiet()
    return [Expect(port, {("POST", "/echo", 200): 5}, "echo", "run"),
            Expect(raw, {("POST", "/early", 200): 1}, "raw", "run")]


@case()
def expectation_refused(e):
    """Told 417, curl sends no body but, on the same connection, its request again without asking."""
    port, body = e.python("raw.py", "refuse"), e.write("body", b"u" * 2_000_000)
    url = f"http://127.0.0.1:{port}/up"
    p = e.procs.run([tool("curl"), "-sS", "-w", "%{http_code} %{num_connects}\\n", "-o", "/dev/null",
                     "--data-binary", "@" + body, url, "--next", "-sS", "-w",
                     "%{http_code} %{num_connects}\\n", "-o", "/dev/null", url])
    if p.stdout() != "200 1\n200 0\n":
        raise Failure(f"curl: {p.stdout()}")
    quiet()

    def sizes(seen):
        found = {(t["status"], t["request_bytes"]) for t in seen if t["method"] == "POST"}
        whole = {status for status, n in found if n > 2_000_000}
        return [] if len(found) == 2 and whole == {200} else [f"sizes {found}"]
    return Expect(port, {("POST", "/up", 417): 1, ("POST", "/up", 200): 1, ("GET", "/up", 200): 1},
                  "raw", "curl", check=sizes)


@case()
def big_heads(e):
    """16 KB of headers."""
    expects = []
    for port, service in ((e.nginx().port, "nginx"), (e.node("echo.js"), "echo"),
                          (e.http_server(), "http.server")):
        truth = Counter()
        with Raw(port) as c:
            for n in range(5):
                headers = [f"X-Long-{i}: " + "h" * (2000 + n) for i in range(8)]
                r = c.ask("GET", "/hello", [*headers, f"X-Request-ID: big-{n}"])
                truth[("GET", "/hello", r.status)] += 1
        quiet()

        def ids(seen):
            found = {t.get("request_id") for t in seen}
            want = {f"big-{n}" for n in range(5)}
            return [] if found == want else [f"request_id {found}"]
        expects.append(Expect(port, truth, service, "run", check=ids))
    return expects


@case()
def growing_response_heads(e):
    """Heads from 100 bytes to 12 KB on one connection, in any order."""
    port = e.python("raw.py", "heads")
    with Raw(port) as c:
        for size in (100, 900, 3000, 200, 12000, 40, 1100, 20000, 60):
            if len(c.ask("GET", f"/heads?{size}").headers["x-long"]) != size:
                raise Failure("not the head that was asked for")
    quiet()
    return Expect(port, {("GET", "/heads", 200): 9}, "raw", "run")


@case()
def targets(e):
    """Absolute form, asterisk, queries with secrets, and long ones."""
    port = e.python("raw.py", "plain")
    with Raw(port) as c:
        c.ask("GET", "http://shop.test/absolute?x=1")
        c.ask("OPTIONS", "*")
        c.ask("GET", "/login?user=ann&token=tops3cret")
        c.ask("GET", "/long?" + "a" * 3000)
    quiet()

    def cut(seen):
        text = " ".join(t["target"] for t in seen)
        found = ["a secret was printed"] if "tops3cret" in text else []
        return found + [f"target of {len(t['target'])}" for t in seen
                        if len(t["target"].encode()) > 1024]

    truth = {("GET", "/absolute", 200): 1, ("OPTIONS", "*", 200): 1, ("GET", "/login", 200): 1,
             ("GET", "/long", 200): 1}
    return Expect(port, truth, "raw", "run", check=cut)


@case()
def websocket(e):
    """An upgrade ends HTTP: what follows is never parsed, whatever it looks like."""
    port = e.python("raw.py", "websocket")
    for _ in range(3):
        with Raw(port) as c:
            c.request("GET", "/ws", ["Upgrade: websocket", "Connection: Upgrade"])
            c.response()
            for _ in range(5):
                c.send("GET /fake HTTP/1.1\r\nHost: x\r\n\r\n")
                c.exactly(31)
    for used in (False, True):
        with Raw(port) as c:
            if used:
                c.ask("GET", "/used")
                quiet()  # by now the kernel was told how long heads are
            c.request("GET", "/at-once", ["Upgrade: websocket", "Connection: Upgrade"])
            c.head()
            c.exactly(8192)
            c.send("GET /fake HTTP/1.1\r\nHost: x\r\n\r\n")
            c.exactly(31)
    quiet()
    return Expect(port, {("GET", "/ws", 101): 3, ("GET", "/at-once", 101): 2, ("GET", "/used", 200): 1},
                  "raw", "run")


@case()
def connect_tunnel(e):
    port = e.python("raw.py", "connect")
    with Raw(port) as c:
        c.request("CONNECT", "inner.test:443")
        c.response("CONNECT")
        for _ in range(5):
            c.send("GET /fake HTTP/1.1\r\nHost: x\r\n\r\n")
            c.exactly(31)
    quiet()
    # server_port of a CONNECT is that of its target
    return Expect(port, {("CONNECT", None, 200): 1}, "raw", "run", in_metrics=False)


@case()
def server_sent_events(e):
    """Timed to the first byte of the response, not to the end of the stream, 0.4 s later at least."""
    port, took = e.python("raw.py", "events"), []
    for _ in range(2):
        with Raw(port) as c:
            began = time.monotonic_ns()
            c.ask("GET", "/events")
            took.append(time.monotonic_ns() - began)
    quiet()

    def early(seen):
        found = []
        for role, before_ms in (("server", 350), ("client", 100)):  # who may be late to read it
            told = [t["duration_ns"] for t in seen if t["role"] == role]
            if any(ns > whole - before_ms * 1_000_000 for ns, whole in zip(told, took)):
                found.append(f"{role}: durations {told} of {took}")
        return found
    return Expect(port, {("GET", "/events", 200): 2}, "raw", "run", check=early)
