# SPDX-License-Identifier: Apache-2.0
"""sonde check beside traffic: one process in depth, and who yields no data, and why."""
import json
import os
import socket
import threading

from harness.case import case
from harness.env import PYTHON
from harness.proc import Failure, free_port
from harness.raw import Raw


class During(threading.Thread):
    """Does it again and again for as long as it is looked at, half a minute at most."""

    def __init__(self, it):
        super().__init__(daemon=True)
        self.it, self.is_over = it, threading.Event()

    def run(self):
        for _ in range(30000):
            if self.is_over.wait(0.001):
                return
            self.it()

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.is_over.set()
        self.join()


def check(e, *args):
    p = e.procs.run([e.sonde, "check", *args])
    if p.code:
        raise Failure(f"check: {p.code}, {p.stderr()}")
    return p.stdout()


@case(group=None)
def check_one_process(e):
    """What moves on its sockets is told of, in as long a look as was asked for."""
    ng, idle = e.nginx(), e.procs.start(["sleep", 30])
    with Raw(ng.port) as c, During(lambda: c.ask("GET", "/ok")):
        told = json.loads(check(e, "--json", "--pid", os.getpid(), "--duration", "2s"))
    traffic = told["process"]["traffic"]
    if told["watched_ns"] != 2_000_000_000 or not traffic["transactions"] or not traffic["bytes"]:
        raise Failure(f"of this process: {told['watched_ns']} ns, {traffic}")
    told = json.loads(check(e, "--json", "--pid", idle.pid))
    if told["watched_ns"] != 150_000_000 or "traffic" in told["process"]:
        raise Failure(f"of an idle one: {told['watched_ns']} ns, {told['process']}")
    said = check(e, "--pid", idle.pid, "--duration", "20ms")
    if "none on its sockets in 20 ms (--duration says how long to look)" not in said:
        raise Failure(f"of an idle one: {said}")


@case(group=None)
def check_one_process_of_short_connections(e):
    """What ended while it was looked at is told of, however short the look: on connections of their own."""
    port = free_port()
    server = e.serve([PYTHON, "-m", "http.server", "-p", "HTTP/1.1", "-b", "127.0.0.1", port], port, cwd=e.site())

    def ask():
        with Raw(port) as c:
            c.ask("GET", "/hello")
    with During(ask):
        for _ in range(5):
            said = json.loads(check(e, "--json", "--pid", server.pid))
            if said["process"].get("traffic", {}).get("transactions", 0) > 1:
                return
    raise Failure(f"no request was seen on them: {said['process']}")


@case(group=None)
def check_names_who_is_dark(e):
    """A process that moves what is no protocol is named, with its bytes and the reason."""
    with socket.create_server(("127.0.0.1", free_port())) as door:
        with socket.create_connection(door.getsockname()) as c, door.accept()[0] as peer:
            def babble():
                for one, other in ((c, peer), (peer, c)):
                    one.sendall(b"\x07\xff" * 16384)
                    left = 32768
                    while left:
                        left -= len(other.recv(left))
            with During(babble):
                told = json.loads(check(e, "--json"))
                said = check(e, "--duration", "1s")
    mine = [p for p in told["processes_without_data"] if p["pid"] == os.getpid()]
    if len(mine) != 1 or mine[0]["bytes"] < 1 << 20 or mine[0]["transactions"] or \
            "of a protocol this build does not parse" not in mine[0]["why"]:
        raise Failure(f"not named: {told['processes_without_data']}")
    lines = [line for line in said.splitlines() if line.split()[:1] == [str(os.getpid())]]
    if "busiest processes that yielded no data in 1 s" not in said or len(lines) != 1:
        raise Failure(f"not named: {said}")
