# SPDX-License-Identifier: Apache-2.0
"""What the figures of TCP, disks, memory and processes cost: ns of each hook a time, and of the walk
for a socket."""

import contextlib
import os
import resource
import socket
import struct
import tempfile
import threading
import time

import host
from host import Row
from kernel import measured, need, per_run, statistics_on

CONNECTIONS = 5000
HELD = 2000
PROCESSES = 500
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
        Row("kernel, a request of a disk, its beginning", "ns",
            need(per_run(g[2], ("sonde_disk_start",)) for g in got), digits=0),
        Row("kernel, a request of a disk, its end", "ns",
            need(per_run(g[2], ("sonde_disk",)) for g in got), digits=0),
        Row(f"kernel, a walk past a descriptor, {2 * HELD} of them connections", "ns",
            need(per_run(w, ("sonde_tcp_walk",)) for w in walks), note="every 5 s", digits=0),
    ]


def live_and_end(n):
    for _ in range(n):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def thread_and_end(n):
    for _ in range(n):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()


def kernel_lives(opts):
    """A process from its beginning to its very end, a thread's end; observed, or left out."""
    rows = []
    for what, args in (("observed", ["--comm", "true", "--comm", "python3*"]),
                       ("filtered out", ["--comm", "no-such-name"])):
        got = []
        with statistics_on(), host.Sonde(opts.sonde, args) as s:
            live_and_end(10)
            for _ in range(opts.rounds):
                got.append([measured(s.pid, lambda: live_and_end(PROCESSES)),
                            measured(s.pid, lambda: thread_and_end(PROCESSES))])
        rows += [
            Row(f"kernel, a process made and its program begun, {what}", "ns",
                [per(g[0], ("sonde_fork", "sonde_exec"), PROCESSES) for g in got], digits=0),
            Row(f"kernel, the end of a process, {what}", "ns",
                [per(g[0], ("sonde_exit", "sonde_rest"), PROCESSES) for g in got], digits=0),
            Row(f"kernel, the end of a thread, {what}", "ns",
                need(per_run(g[1], ("sonde_exit",)) for g in got), digits=0),
        ]
    return rows


@contextlib.contextmanager
def little_memory(limit):
    """The list of processes of a control group with so much memory."""
    for root, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                       ("/sys/fs/cgroup", "memory.max")):
        folder = f"{root}/sonde-bench-{os.getpid()}"
        if os.path.exists(f"{root}/cgroup.procs"):
            break
    os.mkdir(folder)
    try:
        with open(f"{folder}/{name}", "w", encoding="ascii") as f:
            f.write(str(limit))
        yield f"{folder}/cgroup.procs"
    finally:
        os.rmdir(folder)


READER = """
import sys
open(sys.argv[1], "w").write("0")
with open(sys.argv[2], "rb", buffering=0) as f:
    while True:
        f.seek(0)
        while f.read(1 << 20): pass
"""


def kernel_reclaim(opts):
    """A stall of a process that has to make room in its control group's memory, both its ends."""
    hooks = ("sonde_reclaim_group", "sonde_reclaim_group_end")
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as big, little_memory(32 << 20) as procs:
        big.truncate(1 << 30)
        with statistics_on(), host.Sonde(opts.sonde, ["--comm", "python3*"]) as s:
            reader = host.spawn(["/usr/bin/python3", "-c", READER, procs, big.name], host.SERVER_CPU)
            try:
                time.sleep(1)  # until its group is full
                got = [measured(s.pid, lambda: time.sleep(opts.seconds)) for _ in range(opts.rounds)]
            finally:
                host.stop(reader)
    return [Row("kernel, a stall for want of memory, its beginning and its end", "ns",
                need(per(r, hooks, r.get(hooks[0], (0, 0))[0]) for r in got), digits=0)]


MEASURES = [kernel_pressure, kernel_lives, kernel_reclaim]
