# SPDX-License-Identifier: Apache-2.0
"""What the live view costs: `top` beside `run` over one load, and the last minute it reads."""

import contextlib
import fcntl
import itertools
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import threading
import time

import host
from host import Row

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MKCOL")


class Top:
    """`sonde top` in a terminal of 160 columns and 48 lines that somebody reads."""

    def __init__(self, binary, args):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 48, 160, 0, 0))
        self.seen = b""
        self.proc = subprocess.Popen([binary, "top", *args], stdin=slave, stdout=slave,
                                     stderr=subprocess.DEVNULL, start_new_session=True,
                                     preexec_fn=lambda: os.sched_setaffinity(0, host.OTHER_CPUS),
                                     env={**os.environ, "TERM": "xterm-256color",
                                          "LC_ALL": "C.UTF-8"})
        os.close(slave)
        self.pid = self.proc.pid
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError):  # its other end is closed
            while part := os.read(self.master, 65536):
                self.seen = (self.seen + part)[-65536:]

    def press(self, key):
        os.write(self.master, key.encode())

    def wait_for(self, word):
        end = time.monotonic() + 20
        while word.encode() not in self.seen:
            if time.monotonic() > end or self.proc.poll() is not None:
                raise host.Failed(f"top does not show {word}")
            time.sleep(0.05)

    def close(self):
        host.stop(self.proc)
        os.close(self.master)


def targets():
    """10,368 endpoints: words that no template takes for an identifier, 36 in a segment."""
    words = ["".join(p) for p in itertools.product("bdfgklmnpr", "aeiou")][:36]
    return [f"{m} /{a}/{b}" for a in words for b in words for m in METHODS]


def top_cpu(opts):
    """CPU of top beyond run, both over the same 10,000 endpoints at 50,000 requests/s."""
    rows, length = [], 10
    with contextlib.ExitStack() as stack:
        port, pid = stack.enter_context(host.nginx())
        f = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".targets"))
        f.write("\n".join(targets()) + "\n")
        f.flush()
        rate = min(50000, int(host.wrk(port, 2) * 0.6))
        run = stack.enter_context(host.Sonde(opts.sonde, ["--pid", str(pid)]))
        top = Top(opts.sonde, ["--pid", str(pid)])
        stack.callback(top.close)
        top.wait_for("SERVICE")
        for shown, word in (("services", None), ("endpoints", "ENDPOINT")):
            values, rates = [], []
            if word:
                top.press("g")
                top.wait_for(word)
            for i in range(opts.rounds + 1):
                client = host.pace(opts.pace, port, rate, length, targets=f.name)
                time.sleep(0.5)
                start, a, b = time.monotonic(), host.cpu_ns(top.pid), host.cpu_ns(run.pid)
                time.sleep(length - 1)
                took = (time.monotonic() - start) * 1e9
                a, b = host.cpu_ns(top.pid) - a, host.cpu_ns(run.pid) - b
                result = host.pace_result(client)
                if i:  # the first one makes what is kept for a minute
                    values.append((a - b) / took * 100)
                    rates.append(result["done"] / result["elapsed_s"])
            rows.append(Row(f"top beyond run, {shown} shown", "% of a core", values, 5,
                            f"10,368 endpoints at {sum(rates) / len(rates):.0f} requests/s"))
    return rows


def recent(opts):
    """The last minute alone: ns to count a transaction, ms of a frame."""
    out = subprocess.run([os.path.join(os.path.dirname(opts.pace), "bench_recent")],
                         capture_output=True, text=True, check=True).stdout
    rows, among = [], ""
    for name, value, unit in re.findall(r"^ *(\S.*?) +([\d.]+) (ns|ms)  \(", out, re.M):
        if unit == "ns":
            among = name.removeprefix("transaction, ").removesuffix(" endpoints") + " endpoints"
            name = "counting a transaction for top"
        else:
            name = name.replace("a frame of", "a frame of top, all")
        rows.append(Row(f"{name}, {among}", unit, [float(value)], digits=2 if unit == "ms" else 0))
    return rows


MEASURES = [top_cpu, recent]
