# SPDX-License-Identifier: Apache-2.0
"""
Requests of every form that programs give them, to hear.py. speak.py PORT forms | load SECONDS |
many N | once. Ends with 1 where an answer, or what the socket says of itself, is not what it must be.
"""
import fcntl
import http.client
import os
import socket
import struct
import sys
import tempfile
import termios
import time

PORT = int(sys.argv[1])
ANSWER = len(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nheard")
BIG = bytes(range(256)) * 40960  # 10 MiB
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def head(method, target, *lines):
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *lines, "", ""]).encode()


def connect(nodelay=True):
    s = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    if nodelay:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def readable(s):
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"\0\0\0\0"))[0]


def answered(s, n=1, size=ANSWER, asks=True):
    """What is there to be read is what the socket says is there."""
    end = time.monotonic() + 20
    got = 0
    while got < n * size:
        s.recv(1, socket.MSG_PEEK)
        there = readable(s)
        data = s.recv(1 << 16)
        assert not asks or 0 < there <= len(data), f"FIONREAD {there}, read {len(data)}"
        got += len(data)
        assert time.monotonic() < end
    assert got == n * size, (got, n * size)


def exchange(s, *pieces, n=1, pause=0.0, asks=True):
    for piece in pieces:
        s.sendall(piece)
        if pause:
            time.sleep(pause)
    answered(s, n, asks=asks)


def plain(s):
    for n in range(3):
        exchange(s, head("GET", f"/plain/{n}"))


def bodies(s):
    for size in (1, 1000, 40000, 70000, 600000, len(BIG)):
        exchange(s, head("POST", f"/bodies/{size}", f"Content-Length: {size}") + BIG[:size])


def apart(s):
    exchange(s, head("PUT", "/apart", "Content-Length: 5000"), BIG[:5000])
    exchange(s, head("GET", "/apart/then"))


def bytewise(s):
    data = head("POST", "/bytewise", "Content-Length: 3") + b"abc"
    exchange(s, *(data[i:i + 1] for i in range(len(data))))
    exchange(s, head("GET", "/bytewise/then"))


def split(s):
    exchange(s, b"GET /split HTTP/1.1\r\n", b"Host: h\r\n\r\n", pause=0.005)


def pipelined(s):
    exchange(s, b"".join(head("GET", f"/pipelined/{n}") for n in range(5)), n=5)


def pipelined_apart(s):
    exchange(s, *(head("GET", f"/pipelined-apart/{n}") for n in range(5)), n=5)


def pipelined_bodies(s):
    exchange(s, b"".join(head("POST", f"/pipelined-bodies/{n}", "Content-Length: 20000") +
                         BIG[:20000] for n in range(3)), n=3)


def chunked(s):
    data = head("POST", "/chunked", "Transfer-Encoding: chunked") + b"5\r\nGET /\r\n0\r\n\r\n"
    exchange(s, data)
    exchange(s, head("GET", "/chunked/then"))


def chunked_as_head(s):
    """A chunk that looks like a request is none."""
    inner = head("GET", "/inner")
    exchange(s, head("POST", "/chunked-as-head", "Transfer-Encoding: chunked"),
             b"%x\r\n" % len(inner), inner, b"\r\n0\r\n\r\n", pause=0.003)


def body_as_head(s):
    inner = head("GET", "/inner")
    exchange(s, head("POST", "/body-as-head", f"Content-Length: {len(inner)}"), inner, pause=0.003)


def expects(s):
    exchange(s, head("POST", "/expects", "Expect: 100-continue", "Content-Length: 3"), b"abc",
             pause=0.003)


def heads(s):
    for size in (400, 3000, 7000, 9000):
        exchange(s, head("GET", f"/heads/{size}", "X-Long: " + "x" * size))


def long_line(s):
    exchange(s, head("GET", "/long-line/" + "y" * 6000))


def own(s):
    for n, name in enumerate(("traceparent", "TraceParent", "TRACEPARENT")):
        exchange(s, head("GET", f"/own/{n}", f"{name}: {TRACE}"))


def own_b3(s):
    exchange(s, head("GET", "/own-b3/0", "b3: " + TRACE[3:35] + "-" + TRACE[36:52] + "-1"))
    exchange(s, head("GET", "/own-b3/1", "X-B3-TraceId: " + TRACE[3:35]))


def upgrades(s):
    exchange(s, head("GET", "/upgrades", "Connection: Upgrade", "Upgrade: h2c"))


