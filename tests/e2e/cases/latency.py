# SPDX-License-Identifier: Apache-2.0
"""Durations against delays that are known, and the two ends of a connection against each other."""
import os
import statistics
import time
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet
from harness.expect import Expect
from harness.raw import Raw

MS = 1_000_000


@case()
def upstream_that_waits(e):
    """
    50 ms at the upstream measure 50 ms there, at the proxy and at both their clients. How long
    the wait really was, the upstream says: a busy machine sleeps longer, and takes longer to
    answer, but never longer than our own client sees.
    """
    back = e.python("raw.py", "slow")
    front = e.nginx(f"""location / {{ proxy_pass http://127.0.0.1:{back}; proxy_http_version 1.1;
            proxy_set_header Connection ""; }}""")
    with Raw(front.port) as c:
        waited, took = [], []
        for _ in range(40):
            began = time.monotonic_ns()
            waited.append(int(c.ask("GET", "/slow").headers["x-waited"]))
            took.append(time.monotonic_ns() - began)
    waited, took = statistics.median(waited), statistics.median(took)
    quiet()

    def fifty(seen):
        found = []
        for role in ("server", "client"):
            p50 = statistics.median(t["duration_ns"] for t in seen if t["role"] == role)
            if not waited <= p50 <= max(waited + 2 * MS, took):
                found.append(f"{role}: p50 is {p50 / MS:.3f} ms of {waited / MS:.3f}")
        return found
    truth = {("GET", "/slow", 200): 40}
    return [Expect(front.port, truth, "nginx", "run", check=fifty),
            Expect(back, truth, "raw", "nginx", check=fifty)]


@case()
def client_is_never_faster(e):
    """
    Paired by X-Request-ID: the client's duration contains the server's, by little, and is within what
    the client itself measured. Between the two others may run: by how little the best tell.
    """
    ng = e.nginx()
    p = e.procs.run([PYTHON, os.path.join(PROGS, "client.py"), ng.port, "/hello", 500])
    took = {f"id-{n}": int(line.split()[1]) for n, line in enumerate(p.stdout().splitlines())}

    def pairs(seen):
        ends = {}
        for t in seen:
            ends.setdefault(t["request_id"], {})[t["role"]] = t["duration_ns"]
        gaps = [p["client"] - p["server"] for p in ends.values() if len(p) == 2]
        if len(gaps) != 500:
            return [f"{len(gaps)} pairs of 500"]
        found = []
        if min(gaps) < 0:
            found.append(f"{sum(g < 0 for g in gaps)} clients faster than their server, "
                         f"by up to {-min(gaps)} ns")
        if sorted(gaps)[5] >= 100_000:
            found.append(f"only 5 gaps are below {sorted(gaps)[5] / 1000:.1f} us")
        longer = [n for n, p in ends.items() if p["client"] > took[n]]
        if longer:
            found.append(f"{len(longer)} are longer than the client measured, {longer[0]}: "
                         f"{ends[longer[0]]}, {took[longer[0]]} ns")
        return found
    return Expect(ng.port, ng.log(500), "nginx", "client", check=pairs)


def upload(port, size=20_000_000):
    """One blocking send of head and body; when it began, on the wall clock."""
    with Raw(port, timeout=None) as c:
        head = f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
        data = head + b"u" * size
        began = time.time_ns()
        c.sock.sendall(data)
        sent = time.time_ns()
        status = c.response("POST").status
    return began, sent, status


@case()
def upload_starts_with_its_first_byte(e):
    """20 MB that the server takes its time to read: one send, long before it completes."""
    port, early = e.python("raw.py", "sink"), e.python("raw.py", "early413")
    took = [upload(port) for _ in range(3)]
    refused = upload(early)
    quiet(0.1)

    def starts(seen):
        found = []
        for role in ("client", "server"):
            mine = sorted(t["time_unix_nano"] for t in seen if t["role"] == role)
            late = [(start - began, sent - began) for (began, sent, _), start in zip(took, mine)]
            # on a busy machine one may lose its CPU before the call, or before it is read
            if min(after for after, _ in late) < -2 * MS or \
                    not any(after <= max(10 * MS, send // 10) for after, send in late):
                found.append(f"{role} starts after its first byte by " + ", ".join(
                    f"{after / MS:.1f} ms of a send of {send / MS:.0f} ms" for after, send in late))
        return found
    return [Expect(port, Counter(("POST", "/upload", s) for _, _, s in took), "raw", "run",
                   check=starts),
            Expect(early, {("POST", "/upload", refused[2]): 1}, "raw", "run")]
