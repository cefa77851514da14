# SPDX-License-Identifier: Apache-2.0
"""Requests that fail are transactions too."""
import socket

from harness.case import case
from harness.env import quiet, tool
from harness.expect import Expect
from harness.proc import Failure, free_port
from harness.raw import Raw


def breaks(port, path):
    """A request whose answer never comes whole."""
    with Raw(port) as c:
        try:
            c.ask("GET", path)
        except (EOFError, IndexError, ConnectionError):
            return
        raise Failure("the answer was whole")


@case()
def reset_in_mid_response(e):
    port = e.python("raw.py", "reset")
    for _ in range(5):
        breaks(port, "/reset")
    e.curl(f"http://127.0.0.1:{port}/reset")
    quiet()

    def clients(seen):
        found = sorted(t["service"] for t in seen if t["role"] == "client")
        wrong = [t for t in seen if t["role"] == "client" and
                 (t["status"], t.get("error_type")) != (200, "connection_reset")]
        return [] if found == ["curl"] + ["run"] * 5 and not wrong else [f"{found} {wrong[:1]}"]
    return Expect(port, {("GET", "/reset", 200, "connection_reset"): 6}, "raw", check=clients,
                  in_metrics=True)


@case()
def server_hangs_up(e):
    """Closed without a word: both ends call it a reset."""
    port = e.python("raw.py", "hangup")
    for _ in range(4):
        breaks(port, "/hangup")
    quiet()
    return Expect(port, {("GET", "/hangup", None, "connection_reset"): 4}, "raw", "run")


@case()
def client_gives_up(e):
    """No error for the client who chose it; client_closed for the server it left."""
    port = e.python("raw.py", "silent")
    for _ in range(4):
        with Raw(port) as c:
            c.request("GET", "/silent")
            quiet(0.02)
    quiet(0.1)
    return Expect(port, server="raw", client="run",
                  server_truth={("GET", "/silent", None, "client_closed"): 4},
                  client_truth={("GET", "/silent", None, None): 4})


@case()
def behind_the_last_answer(e):
    """What was sent ahead behind the request that "Connection: close" answers is lost, and no choice
    of the client's, though it is the first to close."""
    port = e.python("raw.py", "last")
    for _ in range(4):
        with Raw(port) as c:
            c.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /ahead HTTP/1.1\r\nHost: a\r\n\r\n")
            if c.response().status != 200:
                raise Failure("no answer")
    quiet()
    return Expect(port, {("GET", "/first", 200): 4, ("GET", "/ahead", None, "connection_reset"): 4},
                  "raw", "run")


@case()
def refused_connect(e):
    port = free_port()
    for _ in range(3):
        try:
            Raw(port)
        except ConnectionRefusedError:
            pass
    e.procs.run([tool("curl"), "-s", f"http://127.0.0.1:{port}/"])

    def fields(seen):
        by = sorted(t["service"] for t in seen)
        if by != ["curl", "run", "run", "run"]:
            return [f"services {by}"]
        for t in seen:
            key = (t["protocol"], t.get("operation"), t.get("error_type"), t["role"])
            if key != ("tcp", "connect", "refused", "client"):
                return [f"{key}"]
    return Expect(port, check=fields)


@case()
def timed_out_connect(e):
    """SYNs that nobody answers: the listener's queue is full."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", port), backlog=0)
    filler = Raw(port)

    def impatient(s):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        s.setsockopt(socket.IPPROTO_TCP, 18, 400)  # TCP_USER_TIMEOUT
        s.settimeout(None)
    try:
        Raw(port, before=impatient)
        raise Failure("connected")
    except TimeoutError:
        pass
    finally:
        filler.sock.close()
        listener.close()
    quiet(0.1)
    return Expect(port, client="run", client_truth={("connect", None, None, "timeout"): 1},
                  in_metrics=False)


@case()
def garbage(e):
    """Bytes that are no protocol are no transaction."""
    port = e.python("raw.py", "websocket")
    for text in (b"\x00\x01\x02\x03" * 50, b"HELO mail.test\r\nMAIL FROM:<a@b>\r\n\r\n",
                 b"GET key\r\n\r\n", b"PRI * HTTP/9.0\r\n\r\nSM\r\n\r\n"):
        with Raw(port) as c:
            c.send(text)
            quiet(0.02)
    quiet()
    return Expect(port, server="raw", client="run")
