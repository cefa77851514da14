# SPDX-License-Identifier: Apache-2.0
"""
twoports.py PORT OTHER ROUNDS: one thread asks both servers within TLS, in turns: over a connection
to each that it keeps, and over one to each that it makes and closes, so that the next gets the
object of the one before from the library.
"""
import socket
import sys

from secureclient import unverified


def asked(s, n):
    s.sendall(f"GET /marked/{n}/x HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    held = b""
    while not held.endswith(b"\r\n\r\nok\n"):
        data = s.recv(65536)
        if not data:
            sys.exit("the server hung up")
        held += data


def main():
    ports, rounds = [int(p) for p in sys.argv[1:3]], int(sys.argv[3])
    context = unverified()

    def connected(port):
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    kept = [connected(port) for port in ports]
    for n in range(rounds):
        for port in (ports[1], ports[0]):
            with connected(port) as s:
                asked(s, 1000 + n)
                asked(s, 1000 + n)
        for s in (kept[1], kept[1], kept[0], kept[1], kept[0]):
            asked(s, 1000 + n)


main()
