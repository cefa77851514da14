# SPDX-License-Identifier: Apache-2.0
"""
One process that speaks HTTP/1, Redis, PostgreSQL, HTTP/2 and TLS by turns, each on a connection that
it keeps. Prints by name how many bytes it gave the socket and how many TCP sent.
mixed.py TURNS HTTP REDIS POSTGRES HTTP2 TLS: the ports
"""
import json
import socket
import ssl
import struct
import sys

# what is no request, though it looks like one
LURE = b"GET /lure HTTP/1.1\r\nHost: h\r\n\r\n"


class Wire:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.given, self.bytes = 0, b""

    def say(self, data):
        self.sock.sendall(data)
        self.given += len(data)

    def more(self):
        got = self.sock.recv(1 << 16)
        assert got, "the connection has ended"
        self.bytes += got

    def take(self, n):
        while len(self.bytes) < n:
            self.more()
        out, self.bytes = self.bytes[:n], self.bytes[n:]
        return out

    def until(self, mark):
        while mark not in self.bytes:
            self.more()
        return self.take(self.bytes.index(mark) + len(mark))

    def sent(self):
        """tcpi_bytes_sent without tcpi_bytes_retrans: linux/tcp.h"""
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216)
        sent, again = struct.unpack_from("QQ", info, 200)
        return sent - again


class Http(Wire):
    def turn(self, n):
        self.say(b"GET /mixed/%d HTTP/1.1\r\nHost: h\r\n\r\n" % n)
        self.until(b"heard")


class Redis(Wire):
    def turn(self, n):
        self.say(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % len(LURE))
        self.say(LURE)
        self.say(b"\r\n")
        assert self.until(b"\r\n") == b"+OK\r\n"


class Postgres(Wire):
    def message(self):
        kind, size = struct.unpack("!cI", self.take(5))
        return kind, self.take(size - 4)

    def until_ready(self):
        while (kind := self.message()[0]) != b"Z":
            assert kind != b"E", "an error"

    def turn(self, n):
        if not n:
            words = struct.pack("!I", 196608) + b"user\0postgres\0\0"
            self.say(struct.pack("!I", len(words) + 4) + words)
            self.until_ready()
        text = b"SELECT %d\0" % n
        self.say(b"Q" + struct.pack("!I", len(text) + 4) + text)
        self.until_ready()


class Http2(Wire):
    """RFC 9113, 4.1; RFC 7541, appendix A."""

    def frame(self, kind, flags, stream, payload=b""):
        self.say(struct.pack("!I", len(payload))[1:] + bytes((kind, flags)) +
                 struct.pack("!I", stream) + payload)

    def turn(self, n):
        stream, ends = 2 * n + 1, False
        if not n:
            self.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            self.frame(4, 0, 0)
        self.frame(1, 5, stream, bytes((0x82, 0x86, 0x84, 0x41, 1)) + b"h")
        while not ends:
            head = self.take(9)
            self.take(int.from_bytes(head[:3], "big"))
            of = int.from_bytes(head[5:], "big")
            ends = of == stream and head[3] in (0, 1) and head[4] & 1


class Tls(Wire):
    def __init__(self, port):
        super().__init__(port)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.read, self.write = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.inner = context.wrap_bio(self.read, self.write)
        self.do(self.inner.do_handshake)

    def do(self, what, *args):
        while True:
            try:
                out = what(*args)
            except ssl.SSLWantReadError:
                self.say(self.write.read())
                self.read.write(self.sock.recv(1 << 16))
                continue
            self.say(self.write.read())
            return out

    def turn(self, n):
        self.do(self.inner.write, b"GET /marked/%d/x HTTP/1.1\r\nHost: h\r\n\r\n" % n)
        got = b""
        while not got.endswith(b"ok\n"):
            got += self.do(self.inner.read, 1 << 16)


def main():
    turns, *ports = map(int, sys.argv[1:])
    kinds = (Http, Redis, Postgres, Http2, Tls)
    all_of_them = [kind(port) for kind, port in zip(kinds, ports)]
    for n in range(turns):
        for wire in all_of_them:
            wire.turn(n)
    print(json.dumps({type(w).__name__.lower(): [w.given, w.sent()] for w in all_of_them}))


main()
