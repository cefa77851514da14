# SPDX-License-Identifier: Apache-2.0
"""
secure.py PORT MODE CERT KEY: an HTTP server within TLS that answers everything with 200. MODE thread:
a socket that the library reads itself, a thread for each connection; asyncio: records in memory.
"""
import asyncio
import socket
import ssl
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def serve_one(context, plain):
    try:
        with context.wrap_socket(plain, server_side=True) as s:
            held = b""
            while True:
                data = s.recv(65536)
                if not data:
                    return
                held += data
                n = held.count(b"\r\n\r\n")
                held = held[held.rfind(b"\r\n\r\n") + 4:] if n else held
                for _ in range(n):
                    s.sendall(ANSWER)
    except OSError:
        pass


def threads(port, context):
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=serve_one, args=(context, plain), daemon=True).start()


async def one(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def events(port, context):
    server = await asyncio.start_server(one, "127.0.0.1", port, ssl=context, backlog=128)
    await server.serve_forever()


def main():
    port, mode, cert, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if mode == "thread":
        threads(int(port), context)
    else:
        asyncio.run(events(int(port), context))


main()
