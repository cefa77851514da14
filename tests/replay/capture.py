#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Writes the captures of this folder: capture.py FOLDER. Byte by byte, with nothing but Python, and the
same bytes each time. What `sonde replay --json` makes of each stands beside it; see run.
"""
import os
import struct
import sys

FIN, SYN, RST, ACK = 1, 2, 4, 16
ETHERNET, NULL, RAW, SLL2 = 1, 0, 101, 276
GET = b"GET /users/%d HTTP/1.1\r\nHost: shop\r\nX-Request-ID: r%d\r\n\r\n"


def ok(body=b"ok"):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class Capture:
    """A file: packets go into it, at most `snaplen` bytes of each."""

    def __init__(self, link=ETHERNET, ng=False, snaplen=262144):
        self.link, self.ng, self.snaplen = link, ng, snaplen
        self.ns = 1_700_000_000 * 10**9
        if ng:
            self.bytes = struct.pack("<IIIHHqI", 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, -1, 28)
            self.bytes += struct.pack("<IIHHIHHIII", 1, 32, link, 0, snaplen, 9, 1, 9, 0, 32)
        else:
            self.bytes = struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, snaplen, link)

    def packet(self, data):
        self.ns += 1_000_000
        kept = data[:self.snaplen]
        if self.ng:
            kept += b"\0" * (-len(kept) % 4)
            n = min(len(data), self.snaplen)
            self.bytes += struct.pack("<IIIIIII", 6, 32 + len(kept), 0, self.ns >> 32,
                                      self.ns & 0xffffffff, n, len(data))
            self.bytes += kept + struct.pack("<I", 32 + len(kept))
        else:
            self.bytes += struct.pack("<IIII", self.ns // 10**9, self.ns % 10**9, len(kept),
                                      len(data)) + kept


class Tcp:
    """A connection in a capture. Ends: 0 the client, 1 the server."""

    def __init__(self, cap, port=40000, v6=False, tags=(), seq=(1000, 5000)):
        self.cap, self.port, self.v6, self.tags = cap, port, v6, tags
        self.seq = list(seq)

    def ip(self, end, tcp):
        if self.v6:
            ends = [bytes([0xfd]) + bytes(14) + bytes([1 + e]) for e in (end, 1 - end)]
            head = struct.pack(">IHBB", 0x60000000, len(tcp) + 8, 0, 64) + b"".join(ends)
            return head + bytes([6, 0, 1, 4, 0, 0, 0, 0]) + tcp
        ends = [bytes([10, 0, 0, 1 + e]) for e in (end, 1 - end)]
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6,
                           0) + b"".join(ends) + tcp

    def raw(self, end, flags, seq, ack, data=b""):
        ports = (self.port, 80) if end == 0 else (80, self.port)
        tcp = struct.pack(">HHIIBBHHH", *ports, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags,
                          65535, 0, 0) + data
        ip, kind = self.ip(end, tcp), 0x86dd if self.v6 else 0x0800
        if self.cap.link == ETHERNET:
            ip = bytes(12) + b"".join(struct.pack(">HH", t, 7) for t in self.tags) + struct.pack(
                ">H", kind) + ip
        elif self.cap.link == SLL2:
            ip = struct.pack(">H", kind) + bytes(18) + ip
        elif self.cap.link == NULL:
            ip = struct.pack("<I", 30 if self.v6 else 2) + ip
        self.cap.packet(ip)

    def syn(self):
        self.raw(0, SYN, self.seq[0] - 1, 0)
        self.raw(1, SYN | ACK, self.seq[1] - 1, self.seq[0])
        self.raw(0, ACK, *self.seq)
        return self

    def send(self, end, data, lost=False):
        if not lost:
            self.raw(end, ACK, self.seq[end], self.seq[1 - end], data)
        self.seq[end] += len(data)

    def ask(self, n, body=b"ok"):
        self.send(0, GET % (n, n))
        self.send(1, ok(body))

    def fin(self):
        for end in (0, 1):
            self.raw(end, FIN | ACK, self.seq[end], self.seq[1 - end])
            self.seq[end] += 1
        self.raw(0, ACK, *self.seq)


class Udp:
    """A socket that asks the name server of a capture."""

    def __init__(self, cap, port=40000):
        self.cap, self.port = cap, port

    def raw(self, end, data):
        ports = (self.port, 53) if end == 0 else (53, self.port)
        udp = struct.pack(">HHHH", *ports, 8 + len(data), 0) + data
        ends = [bytes([10, 0, 0, 1 + e]) for e in (end, 1 - end)]
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0x4000, 64, 17,
                         0) + b"".join(ends) + udp
        self.cap.packet(bytes(12) + b"\x08\0" + ip)

    def message(self, end, n, name, kind, flags):
        labels = b"".join(bytes([len(p)]) + p for p in name.split(b"."))
        self.raw(end, struct.pack(">HHHHHH", n, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack(
            ">HH", kind, 1))

    def ask(self, n, name, kind=1):
        self.message(0, n, name, kind, 0x100)

    def answer(self, n, name, kind=1, code=0):
        self.message(1, n, name, kind, 0x8180 | code)


def names():
    """A and AAAA at once, answered the other way round; asked again; never answered; others."""
    cap = Capture()
    c = Udp(cap)
    c.ask(1, b"www.example")
    c.ask(2, b"www.example", 28)
    c.answer(2, b"www.example", 28, 3)
    c.answer(1, b"www.example")
    c.ask(3, b"again.example")
    cap.ns += 5 * 10**9
    c.ask(3, b"again.example")
    c.answer(3, b"again.example", code=2)
    c.ask(4, b"silent.example")
    twice = Udp(cap, 40001)
    for send in (twice.ask, twice.answer):  # on two interfaces
        send(5, b"twice.example")
        cap.ns -= 999_000
        send(5, b"twice.example")
    for n in range(5):
        Udp(cap, 5004).raw(0, b"no question at all %d" % n)
    cap.ns += 16 * 10**9
    c.ask(6, b"last.example")
    c.answer(6, b"last.example")
    return cap


def plain():
    """Three requests on one connection, in a pcapng."""
    cap = Capture(ng=True)
    c = Tcp(cap).syn()
    for n in range(3):
        c.ask(n)
    c.fin()
    return cap


def links():
    """IPv6 with an extension header behind two VLAN tags."""
    cap = Capture()
    c = Tcp(cap, v6=True, tags=(0x88a8, 0x8100)).syn()
    c.ask(6)
    c.fin()
    return cap


def cooked():
    """tcpdump -i any: each packet of the loopback interface is there twice."""
    cap = Capture(SLL2)
    twice, packet = cap.packet, cap.packet
    cap.packet = lambda data: (twice(data), packet(data))
    c = Tcp(cap).syn()
    c.ask(1)
    c.ask(2)
    c.fin()
    return cap


def disorder():
    """Segments out of order, again, and overlapping with other bytes; numbers wrap."""
    cap = Capture(NULL)
    c = Tcp(cap, seq=(0xfffffff0, 0xffffffe0)).syn()
    c.send(0, GET % (1, 1))
    answer, at = ok(b"0123456789"), c.seq[1]
    for a, b in ((20, 40), (5, 12), (44, len(answer)), (5, 12)):
        c.raw(1, ACK, at + a, c.seq[0], answer[a:b])
    c.raw(1, ACK, at + 10, c.seq[0], b"xx" + answer[12:20])
    c.raw(0, ACK, c.seq[0] - 1, at, b"\0")  # a keep-alive probe
    c.raw(1, ACK, at, c.seq[0], answer[:5] + b"y" * 7)
    c.raw(1, ACK, at + 40, c.seq[0], answer[40:44])
    c.seq[1] += len(answer)
    c.ask(2)
    c.fin()
    return cap


def lossy():
    """The third request and the fifth answer are not in the capture; joined in the middle."""
    cap = Capture(RAW)
    c = Tcp(cap)
    c.send(1, b"the end of something\r\n")
    for n in range(1, 7):
        c.send(0, GET % (n, n), lost=n == 3)
        c.send(1, ok(), lost=n == 5)
    c.fin()
    return cap


def snapped():
    """Packets cut to 120 bytes: bodies are not needed, heads are whole."""
    cap = Capture(snaplen=120)
    c = Tcp(cap).syn()
    c.send(0, GET % (1, 1))
    c.send(1, ok(bytes(1400)))
    c.ask(2)
    c.fin()
    return cap


def endings():
    """Refused, reset, hung up."""
    cap = Capture()
    c = Tcp(cap, 40001)
    c.raw(0, SYN, 999, 0)
    c.raw(1, RST | ACK, 0, 1000)
    c = Tcp(cap, 40002).syn()
    c.send(0, GET % (2, 2))
    c.raw(1, RST, c.seq[1], 0)
    c = Tcp(cap, 40003).syn()
    c.send(0, GET % (3, 3))
    c.fin()
    return cap


def cut():
    """The file ends within a packet."""
    cap = plain()
    cap.bytes = cap.bytes[:-250]
    return cap


def main():
    for make in (names, plain, links, cooked, disorder, lossy, snapped, endings, cut):
        cap = make()
        name = make.__name__ + (".pcapng" if cap.ng else ".pcap")
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(cap.bytes)


if __name__ == "__main__":
    main()
