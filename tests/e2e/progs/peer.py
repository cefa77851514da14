# SPDX-License-Identifier: Apache-2.0
"""
The other end of connections, as no kernel is: peer.py IFACE RESETS. Whoever asks for a connection is
asked for one at the same moment (RFC 9293, 3.5, figure 8); the first RESETS of them are then reset,
the others accepted.
"""
import socket
import struct
import sys

SYN, RST, ACK = 2, 4, 16


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def answer(frame, flags, seq, ack):
    """A segment without data, back to where the frame came from."""
    ip, ports = frame[14:34], frame[34:38]
    tcp = struct.pack("!2s2sIIBBHHH", ports[2:], ports[:2], seq, ack, 5 << 4, flags, 8192, 0, 0)
    pseudo = ip[16:20] + ip[12:16] + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0, ip[16:20],
                       ip[12:16])
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return frame[6:12] + frame[:6] + frame[12:14] + head + tcp


def run(iface, resets):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.bind((iface, 0))
    asked = []  # ports that have asked for a connection, in order
    while True:
        frame, address = s.recvfrom(65536)
        if address[2] == socket.PACKET_OUTGOING or frame[23] != socket.IPPROTO_TCP:
            continue
        port, theirs = struct.unpack("!H2xI", frame[34:42])
        flags, ours = frame[47], port << 8
        if flags == SYN and port not in asked:
            asked.append(port)
            s.send(answer(frame, SYN, ours, 0))
        elif flags == SYN | ACK and asked.index(port) < resets:
            s.send(answer(frame, RST, ours + 1, 0))
        elif flags == SYN | ACK:
            s.send(answer(frame, ACK, ours + 1, theirs + 1))


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))
