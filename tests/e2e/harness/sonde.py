# SPDX-License-Identifier: Apache-2.0
"""sonde as a user runs it: started, waited for, scraped, ended."""
import gzip
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter

from .proc import PATIENCE, Failure, free_port, until

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

# at least as often it looks for records while we wait for what it makes of them
TURNS = 3
# the contract; whether it is kept is the question of a few cases, that try again on a busy host: its
# kernel, too, waits for processors before it has let go of programs
ENDS_WITHIN_S = 2.0
FILTERS = ("--port", "--pid", "--comm", "--exe", "--cgroup", "--exclude-comm")


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.split("\n"):  # not splitlines: labels may hold what it splits at
            if line.startswith("#") or not line:
                continue
            m = SAMPLE.match(line)
            if not m:
                raise Failure(f"not a sample: {line!r}")
            labels = dict(LABEL.findall(m[2] or ""))
            self.samples.append((m[1], labels, float(m[3])))

    def of(self, name):
        return [(labels, value) for n, labels, value in self.samples if n == name]

    def lost(self):
        """Reason -> count, every reason."""
        out = {labels["reason"]: int(v) for labels, v in self.of("sonde_events_lost_total")}
        if not out:
            raise Failure("sonde_events_lost_total is absent")
        return out

    def requests(self, role, port=None, without=None):
        """Counts by (service, method, route, status, error_type), of one server port or all but one."""
        out = Counter()
        for labels, value in self.of(f"http_{role}_request_duration_seconds_count"):
            if port is not None and labels.get("server_port") != str(port):
                continue
            if without is not None and labels.get("server_port") == str(without):
                continue
            if "otel_metric_overflow" in labels:
                continue
            status = labels.get("http_response_status_code")
            method = labels["http_request_method"]
            route = None if method == "CONNECT" else labels.get("http_route")
            out[(labels["service_name"], method, route, int(status) if status else None,
                 labels.get("error_type"))] += int(value)
        return out

    def operations(self, role, port):
        """Counts by (service, operation, None, status, error_type) at one database's port."""
        name = {"client": "db_client_operation_duration_seconds_count",
                "server": "sonde_db_server_operation_duration_seconds_count"}[role]
        out = Counter()
        for labels, value in self.of(name):
            if labels.get("server_port") == str(port) and "otel_metric_overflow" not in labels:
                out[(labels["service_name"], labels.get("db_operation_name"), None,
                     labels.get("db_response_status_code"),
                     labels.get("error_type"))] += int(value)
        return out

    def calls(self, role, port):
        """Counts by (service, method, None, status, error_type) at one port."""
        out = Counter()
        for labels, value in self.of(f"rpc_{role}_call_duration_seconds_count"):
            if labels.get("server_port") == str(port) and "otel_metric_overflow" not in labels:
                out[(labels["service_name"], labels.get("rpc_method"), None,
                     labels.get("rpc_response_status_code"),
                     labels.get("error_type"))] += int(value)
        return out

    def lookups(self, service):
        """Counts by (service, type, question, code, error_type) of one service."""
        out = Counter()
        for labels, value in self.of("dns_lookup_duration_seconds_count"):
            if labels["service_name"] == service and "otel_metric_overflow" not in labels:
                out[(service, labels.get("dns_question_type"), labels.get("dns_question_name"),
                     labels.get("dns_response_code"), labels.get("error_type"))] += int(value)
        return out


def get(port, path, headers=None, timeout=20):
    """GET from a local port: status, headers, body; errors are answers too."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as r:
            status, head, body = r.status, r.headers, r.read()
    except urllib.error.HTTPError as e:
        status, head, body = e.code, e.headers, e.read()
    if head.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return status, head, body.decode(errors="replace")


def parts_add_up(t):
    """What is known of a transaction's waits and what is not are its duration."""
    waits, on = t["waits_ns"], t["blocked_on"] or {}
    if sum(ns or 0 for ns in waits.values()) != t["duration_ns"] or waits["unknown"] is None:
        raise Failure(f"parts of {t['duration_ns']} ns are {waits}")
    if sum(ns or 0 for ns in on.values()) > (waits["blocked"] or 0):
        raise Failure(f"blocked for {waits['blocked']} ns, on {on}")


