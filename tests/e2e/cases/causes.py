# SPDX-License-Identifier: Apache-2.0
"""Kinds of causes one by one: contexts as they are carried, forks, retries, pipelines."""
import json
import re
import socket
import threading
from collections import defaultdict

from harness.case import case
from harness.proc import Failure, free_port, until
from harness.raw import Raw
from harness.sonde import Sonde, get

from .postgres import Server
from .traces import load, none, port_of

# how a request says the trace 0..0abN and the span cdN, N its number
FORMS = {
    "w3c": lambda n: f"traceparent: 00-{0xab00 + n:032x}-{0xcd00 + n:016x}-01\r\n"
                     "tracestate: a=1,b=2\r\n",
    "b3": lambda n: f"b3: {0xab00 + n:032x}-{0xcd00 + n:016x}-1-{1:016x}\r\n",
    "b3-short": lambda n: f"B3: {0xab00 + n:016x}-{0xcd00 + n:016x}\r\n",
    "b3-several": lambda n: f"X-B3-TraceId: {0xab00 + n:032x}\r\nX-B3-SpanId: {0xcd00 + n:016x}\r\n"
                            "X-B3-Sampled: 1\r\n",
}


def tail(e, *args):
    s = Sonde(e, "tail", "--json", *args)
    s.wait_ready()
    return s


def finished(s):
    s.settle(quiet=1.2)
    s.end()
    return s.transactions


def fail_unless(what, got, want):
    if got != want:
        raise Failure(f"{what}: {got!r}, not {want!r}")


@case(group=None)
def contexts_in_every_form(e):
    """Of each request its own, pipelined on one connection with others that have none; and of SQL."""
    ng, database = e.nginx(), Server(e)
    s = tail(e, "--port", f"{ng.port},{database.port}")
    forms = [*FORMS.items()] * 5
    with Raw(ng.port) as c:
        c.send("".join(f"GET /{name}/{n} HTTP/1.1\r\nHost: a\r\n{form(n) if n % 3 else ''}\r\n"
                       for n, (name, form) in enumerate(forms)))
        for _ in forms:
            c.response("GET")
    for n in range(4):
        made = f"/*action='r',traceparent='00-{0xab00 + n:032x}-{0xcd00 + n:016x}-01'*/"
        if database.run("psql", "127.0.0.1", "-c", f"SELECT 1 AS r_{n} {made}", "postgres").code:
            raise Failure("psql failed")
    seen = finished(s)
    for role in ("client", "server"):
        asked = {t["target"]: t for t in seen if t["role"] == role and "target" in t}
        fail_unless(f"{role}: how many", len(asked), len(forms))
        for n, (name, _) in enumerate(forms):
            check(f"{role} /{name}/{n}", asked[f"/{name}/{n}"], n, carries=n % 3)
        queries = [t for t in seen if t["role"] == role and "r_" in t.get("query", "")]
        fail_unless(f"{role}: queries", len(queries), 4)
        for t in queries:
            check(f"{role} of {t['query']}", t, int(re.search(r"r_(\d)", t["query"])[1]), True)
    twins(seen)


def check(what, t, n, carries):
    if carries:
        fail_unless(what, (t["parent"], t["trace_id"], t["parent_span_id"]),
                    ("header", f"{0xab00 + n:032x}", f"{0xcd00 + n:016x}"))
    elif t["role"] == "server":
        fail_unless(what, t["parent"], "connection")
    else:
        fail_unless(what, (t["parent"], t["parent_span_id"]), ("none", None))


def twins(seen):
    """What carries no context is its own client's child, though all went out in one write."""
    spans = {t["span_id"]: t for t in seen}
    fail_unless("ids", len(spans), len(seen))
    for t in seen:
        if t["parent"] == "connection":
            above = spans[t["parent_span_id"]]
            fail_unless("the other end", (above["role"], above.get("target"), above["trace_id"]),
                        ("client", t.get("target"), t["trace_id"]))


