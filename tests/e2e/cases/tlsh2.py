# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 within TLS, agreed on by ALPN: the same counts as in the clear."""
import os
import re
import socket
import ssl
import time
from collections import Counter

from harness import node
from harness.case import case
from harness.env import tool
from harness.expect import Expect, difference
from harness.proc import Failure, free_port
from harness.sonde import Sonde

from . import grpc
from .tls import Watched, certificate


@case(group=None, limit=60)
def tls_h2load(e):
    """nghttpd and h2load, 100 streams on each of 4 connections; 100,000 requests in the long form."""
    cert, key = certificate(e)
    port, n = free_port(), e.amount(10000, 100000)
    e.serve([tool("nghttpd"), "-a", "127.0.0.1", "-d", e.site(), port, key, cert], port)
    s = Sonde(e, "run", "--server-address", "on", "--port", port).wait_ready()
    p = e.procs.run([tool("h2load"), "-n", n, "-c", 4, "-m", 100, f"https://127.0.0.1:{port}/hello"],
                    seconds=40)
    done = re.search(r"requests: .* (\d+) succeeded, 0 failed, 0 errored, 0 timeout", p.stdout())
    if not done or int(done[1]) != n:
        raise Failure(f"h2load: {p.stdout()[-300:]!r}")
    m = s.settled_metrics(limit=15)
    s.end()
    e.figures.update(sent=n, counted=sum(m.requests("server").values()), lost=m.lost())
    found = [f"lost {k}: {v}" for k, v in m.lost().items() if v]
    for role, service in (("server", "nghttpd"), ("client", "h2load")):
        truth = Counter({(service, "GET", "/hello", 200, None): n})
        found += difference(role, truth, m.requests(role, port))
    if found:
        raise Failure("; ".join(found[:6]))


class Slow:
    """A client that reads when it is told to (RFC 9113, frames by hand)."""
    PING, SETTINGS, WINDOW_UPDATE, HEADERS = 6, 4, 8, 1

    def __init__(self, port):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.sock = context.wrap_socket(sock)
        window = (1 << 30).to_bytes(4, "big")
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(self.SETTINGS, 0, b"\0\4" + window)
        self.send(self.WINDOW_UPDATE, 0, window)

    def send(self, kind, stream, payload, flags=0):
        self.sock.sendall(len(payload).to_bytes(3, "big") + bytes([kind, flags]) +
                          stream.to_bytes(4, "big") + payload)

    def ask(self, stream, path):
        """By the static table of RFC 7541; END_STREAM and END_HEADERS."""
        self.send(self.HEADERS, stream, b"\x82\x87\x04" + bytes([len(path)]) + path.encode() +
                  b"\x01\x01a", flags=5)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise Failure("nghttpd hung up")
            data += more
        return data

    def read_until_end_of(self, stream):
        while True:
            head = self.exactly(9)
            self.exactly(int.from_bytes(head[:3], "big"))
            if head[3] in (0, 1) and head[4] & 1 and head[5:] == stream.to_bytes(4, "big"):
                return


@case(group=None)
def tls_write_tried_in_vain(e):
    """A write that blocks, and is tried again and again before there is room, is told of once."""
    cert, key = certificate(e)
    port, folder = free_port(), e.site()
    big = 8 << 20  # more than what sockets hold
    e.write("site/bulk", os.urandom(big))
    e.serve([tool("nghttpd"), "-a", "127.0.0.1", "-d", folder, port, key, cert], port)
    w = Watched(e, port)
    for _ in range(3):
        slow = Slow(port)
        slow.ask(1, "/bulk")
        for n in range(20):  # nghttpd answers each: it tries to
            time.sleep(0.02)
            slow.send(slow.PING, 0, n.to_bytes(8, "big"))
        slow.read_until_end_of(1)
        slow.ask(3, "/hello")
        slow.read_until_end_of(3)
        slow.sock.close()
    truth = Counter({("GET", "/bulk", 200): 3, ("GET", "/hello", 200): 3})
    seen = w.judge(Expect(port, truth, "nghttpd"))
    wrong = [t["response_bytes"] for t in seen if t["target"] == "/bulk" and t["role"] == "server" and
             not big < t["response_bytes"] < big * 1.01]
    if wrong:
        raise Failure(f"bytes of {big}: {wrong}")


@case(group=None)
def tls_nginx_http2(e):
    """curl, several requests on a connection; a 5 MB file, 404, no body, POST."""
    cert, key = certificate(e)
    port = free_port()
    ng = e.nginx(f"listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; "
                 f"ssl_certificate_key {key};")
    w = Watched(e, port)
    url = f"https://127.0.0.1:{port}"
    for version in ("1.2", "1.3"):
        p = e.curl("-k", "--http2", "--tls-max", version, f"{url}/hello", f"{url}/missing",
                   f"{url}/big", f"{url}/empty", f"{url}/hello")
        e.curl("-k", "--http2", "--tls-max", version, "-d", "a=1", f"{url}/hello")
        if p.status != [200, 404, 200, 204, 200]:
            raise Failure(f"curl: {p.status}")
    truth = ng.log(12)
    seen = w.judge(Expect(port, truth, "nginx", "curl"))
    wrong = Counter(t["version"] for t in seen if t["version"] != "2")
    if wrong:
        raise Failure(f"versions {wrong}")


@case(group=None, limit=90)
def tls_grpc_calls(e):
    """Every kind of call of grpc-js, whose records are handed over in memory."""
    node.modules(e)
    s = Sonde(e, "run", "--server-address", "on").wait_ready()
    port, said = grpc.call(e, *certificate(e))
    m = s.settled_metrics()
    s.end()
    found = [f"lost {k}: {v}" for k, v in m.lost().items() if v]
    for role, service in (("server", "rpcserver"), ("client", "rpcclient")):
        truth = Counter({(service, *k): n for k, n in grpc.truth_of(said).items()})
        found += difference(role, truth, m.calls(role, port))
    if found:
        raise Failure("; ".join(found[:6]))
