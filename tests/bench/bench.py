#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py [NAME...]: takes measurements by name (default: all), prints a table, and writes it to
docs/performance.md when asked. Results are kept beside the binary, so that a run of one measurement
renews its lines only."""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

import cost
import databases
import go
import host
import kernel
import live
import otlp
import own
import pressure
import propagate
import tls
import waits

ROOMS = (cost, databases, waits, tls, go, kernel, pressure, propagate, own, live, otlp)
MEASURES = {f.__name__: f for room in ROOMS for f in room.MEASURES}
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
DOC = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "performance.md")


def number(value, digits):
    return f"{value:,.{digits}f}"


def verdict(row, median):
    """A target is an upper bound; a negative one a lower bound."""
    target = row["target"]
    if target is None:
        return "", ""
    met = median <= target if target >= 0 else median >= -target
    return ("≤ " if target >= 0 else "≥ ") + f"{abs(target):,g}", "met" if met else "**not met**"


def line(row):
    values, digits = row["values"], row["digits"]
    median = statistics.median(values)
    low, high = host.iqr(values)
    spread = f"{number(low, digits)} to {number(high, digits)}" if len(values) > 1 else ""
    target, met = verdict(row, median)
    cells = [row["figure"], f"{number(median, digits)} {row['unit']}".strip(), spread,
             str(len(values)), target, met, row["note"]]
    return "| " + " | ".join(cells) + " |"


def table(results):
    out = ["| figure | median | quartiles | n | target | | |", "|---|---|---|---|---|---|---|"]
    for name in MEASURES:
        out += [line(row) for row in results.get(name, [])]
    return "\n".join(out)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((x.split(":", 1)[1].strip() for x in f if x.startswith("model name")), "?")
    return (f"{len(host.CPUS)} CPUs ({model}), Linux {platform.release()}, "
            f"load {os.getloadavg()[0]:.1f} at the start")


def write_doc(results, about):
    with open(DOC, encoding="utf-8") as f:
        text = f.read()
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    with open(DOC, "w", encoding="utf-8") as f:
        f.write(f"{head}{BEGIN}\n{about}\n\n{table(results)}\n{END}{tail}")


def run(opts, names, results):
    failed = 0
    for name in names:
        host.say(f"{name}: {MEASURES[name].__doc__.split(chr(10))[0]}")
        is_quiet = host.wait_quiet(opts.patience)
        start = time.monotonic()
        try:
            results[name] = [row.as_dict() for row in MEASURES[name](opts)]
            host.say(f"  {time.monotonic() - start:.0f} s")
            if not is_quiet:
                for row in results[name]:
                    row["note"] = "; ".join(filter(None, (row["note"], "on a busy machine")))
        except (host.Failed, OSError, subprocess.SubprocessError) as e:
            host.say(f"  not measured: {e}")
            results.pop(name, None)  # an older figure would pass for this one
            failed += 1
    return failed


def main():
    build = os.path.join(os.path.dirname(__file__), "..", "..", "build")
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    p.add_argument("--sonde", default=os.path.join(build, "sonde"))
    p.add_argument("--pace", default=os.path.join(build, "bench", "pace"))
    p.add_argument("--rounds", type=int, default=7, help="rounds, or pairs of rounds")
    p.add_argument("--seconds", type=int, default=3, help="length of a round")
    p.add_argument("--patience", type=int, default=60, metavar="SECONDS",
                   help="how long to wait for other programs to be quiet")
    p.add_argument("--write", action="store_true", help="renew the table in docs/performance.md")
    opts = p.parse_args()
    for name in opts.names:
        if name not in MEASURES:
            p.error(f"no measurement {name}; there are: {', '.join(MEASURES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    about = machine()
    store = os.path.join(os.path.dirname(opts.pace), "results.json")
    results = {}
    if os.path.exists(store):
        with open(store, encoding="utf-8") as f:
            results = json.load(f)
    failed = run(opts, opts.names or list(MEASURES), results)
    with open(store, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    shown = {n: r for n, r in results.items() if not opts.names or n in opts.names}
    print(table(shown))
    if opts.write:
        commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True,
                                text=True, check=False).stdout.strip()
        write_doc(results, f"{about}; commit {commit}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
