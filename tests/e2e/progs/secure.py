# SPDX-License-Identifier: Apache-2.0
"""
secure.py PORT MODE CERT KEY: an HTTP server within TLS that answers everything with 200. MODE thread:
a socket that the library reads itself, a thread for each connection; asyncio: records in memory;
gather:N: the same, but plaintext is read when N connections have shaken hands; hold:N: and nothing
is given to the library before all N have sent something; keep:N: nor is anything read before they
have once more.
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


class Gather(asyncio.Protocol):
    """As uvloop does, in the order that is worst: what came with the handshake's end is read when
    other connections have been received from."""
    waiting = []

    def __init__(self, context, n, how):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.n, self.holds, self.keeps = n, how != "gather", how == "keep"
        self.is_open, self.held = False, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.incoming.write(data)
        if self in self.waiting:
            return
        if self.is_open and self.keeps:
            self.wait(Gather.read)
        elif self.is_open:
            self.read()
        elif self.holds:
            self.wait(Gather.shake)
        else:
            self.shake()

    def connection_lost(self, _):
        """Nobody waits for one that is gone."""
        gone = [each for each in self.waiting if each is self or each.is_open]
        for each in gone:
            self.waiting.remove(each)
            if each is not self:
                each.read()

    def wait(self, then):
        self.waiting.append(self)
        if len(self.waiting) == self.n:
            waiting, Gather.waiting = self.waiting, []
            for each in waiting:
                then(each)

    def shake(self):
        try:
            self.tls.do_handshake()
            self.is_open = True
        except ssl.SSLWantReadError:
            pass
        self.transport.write(self.outgoing.read())
        if self.is_open:
            self.read() if self.holds else self.wait(Gather.read)

    def read(self):
        try:
            while True:
                data = self.tls.read(65536)
                if not data:
                    break
                self.held += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.transport.close()
        n = self.held.count(b"\r\n\r\n")
        if n:
            self.held = b""
            self.tls.write(ANSWER * n)
            self.transport.write(self.outgoing.read())


async def gathered(port, context, n, how):
    server = await asyncio.get_running_loop().create_server(
        lambda: Gather(context, n, how), "127.0.0.1", port, backlog=128)
    await server.serve_forever()


def main():
    port, mode, cert, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if mode == "thread":
        threads(int(port), context)
    elif ":" in mode:
        how, n = mode.split(":")
        asyncio.run(gathered(int(port), context, int(n), how))
    else:
        asyncio.run(events(int(port), context))


main()
