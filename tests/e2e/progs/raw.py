# SPDX-License-Identifier: Apache-2.0
"""A server that says exactly the bytes a case needs: raw.py PORT|PATH MODE"""
import os
import socket
import struct
import sys
import threading
import time


class Peer:
    """One accepted connection, read by lines and counts."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")

    def head(self):
        """Request line and headers, or None at the end."""
        line = self.file.readline()
        if not line.strip():
            return None, {}
        headers = {}
        while (h := self.file.readline().strip()):
            name, value = h.split(b":", 1)
            headers[name.strip().lower()] = value.strip()
        return line.split()[1].decode(), headers

    def send(self, *data):
        for d in data:
            self.sock.sendall(d)


def ok(body=b"ok\n", extra=b""):
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body)


def mode_plain(p):
    while True:
        target, headers = p.head()
        if target is None:
            return
        p.file.read(int(headers.get(b"content-length", 0)))
        p.send(ok())


def mode_slow(p):
    """Waits 50 ms before each answer, and says how long that took."""
    while p.head()[0] is not None:
        began = time.monotonic_ns()
        time.sleep(0.050)
        p.send(ok(extra=b"X-Waited: %d\r\n" % (time.monotonic_ns() - began)))


def mode_heads(p):
    """A response head and a body as long as the query says."""
    while (target := p.head()[0]) is not None:
        size = int(target.split("?")[1])
        p.send(ok(b"b" * size, b"X-Long: %s\r\n" % (b"h" * size)))


def mode_reset(p):
    """A tenth of the promised body, then a reset."""
    p.head()
    p.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100)
    time.sleep(0.05)
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def mode_silent(p):
    """Reads a request, waits for the peer to hang up, never answers."""
    p.head()
    p.file.read(1)


def mode_hangup(p):
    """Reads a request and closes without a word."""
    p.head()


def mode_last(p):
    """Answers one request, says that it answers no more, and waits for the peer to hang up."""
    p.head()
    p.send(ok(extra=b"Connection: close\r\n"))
    while p.sock.recv(4096):
        pass


def mode_until_close(p):
    p.head()
    p.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"a" * 5000, b"b" * 5000)


def mode_events(p):
    """Server-sent events for 0.4 s."""
    p.head()
    p.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    for n in range(8):
        time.sleep(0.05)
        p.send(b"data: HTTP/1.1 200 OK %d\n\n" % n)


def mode_websocket(p):
    """Upgrades, then echoes bytes that look like HTTP. Who asks for /at-once is told 8 KiB with the
    switch; what asks for no upgrade is answered."""
    while b"upgrade" not in (asked := p.head())[1]:
        if asked[0] is None:
            return
        p.send(ok())
    p.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" +
           (b"HTTP/1.1 200 OK\r\n\r\n" + b"w" * 8173 if asked[0] == "/at-once" else b""))
    while (data := p.sock.recv(4096)):
        p.send(data)


def frame(type_, flags, stream, payload=b""):
    """Of HTTP/2, RFC 9113, 4.1."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", type_, flags, stream) + payload


def mode_h2c(p):
    """HTTP/1 until asked for HTTP/2: then as much as a window takes, before the client says a word,
    and in one send with the switch itself for who asks for /once."""
    while True:
        target, headers = p.head()
        if target is None:
            return
        if b"upgrade" in headers:
            break
        p.send(ok())
    parts = [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
             frame(4, 0, 0),
             frame(1, 4, 1, b"\x88") + b"".join(frame(0, 0, 1, b"d" * 16000) for _ in range(3)) +
             frame(0, 1, 1, b"d" * 16000)]
    p.send(*([b"".join(parts)] if target == "/once" else parts))
    while p.sock.recv(4096):
        pass


def mode_connect(p):
    """A tunnel to an echo."""
    p.head()
    p.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    while (data := p.sock.recv(4096)):
        p.send(data)


def mode_trailers(p):
    while p.head()[0] is not None:
        p.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
               b"5\r\nhello\r\n", b"10000;note=x\r\n" + b"y" * 0x10000 + b"\r\n",
               b"0\r\nX-Sum: 42\r\n\r\n")


def mode_continue(p):
    """100 first, and 103 on the way."""
    target, headers = p.head()
    p.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    p.file.read(int(headers[b"content-length"]))
    p.send(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n", ok())


def mode_refuse(p):
    """417 to who asks whether to send a body, which is not read then."""
    while True:
        target, headers = p.head()
        if target is None:
            return
        if b"expect" in headers:
            p.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        else:
            p.file.read(int(headers.get(b"content-length", 0)))
            p.send(ok())


def mode_early413(p):
    """Answers an upload before it was read, then reads it to its end."""
    _, headers = p.head()
    p.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    p.file.read(int(headers[b"content-length"]))


def mode_sink(p):
    """Reads an upload slowly."""
    _, headers = p.head()
    left = int(headers[b"content-length"])
    while left > 0:
        left -= len(p.file.read1(1 << 20))
        time.sleep(0.01)
    p.send(ok())


def mode_partial(p):
    """600 KB through a small send buffer, in partial writes."""
    p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    while p.head()[0] is not None:
        left = memoryview(ok(b"z" * 600000))
        p.sock.setblocking(False)
        while left:
            try:
                left = left[p.sock.send(left):]
            except BlockingIOError:
                time.sleep(0.00005)
        p.sock.setblocking(True)


def mode_fork(p):
    """A child serves the inherited connection; the parent only waits."""
    pid = os.fork()
    if pid == 0:
        mode_plain(p)
        p.sock.shutdown(socket.SHUT_RDWR)
        os._exit(0)
    os.waitpid(pid, 0)


def passer(listener):
    """Accepted connections are passed over a unix socket to a worker that serves them."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        listener.close()
        while True:
            _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
            if not fds:
                os._exit(0)
            s = socket.socket(fileno=fds[0])
            mode_plain(Peer(s))
            s.close()
    while True:
        s, _ = listener.accept()
        socket.send_fds(ours, [b"x"], [s.fileno()])
        s.close()


def listen(where):
    if where.startswith("@"):
        s = socket.socket(socket.AF_UNIX)
        s.bind("\0" + where[1:])
    elif "/" in where:
        s = socket.socket(socket.AF_UNIX)
        s.bind(where)
    elif where.startswith(":"):
        s = socket.socket(socket.AF_INET6)
        s.bind(("::", int(where[1:])))
    else:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", int(where)))
    s.listen(64)
    return s


def serve(sock, handler):
    try:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handler(Peer(sock))
    except OSError:
        pass
    finally:
        sock.close()


def main():
    listener = listen(sys.argv[1])
    if sys.argv[2] == "pass":
        passer(listener)
    handler = globals()["mode_" + sys.argv[2]]
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, handler), daemon=True).start()


main()
