# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand (RFC 9113): frames that begin and end anywhere within the operations they are in."""
import socket
from collections import Counter

DATA, HEADERS, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
WINDOW = (1 << 31) - 1
SIZES = (1, 5, 9, 10, 25, 100, 3000, 4096, 16384, 16393, 40000, 200000)


def text(value):
    return bytes([len(value)]) + value.encode()


def fields(method, path, type_=None):
    """RFC 7541: by the static table, without a dynamic one."""
    block = {"GET": b"\x82", "POST": b"\x83"}[method] + b"\x86\x04" + text(path) + b"\x01" + text("a")
    return block + (b"\x0f\x10" + text(type_) if type_ else b"")


class H2:
    """A client that cuts what it sends and receives by a generator of random numbers."""

    def __init__(self, port, random):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.random, self.buffer = random, b""
        self.sent, self.received = Counter(), Counter()  # bytes of messages, by stream
        self.ended = set()
        window = b"\0\4" + WINDOW.to_bytes(4, "big")
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(SETTINGS, 0, 0, window) +
                  self.frame(WINDOW_UPDATE, 0, 0, (WINDOW - 65535).to_bytes(4, "big")), whole=True)

    def frame(self, type_, flags, stream, payload=b""):
        self.sent[stream] += 9 + len(payload)
        return (len(payload).to_bytes(3, "big") + bytes([type_, flags]) +
                stream.to_bytes(4, "big") + payload)

    def send(self, data, whole=False):
        """In operations of one buffer or of several."""
        while data:
            n = len(data) if whole else self.random.choice(SIZES)
            op, data = data[:n], data[n:]
            buffers = []
            while op:
                k = len(op) if len(buffers) == 5 else self.random.choice((9, 100, 5000, 1 << 20))
                buffers.append(op[:k])
                op = op[k:]
            n = self.sock.sendmsg(buffers) if len(buffers) > 1 else self.sock.send(buffers[0])
            data = b"".join(buffers)[n:] + data

    def _receive(self):
        n = self.random.choice(SIZES)
        if n < 100 or self.random.random() < .5:
            data = self.sock.recv(n)
        else:
            a, b = bytearray(77), bytearray(n)
            got = self.sock.recvmsg_into([a, b])[0]
            data = bytes(a + b)[:got]
        if not data:
            raise EOFError("closed between frames")
        self.buffer += data

    def read(self):
        """One frame: its type and its stream."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            self._receive()
        n = 9 + int.from_bytes(self.buffer[:3], "big")
        type_, flags = self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big")
        self.buffer = self.buffer[n:]
        if type_ in (DATA, HEADERS):
            self.received[stream] += n
            if flags & END_STREAM:
                self.ended.add(stream)
        return type_, stream

    def read_until(self, is_done):
        while not is_done(*self.read()):
            pass
