# SPDX-License-Identifier: Apache-2.0
"""What being observed costs a server. Rounds alternate untraced, traced, traced, untraced, ... so
that a drift of the machine falls on both; each traced round is compared with its neighbour."""

import contextlib
import os
import statistics
import time

import host
from host import Row


def round_of(opts, port, pid, rate, seconds):
    """(server's CPU ns per request, sonde is not in it; p50 in us) at a fixed rate."""
    before = host.cpu_ns(pid)
    client = host.pace(opts.pace, port, rate, seconds)
    result = host.pace_result(client)
    if result["failed"]:
        raise host.Failed(f"the client lost requests: {result}")
    return (host.cpu_ns(pid) - before) / result["done"], result["p50_us"]


@contextlib.contextmanager
def observer(opts, is_traced, args, cpus):
    """sonde for a traced round, nothing for an untraced one."""
    if is_traced:
        with host.Sonde(opts.sonde, args, cpus=cpus) as s:
            time.sleep(0.3)
            yield s
    else:
        time.sleep(0.3)
        yield None


class Pairs:
    """Pairs (untraced, traced) of measurements, and how many pairs were dropped because other
    programs ran meanwhile."""

    def __init__(self):
        self.kept, self.dropped = [], 0

    def note(self):
        return f"{self.dropped} pairs dropped: the machine was busy" if self.dropped else ""


def interleaved(opts, pid, args, measure, cpus=host.OTHER_CPUS, observer=observer):
    """Pairs of measure(sonde or None, watch), in the order ABBA; pid is the observed server. Other
    pairs than untraced and traced are made by another `observer`."""
    out = Pairs()
    while len(out.kept) < opts.rounds:
        both, is_quiet = {}, True
        order = (False, True) if (len(out.kept) + out.dropped) % 2 else (True, False)
        for is_traced in order:
            with observer(opts, is_traced, args, cpus) as s:
                watch = host.Watch(pid, *([s.pid] if s else []))
                both[is_traced] = measure(s, watch)
                is_quiet &= watch.is_quiet()
        if is_quiet:
            out.kept.append((both[False], both[True]))
        else:
            out.dropped += 1
            if out.dropped > 4 * opts.rounds:
                raise host.Failed("other programs keep the machine busy")
    return out


def fixed_rate(opts, name, server, args_of, share=0.5):
    with server() as (port, pid):
        rate = int(host.wrk(port, 2, 16) * share)
        args = args_of(pid)
        round_of(opts, port, pid, rate, 1)  # warm
        got = interleaved(opts, pid, args, lambda s, _: round_of(opts, port, pid, rate, opts.seconds))
    host.say(f"  {name}: {rate} requests/s")
    return rate, got


def notes(interval, got):
    text = f"95 % interval of the median {interval[0]:.2f} to {interval[1]:.2f}"
    return "; ".join(x for x in (text, got.note()) if x)


def only(pid):
    return ["--pid", str(pid)]


def both_ends(pid):
    del pid
    return ["--comm", "nginx", "--comm", "pace"]


def cost_nginx(opts):
    """CPU per request of nginx at half its capacity, observing nginx alone, then both ends."""
    rows = []
    for what, args_of, target in (("nginx observed", only, 0.7), ("both ends observed", both_ends, None)):
        rate, got = fixed_rate(opts, what, host.nginx, args_of)
        more = [(t[0] - u[0]) / 1e3 for u, t in got.kept]
        rows += [
            Row(f"nginx CPU per request, untraced, {rate} req/s", "µs", [u[0] / 1e3 for u, _ in got.kept]),
            Row(f"nginx CPU per request, added, {what}", "µs", more, target,
                notes(host.interval(more), got)),
            Row(f"nginx median latency, added, {what}", "µs", [t[1] - u[1] for u, t in got.kept], digits=0),
        ]
    return rows


def relative(opts, name, server):
    rate, got = fixed_rate(opts, name, server, only)
    ratio = [(t[0] / u[0] - 1) * 100 for u, t in got.kept]
    return [
        Row(f"{name} CPU per request, untraced, {rate} req/s", "µs", [u[0] / 1e3 for u, _ in got.kept]),
        Row(f"{name} CPU per request, added", "%", ratio, 1, notes(host.interval(ratio), got)),
    ]


def cost_python(opts):
    """CPU per request of a Python server at half its capacity."""
    return relative(opts, "Python", host.python_server)


def cost_node(opts):
    """CPU per request of a Node server at half its capacity."""
    return relative(opts, "Node", host.node_server)


def saturated(opts):
    """Throughput of nginx and client that fill the machine, with sonde's own share of it."""
    rows = []
    for what, args in (("nginx observed", ["--comm", "nginx"]),
                       ("both ends observed", ["--comm", "nginx", "--comm", "wrk"])):
        shares = []
        with host.nginx() as (port, pid):
            os.sched_setaffinity(pid, host.CPUS)

            def measure(s, _):
                before = host.cpu_ns(s.pid) if s else 0
                rate = host.wrk(port, opts.seconds, cpus=host.CPUS)
                if s:
                    shares.append((host.cpu_ns(s.pid) - before) / 1e9 / opts.seconds)
                return rate

            host.wrk(port, 1)
            got = interleaved(opts, pid, args, measure, host.CPUS)
        note = f"sonde used {statistics.median(shares):.2f} of {len(host.CPUS)} CPUs meanwhile"
        note = "; ".join(x for x in (note, got.note()) if x)
        rows += [
            Row(f"saturated throughput, untraced ({what})", "req/s", [u for u, _ in got.kept], digits=0),
            Row(f"saturated throughput, traced / untraced, {what}", "", [t / u for u, t in got.kept],
                note=note, digits=3),
        ]
    return rows


MEASURES = [cost_nginx, cost_python, cost_node, saturated]
