#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Writes the corpus of the recording reader: seeds.py FOLDER. Records as include/sonde_abi.h has them.
"""
import os
import struct
import sys

OPEN, DATA, CLOSE, CONNECT, EXEC, FORK, EXIT, PROCESS, TICK, SWEEP = 1, 2, 3, 4, 5, 6, 7, 64, 65, 66
THREAD = 11
DATAGRAM, LOST = 8, 69
TX, RX, CLIENT, SERVER = 0, 1, 1, 2
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recording:
    def __init__(self):
        self.ns, self.bytes = 10**9, b""

    def put(self, kind, body=b"", flags=0):
        self.ns += 1_000_000
        rec = struct.pack("<HHIQ", kind, flags, 16 + len(body), self.ns) + body
        self.bytes += rec + b"\0" * (-len(rec) % 8)

    def open(self, cookie, role, flags=1):
        addr = bytes([10, 0, 0, 1]) + bytes(12) + struct.pack("<HHHH", 80, 0, 0, 0)
        self.put(OPEN, struct.pack("<QQQQ", cookie, 0, self.ns, 0) + addr + addr
                 + struct.pack("<IIIIIBBH", 1, 1000, 5000, 7, 7, 4, role, 0) + bytes(112), flags)

    def data(self, cookie, way, seq, other, bytes_, flags=0, length=None, lost=0):
        n = len(bytes_) if length is None else length
        # the thread has its CPU since before, and has waited a little more of everything
        sched = struct.pack("<9Q", self.ns - 100, *(self.ns // n for n in range(100, 108)))
        self.put(DATA, struct.pack("<QQQQQQ", cookie, self.ns, self.ns, self.ns, 0, 0) + sched
                 + struct.pack("<IIIIIIIIBBHI", 1, seq, other, n, len(bytes_), lost, 7, 7, way, 0,
                               0, 0) + bytes_, flags)

    def datagram(self, cookie, way, bytes_, error=0):
        addr = bytes([10, 0, 0, 1]) + bytes(12) + struct.pack("<HHHH", 53, 0, 0, 0)
        self.put(DATAGRAM, struct.pack("<QQQQ", cookie, self.ns, 0, 0) + bytes(72) + addr + addr
                 + struct.pack("<IIIIIIBBHI", 1, len(bytes_), len(bytes_), error, 7, 7, way, 4, 0,
                               0) + bytes_)

    def close(self, cookie, how, tx, rx, error=0):
        self.put(CLOSE, struct.pack("<QQQIIIIIIIB3x", cookie, 0, 0, 1, tx, rx, 0, 0, error, 7, how))

    def exec(self, args=b"python3\0-m\0shop\0"):
        self.put(EXEC, struct.pack("<QQIIII16s256s512s", 1, 1, 7, 1, 0, len(args), b"python3",
                                   b"/usr/bin/python3", args))

    def process(self):
        self.put(PROCESS, struct.pack("<II16s128s64s40s", 7, 0, b"python3", b"shop", b"", b"x"))


def exchange():
    r = Recording()
    r.exec()
    r.process()
    r.open(1, SERVER)
    r.data(1, RX, 5000, 1000, GET)
    r.data(1, TX, 1000, 5000 + len(GET), OK)
    r.put(TICK)
    r.close(1, 4, 1000 + len(OK), 5000 + len(GET))
    r.put(EXIT, struct.pack("<II16s", 7, 0, b"python3"))
    return r


def holes():
    """Lost, cut, out of order, joined in the middle."""
    r = Recording()
    r.open(2, CLIENT, flags=0)
    r.data(2, TX, 1000, 5000, GET)
    r.data(2, RX, 5020, 1028, OK[20:])
    r.data(2, RX, 5000, 1028, OK[:20])
    r.data(2, TX, 1128, 5040, GET, lost=1)
    r.data(2, RX, 5040, 1156, b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", length=9042)
    r.put(TICK)
    r.put(SWEEP, struct.pack("<Q", 2))
    return r


def ends():
    r = Recording()
    addr = bytes(24)
    r.put(FORK, struct.pack("<QII16s", 1, 8, 7, b"sh"))
    r.put(THREAD, struct.pack("<IIII", 7, 9, 7, 0))
    r.put(THREAD, struct.pack("<IIII", 7, 9, 0, 0))
    r.put(CONNECT, struct.pack("<QQ", 3, 1) + addr + addr + struct.pack("<IIIB3x", 111, 7, 7, 4))
    r.open(4, SERVER)
    r.data(4, RX, 5000, 1000, GET[:10])
    r.data(4, RX, 5010, 1000, GET[10:])
    r.data(4, RX, 5028, 1000, b"", flags=4)
    r.close(4, 3, 1000, 5028, error=104)
    return r


def datagrams():
    """A question and its answer, one that is refused, one that nobody answers."""
    r = Recording()
    ask = b"\0\1\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"
    r.datagram(5, TX, ask)
    r.datagram(5, RX, ask[:2] + b"\x81\x83" + ask[4:])
    r.datagram(5, TX, ask)
    r.datagram(5, RX, b"", error=111)
    r.datagram(5, TX, ask)
    r.put(LOST, struct.pack("<Q", 2))
    r.ns += 20 * 10**9
    r.put(TICK)
    r.put(SWEEP, struct.pack("<Q", 5))
    return r


for make in (exchange, holes, ends, datagrams):
    with open(os.path.join(sys.argv[1], make.__name__), "wb") as f:
        f.write(make().bytes)
