# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 in the clear: curl, nghttp and h2load against nginx, nghttpd and nghttpx."""
import json
import os
import random
import re
import socket
from collections import Counter
from itertools import product

from harness import h2
from harness.case import case
from harness.env import PROGS, quiet, tool
from harness.expect import Expect, difference
from harness.proc import Failure, free_port
from harness.raw import Raw
from harness.sonde import Sonde

BIG = 1 << 20  # in operations of up to 64 KiB


def site(e):
    folder = e.site()
    e.write("site/large", os.urandom(BIG))
    return folder


def nghttpd(e, *args):
    port = free_port()
    e.serve([tool("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-d", site(e), *args, port], port)
    return port


def version_2(transactions):
    return [f"version {t['version']}" for t in transactions if t["version"] != "2"]


def sizes(transactions):
    """The body lies within what was on the wire, and frames add little."""
    found = version_2(transactions)
    for t in transactions:
        if t["target"] == "/large" and not BIG < t["response_bytes"] < BIG * 1.01 + 500:
            found.append(f"{t['role']}: {t['response_bytes']} bytes for a body of {BIG}")
        if t["target"] == "/up" and not BIG < t["request_bytes"] < BIG * 1.01 + 500:
            found.append(f"{t['role']}: {t['request_bytes']} bytes for an upload of {BIG}")
    return found


@case()
def http2_prior_knowledge(e):
    """nginx: statuses, a large body, no body. A connection each: curl 7.88 cannot go on."""
    port = free_port()
    ng = e.nginx(f"listen 127.0.0.1:{port} http2;", root=site(e))
    at = f"http://127.0.0.1:{port}"
    ask = lambda *args: e.curl("--http2-prior-knowledge", *args).status[0]
    status = [ask(at + path) for path in ("/hello", "/empty", "/nope", "/large")]
    if status != [200, 204, 404, 200]:
        raise Failure(f"curl: {status}")
    ask("-I", at + "/hello")
    quiet()
    return Expect(port, ng.log(5), "nginx", "curl", check=sizes)


@case()
def http2_upload(e):
    port = nghttpd(e)
    status = e.curl("--http2-prior-knowledge", "--data-binary", "@" + e.path("site/large"),
                    f"http://127.0.0.1:{port}/up").status
    quiet()
    return Expect(port, {("POST", "/up", status[0]): 1}, "nghttpd", "curl", check=sizes)


@case()
def http2_upgrade(e):
    """HTTP/1.1 becomes HTTP/2, and what was asked is answered as its first stream."""
    back, port = nghttpd(e), free_port()
    e.serve([tool("nghttpx"), f"-f127.0.0.1,{port};no-tls", f"-b127.0.0.1,{back};;proto=h2",
             "--conf=/dev/null", "--workers=1"], port)
    at = f"http://127.0.0.1:{port}"
    p = e.curl("--http2", at + "/hello", at + "/nope", at + "/large")
    if p.status != [200, 404, 200]:
        raise Failure(f"curl: {p.status}")
    quiet()
    truth = Counter({("GET", "/hello", 200): 1, ("GET", "/nope", 404): 1, ("GET", "/large", 200): 1})
    # the proxy's own requests name the port that it was asked at
    return [Expect(port, truth, "nghttpx", "curl", check=sizes, in_metrics=False),
            Expect(back, truth, "nghttpd", "nghttpx", check=sizes, in_metrics=False)]


@case()
def http2_upgrade_at_once(e):
    """What is asked in the upgrade is answered behind the 101 at once, or together with it, by more
    than of any other operation is copied, and before HTTP/2 is known: on a new connection, and on one
    that was used."""
    port = e.python("raw.py", "h2c")
    wire, switch = 4 * 16009 + 10, 71  # the frames of the answer; the head before them
    for used, target in product((False, True), ("/large", "/once")):
        with Raw(port) as c:
            if used:
                c.ask("GET", "/used")
                quiet()  # by now the kernel was told how long heads are
            c.request("GET", target, ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
                                        "HTTP2-Settings: AAMAAABkAAQAAP__"])
            if target == "/once":
                c.buffer = c.sock.recv(switch + 9 + wire, socket.MSG_WAITALL)
            else:
                c.buffer = c.sock.recv(switch, socket.MSG_WAITALL)
            if c.head()[0] != 101 or (c.buffer and target != "/once"):
                raise Failure("no 101")
            c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            c.exactly(9 + wire)
    quiet()

    def whole(seen):
        large = [(t["version"], t["response_bytes"]) for t in seen if t["target"] != "/used"]
        return [f"{v}: {n} bytes" for v, n in large if (v, n) != ("2", wire)]
    return Expect(port, {("GET", "/large", 200): 2, ("GET", "/once", 200): 2,
                         ("GET", "/used", 200): 2}, "raw", "run", check=whole, in_metrics=False)


@case()
def http2_interleaved(e):
    """Many streams at once, of bodies that interleave; trailers, padding, a server's push."""
    port = nghttpd(e, "--padding=7", "--trailer=sum: 1", "--push=/large=/hello")
    at = f"http://127.0.0.1:{port}"
    p = e.procs.run([tool("nghttp"), "-n", "-m", 3, at + "/large", at + "/hello", at + "/nope"])
    if p.code:
        raise Failure(f"nghttp: {p.stderr()[-200:]}")
    quiet()
    return Expect(port, {("GET", "/large", 200): 3, ("GET", "/hello", 200): 3,
                         ("GET", "/nope", 404): 3}, "nghttpd", "nghttp", check=sizes)


