# SPDX-License-Identifier: Apache-2.0
"""
A name server over UDP that does as the first label says: names.py PORT. `silent...` is not answered,
`second...` only when asked again, `fail...` with SERVFAIL, `slow...` after 200 ms, all others with
NOERROR. SIGTERM ends it; it prints how many questions it read and answered.
"""
import signal
import socket
import sys
import time

read = answered = 0
asked = set()


def end(*_):
    print(read, answered, flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        message, peer = s.recvfrom(4096)
        read += 1
        label = message[13:13 + message[12]].decode()
        again = message in asked
        asked.add(message)
        if label.startswith("silent") or (label.startswith("second") and not again):
            continue
        if label.startswith("slow"):
            time.sleep(0.2)
        code = 2 if label.startswith("fail") else 0
        s.sendto(message[:2] + bytes([0x81, 0x80 | code]) + message[4:], peer)
        answered += 1