def connects(s):
    exchange(s, head("CONNECT", "h:443"))


def sendfile(s):
    s.settimeout(None)  # else it would not block
    with tempfile.TemporaryFile() as f:
        f.write(BIG)
        f.flush()
        s.sendall(head("POST", "/sendfile", f"Content-Length: {len(BIG)}"))
        at = 0
        while at < len(BIG):
            at += os.sendfile(s.fileno(), f.fileno(), at, len(BIG) - at)
        answered(s)


def vector(s):
    s.settimeout(None)
    parts = [b"POST /vector HTTP/1.1\r\n", b"Host: h\r\nContent-Length: 90000\r\n\r\n", BIG[:90000]]
    sent = s.sendmsg(parts)
    s.sendall(b"".join(parts)[sent:])
    answered(s)


def nonblocking(s):
    data = memoryview(head("POST", "/nonblocking", f"Content-Length: {len(BIG)}") + BIG)
    s.setblocking(False)
    while data:
        try:
            data = data[s.send(data):]
        except BlockingIOError:
            time.sleep(0.001)
    s.settimeout(20)
    answered(s)


def spliced(s):
    """The answer is taken without a receive."""
    s.settimeout(None)
    s.sendall(head("GET", "/spliced"))
    s.recv(1, socket.MSG_PEEK)
    assert readable(s) == ANSWER, readable(s)
    r, w = os.pipe()
    got = 0
    while got < ANSWER:
        got += os.splice(s.fileno(), w, ANSWER - got)
    os.close(r)
    os.close(w)


def half_closed(s):
    s.sendall(head("GET", "/half-closed"))
    s.shutdown(socket.SHUT_WR)
    answered(s)
    assert s.recv(1) == b""


def kept(s):
    """As programs do it that keep their connection."""
    c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    for n in range(20):
        c.request("POST" if n % 2 else "GET", f"/kept/{n}", body=b"x" * n if n % 2 else None)
        c.getresponse().read()
    c.request("HEAD", "/kept/head")
    c.getresponse().read()
    c.close()


FORMS = (plain, bodies, apart, bytewise, split, pipelined, pipelined_apart, pipelined_bodies, chunked,
         chunked_as_head, body_as_head, expects, heads, long_line, own, own_b3, upgrades, connects,
         sendfile, vector, nonblocking, spliced, half_closed, kept)

OTHERS = (b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x00\x05hello", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
          b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"\x00GET / HTTP/1.1\r\n\r\n")


def forms():
    for form in FORMS:
        began = time.monotonic()
        with connect() as s:
            form(s)
        print(form.__name__, time.monotonic() - began, flush=True)
    for other in OTHERS:
        with connect() as s:
            for _ in range(3):
                s.sendall(other)
                s.recv(100)
    with connect(nodelay=False) as s:  # as Nagle has it
        for n in range(20):
            exchange(s, head("POST", f"/nagle/{n}", "Content-Length: 3") + b"abc")


def load(seconds):
    """Connections that are kept and ones that are not, until the time is over."""
    end, n = time.monotonic() + seconds, 0
    longest = 0.0
    with connect() as s:
        while time.monotonic() < end:
            began = time.monotonic()
            exchange(s, head("POST", f"/load/{n}", "Content-Length: 2000") + BIG[:2000],
                     asks=False)  # while the observer is killed
            with connect() as once:
                exchange(once, head("GET", f"/load/once/{n}"), asks=False)
            longest = max(longest, time.monotonic() - began)
            n += 1
    print(n, longest)


def many(n):
    longest = 0.0
    with connect() as s:
        for i in range(n):
            began = time.monotonic()
            exchange(s, head("GET", f"/many/{i}"))
            longest = max(longest, time.monotonic() - began)
    print(n, longest)


def once():
    """One send on a connection of its own: what becomes of it does not depend on another."""
    many_of_each = ((4, head("GET", "/once")), (3, head("GET", "/once/own", f"traceparent: {TRACE}")),
                    (2, head("GET", "/once/upgrade", "Upgrade: h2c")), (1, head("CONNECT", "h:443")),
                    (2, b"GET /once/cut HTTP/1.1\r\n"), (1, b"G"),
                    (3, head("GET", "/once/more") * 2), *((1, other) for other in OTHERS))
    for n, data in many_of_each:
        for _ in range(n):
            with connect() as s:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(1 << 16):
                    pass


{"forms": forms, "load": load, "many": many, "once": once}[sys.argv[2]](*map(int, sys.argv[3:]))
