# SPDX-License-Identifier: Apache-2.0
"""Large bodies in HTTP/2: counted to the byte, and not copied."""
import json
import os
import random
import socket
import threading
from collections import Counter

from harness import h2
from harness.case import case
from harness.env import quiet, tool
from harness.expect import difference
from harness.proc import Failure, free_port
from harness.sonde import Sonde

from .tls import certificate

BIG = 20_000_000
LOADED = 6
SO_SNDBUFFORCE = 32


def transactions_of(e, recording):
    p = e.procs.run([e.sonde, "replay", recording, "--json"])
    return [json.loads(line) for line in p.stdout().splitlines()]


def bulk(e, *certified):
    """20 MB down and up, and several at once; what was recorded is what came through the ring."""
    port, at = free_port(), e.write("site/large", b"x" * BIG)
    tls = ["--no-tls"] if not certified else []
    e.serve([tool("nghttpd"), *tls, "-a", "127.0.0.1", "-d", os.path.dirname(at), port,
             *reversed(certified)], port)
    url, recording = f"http{'s' if certified else ''}://127.0.0.1:{port}", e.path("recording")
    s = Sonde(e, "run", "--port", port, "--record", recording).wait_ready()
    version = ["--http2-prior-knowledge"] if not certified else ["-k", "--http2"]
    status = [e.curl(*version, *what).status[0] for what in
              ((url + "/large",), ("--data-binary", "@" + at, url + "/up"))]
    p = e.procs.run([tool("h2load"), "-n", LOADED, "-c", 2, "-m", 3, url + "/large"], seconds=40)
    if f"{LOADED} succeeded" not in p.stdout() or status[0] != 200:
        raise Failure(f"curl: {status}, h2load: {p.stdout()[-300:]!r}")
    lost = {k: v for k, v in s.settled_metrics().lost().items() if v}
    s.end()
    size = os.path.getsize(recording)
    e.figures.update(moved=2 * (2 + LOADED) * BIG, recorded=size, lost=lost)
    judge(port, status, size, lost, transactions_of(e, recording))


def judge(port, status, size, lost, transactions):
    found = [f"lost {lost}"] if lost else []
    for role in ("server", "client"):
        mine = [t for t in transactions if t["role"] == role and str(port) in t["peer"] + t["local"]]
        seen = Counter((t["method"], t["target"], t["status"]) for t in mine)
        found += difference(role, Counter({("GET", "/large", 200): 1 + LOADED,
                                           ("POST", "/up", status[1]): 1}), seen)
        for t in mine:
            n = t["response_bytes" if t["method"] == "GET" else "request_bytes"]
            # a head for each frame of 16 KiB, and that of the message
            if not BIG < n < BIG * 1.001 + 500:
                found.append(f"{role} {t['target']}: {n} bytes for a body of {BIG}")
    moved = 2 * (2 + LOADED) * BIG  # at both ends
    if size > moved / 8:
        found.append(f"{size} bytes came through the ring of {moved}")
    if found:
        raise Failure("; ".join(found[:6]))


@case(group=None)
def http2_bulk(e):
    bulk(e)


@case(group=None, limit=60)
def tls_http2_bulk(e):
    """The same of plaintext, which OpenSSL hands over."""
    bulk(e, *certificate(e))


class Call:
    """A stream's DATA in frames of any size; what a body begins with tells whether it may be a call
    of gRPC, of which messages lie anywhere."""

    def __init__(self, rng, stream, kind):
        self.rng, self.stream, self.kind, self.messages = rng, stream, kind, 0
        self.left = b""
        if kind != "call":
            self.left = {"text": b"x", "zeros": b"\0", "ones": b"\1"}[kind] * rng.randrange(400_000)
        for _ in range(rng.randrange(1, 60) if kind == "call" else 0):
            n = rng.choice((0, 1, 50, 700, 5000, 30_000))
            self.left += b"\0" + n.to_bytes(4, "big") + b"m" * n
            self.messages += 1

    def begin(self, c):
        return c.frame(h2.HEADERS, h2.END_HEADERS, self.stream, h2.fields(
            "POST", f"/{self.kind}/{self.stream}", "application/grpc" if self.kind == "call" else None))

    def go_on(self, c):
        n = self.rng.choice((0, 1, 100, 4095, 4096, 9000, 16000, 16384, 16384, 16384))
        part, self.left = self.left[:n], self.left[n:]
        flags = 0 if self.left else h2.END_STREAM
        if self.rng.random() < .05 and len(part) < 16000:
            return c.frame(h2.DATA, flags | h2.PADDED, self.stream, b"\x07" + part + b"\0" * 7)
        return c.frame(h2.DATA, flags, self.stream, part)


def path_of(t):
    return t["target"] if t["protocol"] == "http" else "/" + t["method"]


