# SPDX-License-Identifier: Apache-2.0
"""handed.py FD: answers requests on a connection that another program opened."""
import os
import socket
import sys


def answer(sock):
    """One request without a body, and its answer; False at the end of the connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            return False
        head += data
    body = str(os.getpid()).encode()
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return True


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        while answer(inherited):
            pass
