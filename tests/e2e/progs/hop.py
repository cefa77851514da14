# SPDX-License-Identifier: Apache-2.0
"""
hop.py PORT NEXT [PASS | by:WHOM]: a service of threads that answers GET /r/ID after it has asked the next one
the same: NEXT is another service's port, or "pg" and a port for a query that bears the id, or "dns"
and a port for a name that does, over UDP. PASS is a header that it passes on. WHOM asks the next one,
while the thread that serves waits: a `thread` made for it, an `executor` made for it, or one of a `pool`
that is shared. Connections onward are kept in a pool that its threads share. Prints each id.
"""
import http.client
import os
import queue
import socket
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, NEXT = int(sys.argv[1]), sys.argv[2]
MORE = sys.argv[3] if len(sys.argv) > 3 else ""
PASS, BY = (None, MORE[3:]) if MORE.startswith("by:") else (MORE, "")


class Postgres:
    """As much of a client as a query needs."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        words = b"user\0postgres\0database\0postgres\0\0"
        self.sock.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
        self.file = self.sock.makefile("rb")
        self.finish()

    def finish(self):
        while True:
            kind, size = struct.unpack("!cI", self.file.read(5))
            self.file.read(size - 4)
            if kind == b"Z":
                return

    def ask(self, ident, _):
        text = f"SELECT 1 AS r_{ident}".encode() + b"\0"
        self.sock.sendall(b"Q" + struct.pack("!I", len(text) + 4) + text)
        self.finish()


class Names:
    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))

    def ask(self, ident, _):
        name = struct.pack("B", len(ident)) + ident.encode() + b"\7example\0"
        self.sock.send(os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1")
        self.sock.recv(512)


class Service:
    def __init__(self, port):
        self.conn = http.client.HTTPConnection("127.0.0.1", port)
        self.conn.connect()
        self.conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, ident, headers):
        self.conn.request("GET", f"/r/{ident}", headers=headers)
        self.conn.getresponse().read()


idle = queue.LifoQueue()


def onward(ident, headers):
    try:
        link = idle.get_nowait()
    except queue.Empty:
        if NEXT.startswith("pg"):
            link = Postgres(int(NEXT[2:]))
        elif NEXT.startswith("dns"):
            link = Names(int(NEXT[3:]))
        else:
            link = Service(int(NEXT))
    link.ask(ident, headers)
    idle.put(link)


shared = ThreadPoolExecutor(16) if BY == "pool" else None


def by_another(*args):
    if BY == "thread":
        t = threading.Thread(target=onward, args=args)
        t.start()
        t.join()
    elif BY == "executor":
        with ThreadPoolExecutor(2) as own:
            own.submit(onward, *args).result()
    else:
        shared.submit(onward, *args).result()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        ident = self.path[3:]
        os.write(1, ident.encode() + b"\n")  # whole, whatever other threads write
        value = self.headers.get(PASS) if PASS else None
        (by_another if BY else onward)(ident, {PASS: value} if value else {})
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
