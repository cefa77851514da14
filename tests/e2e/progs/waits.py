# SPDX-License-Identifier: Apache-2.0
"""waits.py PORT REDIS [DEVICE]: as waits.c, a thread for each connection, in Python."""
import ctypes
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DEBUG = b"*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$4\r\n0.02\r\n"
BLOCK = 65536
local = threading.local()


def burn():
    end = time.thread_time_ns() + 20_000_000
    while time.thread_time_ns() < end:
        pass


def doze():
    time.sleep(0.02)


def lock():
    held, mutex = threading.Event(), threading.Lock()

    def hold():
        with mutex:
            held.set()
            doze()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with mutex:
        pass
    holder.join()


def disk():
    """From the end backwards: nothing is read ahead, and nothing twice."""
    if not hasattr(local, "disk"):
        local.disk = os.open(sys.argv[3], os.O_RDONLY)
        local.at = os.lseek(local.disk, 0, os.SEEK_END) - 4 * BLOCK
    local.at -= BLOCK
    if len(os.pread(local.disk, BLOCK, local.at)) != BLOCK:
        raise EOFError(sys.argv[3])


def call():
    if not hasattr(local, "redis"):
        local.redis = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    local.redis.sendall(DEBUG)
    local.redis.recv(64)


def far(kind):
    if not hasattr(local, "there"):
        local.there = os.open(sys.argv[3], os.O_RDONLY)
        if ctypes.CDLL(None).setns(local.there, 0):
            raise OSError(sys.argv[3])
    s = socket.socket(socket.AF_INET, kind)
    s.connect(("198.51.100.1", int(sys.argv[2])))
    return s


def reach():
    far(socket.SOCK_STREAM).close()


def echo(name, kind):
    if not hasattr(local, name):
        setattr(local, name, far(kind))
    s = getattr(local, name)
    s.send(b"\xfd\xfe\xfd\xfe")
    s.recv(4)


def measure():
    """All at one moment: again, if the CPU was lost in between."""
    while True:
        wall = time.monotonic_ns()
        with open("/proc/thread-self/schedstat") as f:
            delay = int(f.read().split()[1])
        cpu = time.thread_time_ns()
        if time.monotonic_ns() - wall < 300_000:
            return wall, cpu, delay


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one send for each response
    dozed_ns = 0
    after = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        till = time.monotonic_ns()
        before = measure()
        {"/burn": burn, "/sleep": doze, "/lock": lock, "/disk": disk, "/call": call,
         "/reach": reach, "/stream": lambda: echo("stream", socket.SOCK_STREAM),
         "/datagram": lambda: echo("datagram", socket.SOCK_DGRAM),
         "/late": lambda: None}[self.path]()
        names, idle = ("wall", "cpu", "delay"), 0
        if self.after:
            wall, cpu, delay = (b - a for a, b in zip(self.after, before))
            idle = max(0, wall - cpu - delay)
        self.after = measure()
        body = dict(zip(names, (b - a for a, b in zip(before, self.after))), idle=idle)
        # when its request was read at the soonest, and at the latest
        body.update({"from": self.dozed_ns, "till": till})
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.path == "/late":
            doze()
            self.dozed_ns = time.monotonic_ns()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
