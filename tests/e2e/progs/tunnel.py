# SPDX-License-Identifier: Apache-2.0
"""tunnel PORT: a proxy of HTTP that knows CONNECT alone."""
import socket
import sys
import threading


def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.shutdown(socket.SHUT_WR)


def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    to = socket.create_connection(("127.0.0.1", int(head.split()[1].rsplit(b":", 1)[1])))
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    threading.Thread(target=pump, args=(to, client), daemon=True).start()
    pump(client, to)


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


main()