class Sonde:
    """One observing process."""

    def __init__(self, env, command, *args, prefix=(), **kw):
        self.env, self.command = env, command
        self.port = None
        args = list(args)
        if command == "run" and not any(str(a).startswith("--listen") for a in args):
            self.port = free_port()
            args += ["--listen", f"127.0.0.1:{self.port}"]
        if env.cgroup and not any(str(a) in FILTERS for a in args):
            args += ["--cgroup", env.cgroup.glob]
        if env.tier:
            args += ["--capture-tier", env.tier]
        self.proc = env.procs.start([*prefix, env.sonde, command, *args], **kw)
        self._partial, self._offset, self.transactions = b"", 0, []
        self.keeps_waits = False
        self.only = None  # what a line must contain to be of interest: a busy host has many

    def wait_ready(self, seconds=20):
        def observing():
            if not self.proc.is_running():
                raise Failure(f"sonde {self.command} ended: {self.proc.stderr().strip()[-300:]}")
            return any(l.startswith("sonde: observing") for l in self.proc.stderr().splitlines())
        until(observing, seconds, "line `sonde: observing`")
        return self

    def read(self):
        """Takes in the transactions printed so far; how many of interest were new."""
        with open(self.proc.out, "rb") as f:
            f.seek(self._offset)
            data = f.read()
        self._offset += len(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        if self.only:
            lines = [line for line in lines if self.only.search(line)]
        for line in lines:
            try:
                t = json.loads(line)
            except ValueError:
                raise Failure(f"not JSON: {line[:200]!r}")
            parts_add_up(t)
            for bulky in () if self.keeps_waits else ("waits_ns", "blocked_on", "time"):
                t.pop(bulky)
            self.transactions.append(t)
        return len(lines)

    def slept(self):
        """How often it has gone to sleep, having done all there was to do; 0 once it is gone."""
        try:
            with open(f"/proc/{self.proc.pid}/status") as f:
                return next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt"))
        except (OSError, StopIteration):
            return 0

    def settle(self, quiet=0.6, limit=20):
        """Waits until nothing was printed for a while, in which it had its turns to print."""
        end, last, turns = time.monotonic() + limit, time.monotonic(), self.slept()
        while time.monotonic() < end:
            if self.read():
                last, turns = time.monotonic(), self.slept()
            elif time.monotonic() - last >= quiet and self.slept() - turns >= TURNS:
                break
            time.sleep(0.05)

    def metrics(self, headers=None):
        status, _, body = get(self.port, "/metrics", headers)
        if status != 200:
            raise Failure(f"/metrics answered {status}")
        return Metrics(body)

    def settled_metrics(self, quiet=0.6, limit=20):
        """Scrapes until the counts of requests stand still, other than those of scraping."""
        end, last, before = time.monotonic() + limit, time.monotonic(), None
        while True:
            m = self.metrics()
            now = [m.requests(role, without=self.port) for role in ("server", "client")]
            if now != before:
                last, before = time.monotonic(), now
            if time.monotonic() > end or time.monotonic() - last > quiet:
                return m
            time.sleep(0.1)

    def kept_from_cpu(self):
        """Seconds for which it was ready and others ran: theirs, not its own."""
        try:
            with open(f"/proc/{self.proc.pid}/schedstat") as f:
                return int(f.read().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0

    def end(self, number=signal.SIGTERM, limit=ENDS_WITHIN_S * PATIENCE):
        """Ends it, with exit code 0. Seconds it took, of a CPU it might have."""
        kept, started = self.kept_from_cpu(), time.monotonic()
        os.kill(self.proc.pid, number)
        code, waited = None, 0
        while code is None and time.monotonic() - started < PATIENCE * limit:
            waited = max(waited, self.kept_from_cpu() - kept)
            try:
                code = self.proc.popen.wait(0.01)
            except subprocess.TimeoutExpired:
                pass
        code = self.proc.wait(limit) if code is None else code
        took = time.monotonic() - started - waited
        self.read() if self.command == "tail" else None
        if code != 0:
            raise Failure(f"sonde {self.command} exited with {code}: "
                          f"{self.proc.stderr().strip()[-300:]}")
        if took > limit:
            raise Failure(f"sonde {self.command} took {took:.2f} s to end")
        return took


def ends_in_time(end):
    """end() ends a sonde; the seconds it took, at best of three."""
    took = []
    while not took or min(took) > ENDS_WITHIN_S:
        if len(took) == 3:
            raise Failure(f"sonde took {', '.join(f'{s:.2f}' for s in took)} s to end")
        took.append(end())
    return min(took)
