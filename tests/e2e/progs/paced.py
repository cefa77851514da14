# SPDX-License-Identifier: Apache-2.0
"""
paced.py PORT SECONDS: connections whose bytes, and whose end behind them, the kernel sends by its
timers: they arrive in interrupts, whatever runs there. Serves itself, until it is over.
"""
import os
import select
import socket
import sys
import time

SO_MAX_PACING_RATE, TCP_MAXSEG = 47, 2
AT_ONCE = 40

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=2 * AT_ONCE)
end = time.monotonic() + float(sys.argv[2])
if os.fork() == 0:
    served = {listener}
    while time.monotonic() < end + 1:
        for s in select.select(served, [], [], 0.2)[0]:
            if s is listener:
                served.add(s.accept()[0])
            elif not s.recv(1 << 16):
                served.remove(s)
                s.close()
    os._exit(0)
while time.monotonic() < end:
    for _ in range(AT_ONCE):
        with socket.socket() as c:
            c.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, 500000)
            c.setsockopt(socket.IPPROTO_TCP, TCP_MAXSEG, 500)
            c.connect(listener.getsockname())
            c.send(b"p" * 6000)
    time.sleep(0.02)
os.wait()
