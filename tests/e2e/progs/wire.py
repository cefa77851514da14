# SPDX-License-Identifier: Apache-2.0
"""
A cable that is slow and loses: wire.py DELAY_MS LOSE_EVERY IFACE IFACE moves frames between two
interfaces, each DELAY_MS later; of those with TCP payload that come in at the first interface every
LOSE_EVERY-th is lost (0: none). wire.py plain IFACE: no offloads there, so that what comes through
is whole and its checksum true.
"""
import array
import collections
import fcntl
import select
import socket
import struct
import sys
import time

SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1F, 0x24, 0x2C)  # checksums of what is sent, TSO, GSO, GRO


def plain(name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for command in OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", name.encode(), value.buffer_info()[0])
            fcntl.ioctl(s, SIOCETHTOOL, request)


def end(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((name, 0))
    return s


def has_payload(frame):
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return False
    head = 14 + (frame[14] & 15) * 4
    return int.from_bytes(frame[16:18], "big") + 14 - head > (frame[head + 12] >> 4) * 4


def run(delay, lose_every, names):
    ends = [end(n) for n in names]
    to = {ends[0]: ends[1], ends[1]: ends[0]}
    queue, seen = collections.deque(), 0
    while True:
        wait = max(0, queue[0][0] - time.monotonic()) if queue else None
        for s in select.select(ends, [], [], wait)[0]:
            frame, address = s.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if s is ends[0] and has_payload(frame):
                seen += 1
                if lose_every and seen % lose_every == 0:
                    continue
            queue.append((time.monotonic() + delay, to[s], frame))
        while queue and queue[0][0] <= time.monotonic():
            _, out, frame = queue.popleft()
            out.send(frame)


if sys.argv[1] == "plain":
    plain(sys.argv[2])
else:
    run(float(sys.argv[1]) / 1000, int(sys.argv[2]), sys.argv[3:])