@case(group=None)
def forked_for_a_request(e):
    """curl run by threads that serve several at once, by itself and by a shell."""
    back = e.nginx("location /r/ { return 200 ok; }").port
    front = e.python("forker.py", back)
    s = tail(e)
    sent = load(front, "f", 4, none, 24)
    seen = finished(s)
    spans = {t["span_id"]: t for t in seen}
    mine = [t for t in seen if t["role"] == "client" and port_of(t["peer"]) == back]
    fail_unless("calls", sorted(t["target"] for t in mine), sorted(f"/r/{i}" for i in sent))
    for t in mine:
        fail_unless(f"{t['target']} is known by", t["parent"], "handover")
        above = spans[t["parent_span_id"]]
        fail_unless("its parent", (above["role"], above["target"], above["trace_id"]),
                    ("server", t["target"], t["trace_id"]))


@case(group=None)
def a_trace_is_read_back(e):
    """Through a proxy, by the API: its four spans, each the child of the one before."""
    back = e.nginx("location /r/ { return 200 ok; }").port
    front = e.nginx(f"location / {{ proxy_pass http://127.0.0.1:{back}; }}").port
    s = Sonde(e, "run", "--port", f"{front},{back}").wait_ready()
    e.curl("-H", f"traceparent: 00-{0xabc:032x}-{0xdef:016x}-01", f"http://127.0.0.1:{front}/r/1")
    e.curl(f"http://127.0.0.1:{front}/r/2")

    def ask(path):
        status, _, body = get(s.port, "/api/v1/" + path)
        return json.loads(body) if status == 200 else None
    until(lambda: len((ask(f"traces/{0xabc:032x}") or {"spans": ()})["spans"]) == 4, 5, "four spans")
    spans = sorted(ask(f"traces/{0xabc:032x}")["spans"], key=lambda t: t["time_unix_nano"])
    fail_unless("who", [(t["service"], t["kind"], t["name"], t["status"]) for t in spans],
                [(who, kind, "GET /r/{id}", "200") for who, kind in
                 (("curl", "client"), ("nginx", "server"), ("nginx", "client"), ("nginx", "server"))])
    # curl says that it is the child of another, and nginx passes on what it was given
    fail_unless("whose", [t["parent_span_id"] for t in spans],
                [f"{0xdef:016x}", f"{0xdef:016x}", spans[1]["span_id"], spans[2]["span_id"]])

    def edges():
        return {(x["client"], x["server"]): x["requests"] for x in ask("map")["edges"]}
    truth = {("curl", "nginx"): 2, ("nginx", "nginx"): 2}
    until(lambda: edges() == truth, 5, "edges of the second trace too")
    fail_unless("edges", edges(), truth)
    s.end()


class Refuser(threading.Thread):
    """Reads requests, and closes their connections without a word."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            peer.recv(4096)
            peer.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@case(group=None)
def retries_are_of_one_request(e):
    """nginx asks one that hangs up, one where nobody is, then one that answers."""
    refuser, nobody = Refuser(), free_port()
    good = e.nginx("location /r/ { return 200 ok; }").port
    front = e.nginx("location / { proxy_pass http://backs; }", f"""upstream backs {{
        server 127.0.0.1:{refuser.port} max_fails=0; server 127.0.0.1:{nobody} max_fails=0;
        server 127.0.0.1:{good} backup; }}""").port
    s = tail(e)
    sent = load(front, "t", 1, none, 20)
    seen = finished(s)
    refuser.stop()
    calls = defaultdict(set)
    for t in seen:
        if t["role"] == "client" and t["service"] == "nginx":
            fail_unless("a call is known by", t["parent"], "thread")
            calls[t["parent_span_id"]].add((port_of(t["peer"]), t.get("target")))
    for t in seen:
        if t["role"] == "server" and port_of(t["local"]) == front:
            fail_unless(f"calls for {t['target']}", calls.pop(t["span_id"], None),
                        {(refuser.port, t["target"]), (nobody, None), (good, t["target"])})
            sent.pop(t["target"][3:])
    fail_unless("calls of no request, and requests without", (dict(calls), sent), ({}, {}))