def upload(c, rng, first):
    """Streams of all kinds, interleaved."""
    calls = [Call(rng, first + 2 * i, rng.choice(("text", "text", "zeros", "ones", "call")))
             for i in range(12)]
    data, left = b"".join(call.begin(c) for call in calls), list(calls)
    while left:
        call = rng.choice(left)
        data += call.go_on(c)
        if not call.left:
            left.remove(call)
    c.send(data)
    return calls


@case(group=None)
def http2_cut_anywhere(e):
    """Frames that begin and end anywhere within sends and receives of one buffer or of several."""
    port, recording, rng = free_port(), e.path("recording"), random.Random(9113)
    e.write("site/large", b"x" * 700_000)
    zeros = e.write("site/zeros", b"\0" * 300_000)
    e.serve([tool("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-w30", "-W30", "-d",
             os.path.dirname(zeros), port], port)
    s = Sonde(e, "record", recording, "--port", port).wait_ready()
    m = Sonde(e, "run", "--port", port).wait_ready()
    want, messages = Counter(), 0
    for _ in range(3):
        c = h2.H2(port, rng)
        c.read_until(lambda type_, stream: type_ == h2.WINDOW_UPDATE and not stream)
        calls = upload(c, rng, 1)
        paths = {call.stream: f"/{call.kind}/{call.stream}" for call in calls}
        messages += sum(call.messages for call in calls)
        for stream in range(25, 37, 2):
            paths[stream] = rng.choice(("/large", "/zeros"))
            c.send(c.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream,
                           h2.fields("GET", paths[stream])))
        c.read_until(lambda *_: c.ended >= set(paths))
        for stream, path in paths.items():
            key = (path, c.sent[stream], c.received[stream])
            want[key] += 1
        c.sock.close()
    quiet()
    counted = m.settled_metrics()
    m.end()
    s.end()
    found = [f"lost {k}: {v}" for k, v in counted.lost().items() if v]
    for role in ("server", "client"):
        seen = Counter((path_of(t), t["request_bytes"], t["response_bytes"])
                       for t in transactions_of(e, recording) if t["role"] == role)
        found += difference(role, want, seen)
        n = sum(int(v) for l, v in counted.of("sonde_rpc_messages_total")
                if l["direction"] == ("received" if role == "server" else "sent") and
                l.get("role", role) == role)
        if n != messages:
            found.append(f"{role}: {n} messages of {messages}")
    if found:
        raise Failure("; ".join(found[:6]))


def write_at_once(c, streams, each):
    """A thread for each stream, frames whole: nothing orders them but the socket."""
    start, cut = threading.Barrier(len(streams)), []

    def write(frames):
        start.wait()
        for frame in frames:
            if c.sock.send(frame) != len(frame):
                cut.append(frame)

    threads = []
    for stream in streams:
        # in order, as RFC 9113, 5.1.1 has it
        c.send(c.frame(h2.HEADERS, h2.END_HEADERS, stream, h2.fields("POST", f"/at-once/{stream}")))
        frames = [c.frame(h2.DATA, 0, stream, b"x" * (4096 + 11 * n)) for n in range(each)]
        frames.append(c.frame(h2.DATA, h2.END_STREAM, stream, b"end"))
        threads.append(threading.Thread(target=write, args=(frames,)))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if cut:
        raise Failure(f"{len(cut)} frames were sent in part")


@case(group=None)
def http2_two_threads_writing(e):
    """Of what two threads send at once the sender's side may not know the order: what it tells is
    right all the same, and what it does not tell is counted. The receiver's is exact."""
    port, recording = free_port(), e.path("recording")
    e.serve([tool("nghttpd"), "--no-tls", "-a", "127.0.0.1", "-w30", "-W30", "-d", e.site(), port],
            port)
    s = Sonde(e, "run", "--port", port, "--record", recording).wait_ready()
    want = Counter()
    for _ in range(4):
        c = h2.H2(port, random.Random(9113))
        c.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20)  # no send is cut by want of it
        c.read_until(lambda type_, stream: type_ == h2.WINDOW_UPDATE and not stream)
        write_at_once(c, (1, 3), 100)
        c.read_until(lambda *_: c.ended >= {1, 3})
        for stream in (1, 3):
            want[(f"/at-once/{stream}", c.sent[stream], c.received[stream])] += 1
        c.sock.close()
    lost = {k: v for k, v in s.settled_metrics().lost().items() if v}
    s.end()
    seen = {role: Counter((t["target"], t["request_bytes"], t["response_bytes"])
                          for t in transactions_of(e, recording) if t["role"] == role)
            for role in ("server", "client")}
    found = difference("server", want, seen["server"])
    found += [f"client: {n} of {k}, which nobody sent" for k, n in (seen["client"] - want).items()]
    if bool(lost) != bool(want - seen["client"]):
        found.append(f"lost {lost}, client: {seen['client']}")
    if found:
        raise Failure("; ".join(found[:6]))
