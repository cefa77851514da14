# SPDX-License-Identifier: Apache-2.0
"""What TCP's and the disks' figures cost: ns of each hook a time, and of the walk for a socket."""

import os
import resource
import socket
import struct
import tempfile
import time

import host
from host import Row
from kernel import measured, need, per_run, statistics_on

CONNECTIONS = 5000
HELD = 2000
WALK_S = 5.5  # one walk at least


class Pair:
    """A listener and its client, both here."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]

    def open(self):
        client = socket.create_connection(("127.0.0.1", self.port))
        return client, self.listener.accept()[0]

    def come_and_go(self, n):
        for _ in range(n):
            for end in self.open():
                end.close()

    def slam(self, n):
        """The client's end is reset after a byte each way, so that both are known to be used."""
        for _ in range(n):
            client, server = self.open()
            client.send(b"x")
            server.recv(1)
            server.send(b"x")
            client.recv(1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            server.close()


def write_down(n):
    """n writes that the disk has to end."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as f:
        for i in range(n):
            os.pwrite(f.fileno(), b"x" * 4096, 4096 * (i % 64))
            os.fdatasync(f.fileno())


def per(runs, names, n):
    """ns of these programs together for each of n; None: they did not run."""
    return sum(runs[name][1] for name in names if name in runs) / n if n else None


def per_first(runs, name):
    """ns of a program and its second, which finds the work done, each time; None: never."""
    return per(runs, (name, name + "_again"), runs.get(name, (0, 0))[0])


def kernel_pressure(opts):
    """A connection from its beginning to its end, a reset, a disk's request, a socket walked past."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pair, got = Pair(), []
    with statistics_on(), host.Sonde(opts.sonde, ["--port", str(pair.port)]) as s:
        pair.come_and_go(100)
        for _ in range(opts.rounds):
            got.append([measured(s.pid, lambda: pair.come_and_go(CONNECTIONS)),
                        measured(s.pid, lambda: pair.slam(500)),
                        measured(s.pid, lambda: write_down(200))])
        held = [pair.open() for _ in range(HELD)]
        walks = [measured(s.pid, lambda: time.sleep(WALK_S)) for _ in range(2)]
    del held
    return [
        Row("kernel, a connection made and ended, both ends", "ns",
            [per(g[0], ("sonde_state", "sonde_state_again"), CONNECTIONS) for g in got],
            note="10 changes of state", digits=0),
        Row("kernel, a reset of a connection, received", "ns",
            need(per_first(g[1], "sonde_reset_in") for g in got), digits=0),
        Row("kernel, a reset of a connection, sent", "ns",
            need(per_first(g[1], "sonde_reset_out") for g in got), digits=0),
        Row("kernel, a request of a disk, its beginning and its end", "ns",
            need(per(g[2], ("sonde_disk_start", "sonde_disk"), g[2].get("sonde_disk", (0, 0))[0])
                 for g in got), digits=0),
        Row(f"kernel, a walk past a descriptor, {2 * HELD} of them connections", "ns",
            need(per_run(w, ("sonde_tcp_walk",)) for w in walks), note="every 5 s", digits=0),
    ]


MEASURES = [kernel_pressure]
