# SPDX-License-Identifier: Apache-2.0
"""What being observed costs a database: CPU per operation at a fixed rate, in pairs as in cost.py,
and beside it what a saturated one loses. And what parsing costs, alone."""

import contextlib
import glob
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
import time

import cost
import host
from host import Row

SET = b"*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$3\r\nabc\r\n"
OK = len(b"+OK\r\n")


def binary(name):
    found = shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)
    if not found:
        raise host.Failed(f"no {name}: deploy/install-deps test")
    return found


# --- Redis ---

@contextlib.contextmanager
def redis():
    """(port, pid) of a redis-server that keeps nothing."""
    port = host.free_port()
    proc = host.spawn([binary("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save",
                       "", "--appendonly", "no"], host.SERVER_CPU, stdout=subprocess.DEVNULL)
    try:
        host.wait_port(port, proc)
        yield port, proc.pid
    finally:
        host.stop(proc)


def redis_benchmark(port, depth, commands, cpus=host.OTHER_CPUS):
    """Commands per second of a saturated server."""
    proc = host.spawn([binary("redis-benchmark"), "-p", str(port), "-c", "16", "-P", str(depth),
                       "-n", str(commands), "-t", "set", "--csv"], cpus,
                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in proc.communicate()[0].splitlines():
        fields = line.replace('"', "").split(",")
        if fields[0] == "SET":
            return float(fields[1])
    raise host.Failed("redis-benchmark gave no rate")


@contextlib.contextmanager
def sets(depth):
    """What makes `pace` send so many SETs at once."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(SET * depth)
        f.flush()
        yield ["-x", f.name, "-a", str(OK * depth)]


@contextlib.contextmanager
def at_rate(opts, port, pid, depth):
    """A round at half its capacity, in sends of `depth` commands: the us of CPU of each, and how
    many there are a second."""
    rate = int(redis_benchmark(port, depth, 60000 * depth) / depth * 0.5)
    with sets(depth) as more:

        def measure():
            before = host.cpu_ns(pid)
            got = host.pace_result(host.pace(opts.pace, port, rate, opts.seconds, more=more))
            if got["failed"]:
                raise host.Failed(f"the client lost requests: {got}")
            return (host.cpu_ns(pid) - before) / got["done"] / depth / 1e3
        yield measure, rate * depth


def redis_at_rate(opts, depth, target):
    """Half its capacity, in sends of `depth` commands."""
    with redis() as (port, pid), at_rate(opts, port, pid, depth) as (measure, rate):
        measure()  # warm
        got = cost.interleaved(opts, pid, cost.only(pid), lambda *_: measure())
    more = [t - u for u, t in got.kept]
    return [Row(f"Redis CPU per command, untraced, -P {depth}, {rate} commands/s", "µs",
                [u for u, _ in got.kept]),
            Row(f"Redis CPU per command, added, -P {depth}", "µs", more, target,
                cost.notes(host.interval(more), got))]


def redis_saturated(opts, depth):
    with redis() as (port, pid):
        os.sched_setaffinity(pid, host.CPUS)
        n = int(redis_benchmark(port, depth, 50000, host.CPUS) * 2)
        got = cost.interleaved(opts, pid, cost.only(pid),
                               lambda *_: redis_benchmark(port, depth, n, host.CPUS), host.CPUS)
    return [Row(f"Redis saturated throughput, traced / untraced, -P {depth}", "",
                [t / u for u, t in got.kept], note=got.note(), digits=3)]


def cost_redis(opts):
    """CPU per command of Redis at half its capacity, one at a time and sixteen in a send."""
    rows = []
    for depth, target in ((1, 0.8), (16, 0.15)):
        rows += redis_at_rate(opts, depth, target) + redis_saturated(opts, depth)
    return rows


# --- PostgreSQL ---

class Postgres:
    """A private cluster with pgbench's tables."""

    def __init__(self, folder):
        self.port, self.folder = host.free_port(), folder
        data, owner = os.path.join(folder, "data"), pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        os.chmod(folder, 0o755)
        as_owner = {"user": "postgres", "group": grp.getgrnam("postgres").gr_gid,
                    "extra_groups": [], "cwd": "/", "stdout": subprocess.DEVNULL}
        subprocess.run([binary("initdb"), "-D", data, "-A", "trust", "-N"], check=True,
                       **as_owner)
        self.proc = host.spawn([binary("postgres"), "-D", data, "-p", str(self.port), "-k", folder,
                                "-F", "-c", "listen_addresses=127.0.0.1", "-c", "autovacuum=off"],
                               host.SERVER_CPU, stderr=subprocess.DEVNULL, **as_owner)
        host.wait_port(self.port, self.proc)
        self.pgbench("-i", "-q").wait()

    def pgbench(self, *args, cpus=host.OTHER_CPUS):
        return host.spawn([binary("pgbench"), "-h", "127.0.0.1", "-p", str(self.port), "-U",
                           "postgres", *args, "postgres"], cpus, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)

    def cpu_ns(self):
        """Of every process of the cluster."""
        pid, total = self.proc.pid, 0
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            for p in [pid, *map(int, f.read().split())]:
                with contextlib.suppress(OSError):
                    total += host.cpu_ns(p)
        return total

    def tps(self, seconds, cpus):
        out = self.pgbench("-n", "-S", "-c", "8", "-T", str(seconds), cpus=cpus).communicate()[0]
        for line in out.splitlines():
            if line.startswith("tps ="):
                return float(line.split()[2])
        raise host.Failed("pgbench gave no rate")

    def at_rate(self, rate, seconds):
        """CPU us of a query: of those that pgbench's log has within the time it was measured."""
        log = os.path.join(self.folder, "log")
        client = self.pgbench("-n", "-S", "-c", "4", "-T", str(seconds + 2), "-R", str(rate),
                              "--log", "--log-prefix=" + log)
        time.sleep(1)
        before, since = self.cpu_ns(), time.time()
        time.sleep(seconds)
        spent, until = self.cpu_ns() - before, time.time()
        client.wait()
        n = 0
        for path in glob.glob(log + ".*"):
            with open(path, encoding="ascii") as f:
                for line in f:
                    fields = line.split()
                    n += since <= int(fields[4]) + int(fields[5]) / 1e6 < until
            os.unlink(path)
        if n < rate * seconds * 0.9:
            raise host.Failed(f"pgbench asked {n} times in {seconds} s, not {rate} a second")
        return spent / n / 1e3


@contextlib.contextmanager
def postgres():
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        p = Postgres(folder)
        try:
            yield p
        finally:
            host.stop(p.proc)


def cost_postgres(opts):
    """CPU per query of PostgreSQL at half its capacity, under pgbench -S."""
    args = ["--comm", "postgres"]
    with postgres() as p:
        rate = int(p.tps(2, host.OTHER_CPUS) * 0.5)

        def measure(_, watch):
            before = p.cpu_ns()
            value = p.at_rate(rate, opts.seconds)
            # the backends are gone: their share before and after the time that was measured
            watch.spent(value * rate * (opts.seconds + 2) / 1e6 - (p.cpu_ns() - before) / 1e9)
            return value

        got = cost.interleaved(opts, p.proc.pid, args, measure)
        os.sched_setaffinity(p.proc.pid, host.CPUS)  # backends to come inherit it

        def saturated(_, watch):
            watch.spent(opts.seconds * len(host.CPUS))  # nothing else can be told from it
            return p.tps(2, host.CPUS)

        full = cost.interleaved(opts, p.proc.pid, args, saturated, host.CPUS)
    more = [t - u for u, t in got.kept]
    return [Row(f"PostgreSQL CPU per query, untraced, pgbench -S, {rate} queries/s", "µs",
                [u for u, _ in got.kept]),
            Row("PostgreSQL CPU per query, added", "µs", more, 1,
                cost.notes(host.interval(more), got)),
            Row("PostgreSQL saturated throughput, traced / untraced", "",
                [t / u for u, t in full.kept], digits=3)]


# --- the parsers ---

def parse(opts):
    """ns for each message that a parser takes, over the sessions of tests/replay."""
    sessions = sorted(glob.glob(os.path.join(os.path.dirname(__file__), "..", "replay", "sessions",
                                             "[!u]*.pcap")))
    out = subprocess.run([os.path.join(os.path.dirname(opts.pace), "bench_proto"), *sessions],
                         capture_output=True, text=True, check=True).stdout
    rows = []
    for line in out.splitlines():
        name, messages, *values = line.split()
        rows.append(Row(f"parsing, {name}", "ns", map(float, values), digits=0,
                        note=f"a message; {messages} different ones"))
    return rows


MEASURES = [cost_redis, cost_postgres, parse]