def away(e, *type_):
    """What came of streams of Node's that a server of its own answered, kept or refused."""
    port = e.node("goaway.js", "serve", *type_)
    p = e.procs.run([tool("node"), os.path.join(PROGS, "goaway.js"), port, "ask", *type_])
    said = {"/away/first 200 0": 1, "/away/kept 200 0": 2, "/away/refused 0 7": 3}
    if p.code or json.loads(p.stdout()) != said:
        raise Failure(f"goaway.js: {p.stdout()} {p.stderr()[-200:]}")
    return port


def at_once(transactions):
    """They end with the GOAWAY, before those are answered that it left."""
    found = version_2(transactions)
    for role in ("server", "client"):
        ends = {name: [t["time_unix_nano"] + t["duration_ns"] for t in transactions
                       if t["role"] == role and name in (t.get("target") or t["method"])]
                for name in ("refused", "kept")}
        if len(set(ends["refused"])) != 1 or ends["refused"][0] > min(ends["kept"]):
            found.append(f"{role}: {ends}")
    return found


@case()
def http2_goes_away(e):
    """A shutdown in good order: streams above the last one are refused, and the others answered."""
    port, calls = away(e), away(e, "application/grpc")
    quiet()
    return [Expect(port, {("POST", "/away/first", 200): 1, ("POST", "/away/kept", 200): 2,
                          ("POST", "/away/refused", None, "refused_stream"): 3},
                   "goaway", "goaway", check=at_once),
            Expect(calls, {("away/first", None, "OK", None): 1, ("away/kept", None, "OK", None): 2,
                           ("away/refused", None, "UNAVAILABLE", "UNAVAILABLE"): 3},
                   "goaway", "goaway", check=at_once, kind="rpc")]


@case()
def http2_behind_goaway(e):
    """Node hears nothing of a request that comes when it has gone away already."""
    port = e.node("goaway.js", "serve")
    c = h2.H2(port, random.Random(1))
    # whole: of many pieces that are read at once not each one's arrival is known
    ask = lambda *of: c.send(b"".join(c.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream,
                                              h2.fields("POST", path)) for stream, path in of), whole=True)
    ask((1, "/away/first"))
    ask(*((n, "/away/kept" if n <= 5 else "/away/refused") for n in range(3, 13, 2)))
    gone = []
    c.read_until(lambda type_, stream: type_ == h2.GOAWAY and gone.append(1) or len(gone) == 2)
    ask((13, "/away/behind"))
    c.read_until(lambda *_: {1, 3, 5} <= c.ended)
    c.sock.close()
    quiet()

    def none_lasts(seen):
        behind = [(t["role"], t["duration_ns"]) for t in seen if t["target"] == "/away/behind"]
        return [f"{role}: {ns} ns" for role, ns in behind if ns]
    return Expect(port, {("POST", "/away/first", 200): 1, ("POST", "/away/kept", 200): 2,
                         ("POST", "/away/refused", None, "refused_stream"): 3,
                         ("POST", "/away/behind", None, "refused_stream"): 1},
                  "goaway", "run", check=none_lasts)


@case()
def http2_requests_enough(e):
    """nginx answers no more on a connection than it is told to; what was sent ahead it refuses."""
    asked, enough, port = 12, 5, free_port()
    ng = e.nginx(f"listen 127.0.0.1:{port} http2; keepalive_requests {enough};")
    p = e.procs.run([tool("nghttp"), "-n", *[f"http://127.0.0.1:{port}/hello?{n}"
                                             for n in range(asked)]])
    if f"total={asked}, processed={enough}" not in p.stdout() + p.stderr():
        raise Failure(f"nghttp: {p.stdout()[-200:]} {p.stderr()[-200:]}")
    quiet()
    truth = ng.log(enough)
    if sum(truth.values()) != enough:
        raise Failure(f"nginx: {truth}")
    truth[("GET", "/hello", None, "refused_stream")] = asked - enough
    return Expect(port, truth, "nginx", "nghttp")


@case(group=None)
def h2load_100000(e):
    """100,000 requests, 100 streams on each of 4 connections: equal counts in both roles."""
    port = nghttpd(e)
    s = Sonde(e, "run", "--server-address", "on", "--port", port).wait_ready()
    p = e.procs.run([tool("h2load"), "-n", 100000, "-c", 4, "-m", 100,
                     f"http://127.0.0.1:{port}/hello"], seconds=25)
    done = re.search(r"requests: .* (\d+) succeeded, 0 failed, 0 errored, 0 timeout", p.stdout())
    if not done or int(done[1]) != 100000:
        raise Failure(f"h2load: {p.stdout()[-300:]!r}")
    m = s.settled_metrics(limit=15)
    s.end()
    e.figures.update(sent=100000, counted=sum(m.requests("server").values()), lost=m.lost())
    found = [f"lost {k}: {v}" for k, v in m.lost().items() if v]
    for role, service in (("server", "nghttpd"), ("client", "h2load")):
        truth = Counter({(service, "GET", "/hello", 200, None): 100000})
        found += difference(role, truth, m.requests(role, port))
    if found:
        raise Failure("; ".join(found[:6]))
