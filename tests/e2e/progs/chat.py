# SPDX-License-Identifier: Apache-2.0
"""chat.py SECONDS: two processes that hand a byte to and fro over a pair of unix sockets."""
import os
import socket
import sys
import time

one, other = socket.socketpair()
end = time.monotonic() + float(sys.argv[1])
if os.fork() == 0:
    one.close()
    while other.recv(1):
        other.send(b"y")
    os._exit(0)
while time.monotonic() < end:
    for _ in range(100):
        one.send(b"x")
        one.recv(1)
one.close()
os.wait()
