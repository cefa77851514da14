# SPDX-License-Identifier: Apache-2.0
"""What `--propagate http` costs the client whose requests get a line, beyond that it is observed."""

import json
import os
import subprocess
import time

import host
import kernel
from host import Row

RATE = 10000


def used_ns(argv):
    """CPU time of a program from its start to its end."""
    proc = host.spawn(argv, host.OTHER_CPUS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(proc.pid, 0)
    proc.returncode = os.waitstatus_to_exitcode(status)
    if proc.returncode:
        raise host.Failed(f"{argv[0]}: exit {proc.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e9


def clients(opts, port):
    """(what, argv, requests): a connection for each request, and connections that are kept."""
    n = RATE * opts.seconds
    return (("a connection each", ["ab", "-q", "-n", str(n), "-c", "1", f"http://127.0.0.1:{port}/"], n),
            ("kept connections", [opts.pace, "-c", "16", "-r", str(RATE), "-d", str(opts.seconds),
                                  "127.0.0.1", str(port)], n))


def observed(port, is_on):
    return ["--port", str(port), *(["--propagate", "http"] if is_on else [])]


def pairs(opts, port, server, argv):
    """(off, on): the client's CPU time, in rounds ABBA; and how many pairs were dropped."""
    kept, dropped = [], 0
    while len(kept) < opts.rounds:
        both, is_quiet = {}, True
        for is_on in (False, True) if (len(kept) + dropped) % 2 else (True, False):
            with host.Sonde(opts.sonde, observed(port, is_on)) as s:
                time.sleep(0.3)
                watch = host.Watch(s.pid, server)
                both[is_on] = used_ns(argv)
                is_quiet &= watch.is_quiet()
        if is_quiet:
            kept.append((both[False], both[True]))
        else:
            dropped += 1
            if dropped > 4 * opts.rounds:
                raise host.Failed("other programs keep the machine busy")
    return kept, f"{dropped} pairs dropped: the machine was busy" if dropped else ""


def which(s):
    """Of a connection's requests, those that get a line."""
    return json.loads(s.get("/api/v1/status")[1])["propagation"]["requests"]


def propagate(opts):
    """CPU of a client that is observed, its requests given a traceparent or not."""
    rows, runs = [], []
    with host.nginx() as (port, server):
        with kernel.statistics_on(), host.Sonde(opts.sonde, observed(port, True)) as s:
            mode, (_, argv, n) = which(s), clients(opts, port)[0]
            for _ in range(opts.rounds):
                runs.append(kernel.measured(s.pid, lambda: used_ns(argv)))
        rows += [
            Row("kernel, a request that is given a line", "ns",
                kernel.need(kernel.per_run(r, ("sonde_request",)) for r in runs), digits=0),
            Row("kernel, a connection that may be given lines", "ns",
                [r["sonde_speaker"][1] / n for r in runs], None,
                f"{runs[-1]['sonde_speaker'][0] / n:.1f} runs", digits=0),
        ]
        for what, argv, n in clients(opts, port):
            kept, note = pairs(opts, port, server, argv)
            given = f"{mode} of a connection's requests given a line"
            rows += [
                Row(f"client CPU per request, {what}, observed", "µs", [a / n / 1e3 for a, _ in kept]),
                Row(f"client CPU per request, {what}, added by --propagate http", "µs",
                    [(b - a) / n / 1e3 for a, b in kept], note="; ".join(filter(None, (given, note)))),
            ]
    return rows


MEASURES = [propagate]
