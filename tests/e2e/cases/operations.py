# SPDX-License-Identifier: Apache-2.0
"""Every system call that moves bytes through a socket."""
import os
from collections import Counter

from harness.case import case
from harness.env import quiet
from harness.expect import Expect
from harness.proc import Failure
from harness.raw import Raw

WAYS_OUT = ("write", "send", "writev", "sendmsg", "sendmmsg", "more", "sendfile", "splice")


def by(e, way):
    """Requests read by one way, answered in every way; some with a body, some in two pieces."""
    port = e.c("vectors", way)
    truth = Counter()
    with Raw(port) as c:
        for n in range(3):
            for out in WAYS_OUT:
                text = f"POST /{out} HTTP/1.1\r\nHost: localhost\r\n" \
                       f"Content-Length: {700 * n}\r\n\r\n" + "b" * (700 * n)
                c.send(text[:40])
                quiet(0.002)
                c.send(text[40:])
                r = c.response("POST")
                if r.status != 200 or r.body != b"v" * 9000:
                    raise Failure(f"/{out}: not the page that was sent")
                truth[("POST", f"/{out}", 200)] += 1
    quiet()
    return Expect(port, truth, "vectors", "run")


@case()
def received_by_read(e):
    return by(e, "read")


@case()
def received_by_recv(e):
    return by(e, "recv")


@case()
def received_by_readv(e):
    return by(e, "readv")


@case()
def received_by_recvmsg(e):
    return by(e, "recvmsg")


@case()
def received_by_recvmmsg(e):
    return by(e, "recvmmsg")


@case()
def received_after_peek(e):
    """MSG_PEEK shows the same bytes again and again: they count once."""
    return by(e, "peek")


@case()
def received_in_small_pieces(e):
    return by(e, "small")


@case()
def partial_writes(e):
    """600 KB through a send buffer of 8 KB."""
    port = e.python("raw.py", "partial")
    with Raw(port) as c:
        for _ in range(3):
            if len(c.ask("GET", "/partial").body) != 600000:
                raise Failure("wrong body")
    quiet()

    def sizes(seen):
        odd = [t["response_bytes"] for t in seen if t["response_bytes"] < 600000]
        return [f"response_bytes {odd}"] if odd else []
    return Expect(port, {("GET", "/partial", 200): 3}, "raw", "run", check=sizes)


@case()
def sendfile_with_keepalive(e):
    """Bodies without bytes, one after the other on a connection."""
    ng = e.nginx()
    for name, size in (("tiny", 1), ("page", 4096), ("large", 300000)):
        e.write("site/" + name, os.urandom(size))
    truth = Counter()
    with Raw(ng.port) as c:
        for n in range(60):
            path = ("/tiny", "/page", "/large", "/big", "/hello")[n % 5]
            truth[("GET", path, c.ask("GET", path).status)] += 1
    if ng.log(60) != truth:
        raise Failure("access log differs")
    return Expect(ng.port, truth, "nginx", "run")


@case()
def uploads(e):
    """Bodies of many sizes through a proxy that buffers them."""
    back = e.node("echo.js")
    front = e.nginx(f"location / {{ proxy_pass http://127.0.0.1:{back}; }}")
    truth = Counter()
    with Raw(front.port) as c:
        for size in (1, 1000, 16383, 16384, 65536, 500000):
            r = c.ask("PUT", "/echo", body=b"u" * size)
            truth[("PUT", "/echo", r.status)] += 1
    quiet()
    return [Expect(front.port, truth, "nginx", "run"), Expect(back, truth, "echo", "nginx")]
