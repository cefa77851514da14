# SPDX-License-Identifier: Apache-2.0
"""What sonde itself uses: CPU per transaction, memory, time to be ready, size, replay, scrape."""

import itertools
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time

import host
from host import Row

MIB = 1 << 20


def own_cpu(opts):
    """CPU per transaction at 50,000 requests/s, or as near as this machine's nginx comes."""
    values, rates = [], []
    with host.nginx() as (port, pid):
        rate = min(50000, int(host.wrk(port, 2) * 0.9))
        with host.Sonde(opts.sonde, ["--pid", str(pid)]) as s:
            host.pace_result(host.pace(opts.pace, port, rate, 1))
            time.sleep(0.2)
            for _ in range(opts.rounds):
                done, before = s.metric("sonde_transactions_total"), host.cpu_ns(s.pid)
                result = host.pace_result(host.pace(opts.pace, port, rate, opts.seconds))
                time.sleep(0.2)  # the last records are still in the ring
                spent = host.cpu_ns(s.pid) - before
                count = s.metric("sonde_transactions_total") - done
                if count != result["sent"]:
                    host.say(f"  own_cpu: {count:.0f} transactions of {result['sent']} requests")
                values.append(spent / 1e3 / max(count, 1))
                rates.append(result["done"] / result["elapsed_s"])
            lost = s.metric("sonde_events_lost_total")
    note = f"at {sum(rates) / len(rates):.0f} requests/s; {lost:.0f} events lost"
    return [Row("sonde's CPU per transaction", "µs", values, 2, note)]


def ready(opts):
    """From exec to the line that says it observes."""
    values = []
    for _ in range(opts.rounds):
        with host.Sonde(opts.sonde) as s:
            values.append(s.ready_s * 1e3)
    return [Row("ready after", "ms", values, 1000, digits=0)]


def memory_idle(opts):
    """Anonymous memory when nothing is observed; BPF memory apart, which holds the ring."""
    values, bpf = [], []
    for _ in range(3):
        with host.Sonde(opts.sonde, ["--comm", "no-such-name"]) as s:
            time.sleep(2)
            values.append(s.anonymous_bytes() / MIB)
            bpf.append(s.metric("sonde_bpf_memory_bytes") / MIB)
    return [Row("anonymous memory, idle", "MiB", values, 12),
            Row("BPF memory, the ring included", "MiB", bpf)]


def words():
    """Names that no template takes for an identifier: fewer than make a segment fold, and two
    segments of them fewer than a service may have."""
    return ["".join(p) for p in itertools.product("bdfgklmnpr", "aeiou")][:36]


def scrapes(s, *headers):
    """([ms of one scrape], [ms of sonde's CPU in it], bytes), by curl: a client that only reads."""
    argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{time_total} %{size_download}", *headers,
            f"http://127.0.0.1:{s.port}/metrics"]
    wall, cpu, size_bytes = [], [], 0
    for _ in range(21):
        before = host.cpu_ns(s.pid)
        out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        cpu.append((host.cpu_ns(s.pid) - before) / 1e6)
        wall.append(float(out[0]) * 1e3)
        size_bytes = int(out[1])
    return wall, cpu, size_bytes


def memory_full(opts):
    """Memory with 10,000 connections and 5,000 series, and what a scrape of them takes."""
    conns, seconds = 10000, 12
    with host.nginx() as (port, pid), tempfile.NamedTemporaryFile("w", suffix=".targets") as f:
        targets = [f"{m} /{a}/{b}" for a in words() for b in words()
                   for m in ("GET", "POST", "PUT", "DELETE")][:5000]
        f.write("\n".join(targets) + "\n")
        f.flush()
        args = ["--pid", str(pid), "--max-series", "6000"]
        with host.Sonde(opts.sonde, args) as s:
            client = host.pace(opts.pace, port, conns / 10, seconds, conns, 20, f.name)
            try:
                time.sleep(seconds + 2)
                anonymous = s.anonymous_bytes() / MIB
                series = s.metric("sonde_series", metric="http_server_request_duration_seconds")
                open_conns = s.metric("sonde_connections")
                text, cpu, length = scrapes(s)
                packed, packed_cpu, packed_length = scrapes(s, "-H", "Accept-Encoding: gzip")
            finally:
                host.stop(client)
    return [Row("anonymous memory, full", "MiB", [anonymous], 40,
                f"{open_conns:.0f} connections, {series:.0f} series"),
            Row("a scrape of it", "ms", text, 20, f"{length / MIB:.1f} MiB of text", digits=1),
            Row("sonde's CPU for it", "ms", cpu, digits=1),
            Row("a scrape of it, gzip", "ms", packed, None, f"{packed_length / MIB:.1f} MiB",
                digits=1),
            Row("sonde's CPU for it, gzip", "ms", packed_cpu, digits=1)]


def size(opts):
    """The binary as it is installed; debug information stripped."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "sonde")
        shutil.copy(opts.sonde, out)
        subprocess.run(["strip", "-g", out], check=True)
        return [Row("binary, without debug information", "MiB", [os.path.getsize(out) / MIB], 2,
                    f"{os.path.getsize(opts.sonde) / MIB:.1f} MiB with it")]


def count_records(path):
    """Records in a recording: struct sonde_ev_hdr, each padded to 8 bytes."""
    with open(path, "rb") as f:
        data = f.read()
    at, n = struct.unpack_from("<I", data, 12)[0], 0
    while at + 16 <= len(data):
        at += (struct.unpack_from("<I", data, at + 4)[0] + 7) & ~7
        n += 1
    return n


def replay(opts):
    """Records per second of replay, the pipeline alone: nothing is printed per transaction."""
    with tempfile.TemporaryDirectory() as folder, host.nginx() as (port, pid):
        path = os.path.join(folder, "bench.rec")
        with host.Sonde(opts.sonde, ["--pid", str(pid), "--record", path]):
            result = host.pace_result(host.pace(opts.pace, port, 20000, 10))
            time.sleep(0.3)
        n = count_records(path)
        values, spans = [], []
        for _ in range(opts.rounds):
            start = time.monotonic()
            out = subprocess.run([opts.sonde, "replay", path, "--metrics"], check=True,
                                 capture_output=True, text=True).stdout
            values.append(n / (time.monotonic() - start) / 1e6)
            with open(os.path.join(folder, "spans.json"), "w+b") as sink:  # a pipe's reader is slower
                start = time.monotonic()
                subprocess.run([opts.sonde, "replay", path, "--spans"], check=True, stdout=sink)
                took = time.monotonic() - start
                sink.seek(0)
                lines = sink.read()
            spans.append(lines.count(b'"spanId"') / took / 1e6)
    seen = sum(float(x) for x in re.findall(
        r"^http_server_request_duration_seconds_count\{[^\n]*\} (\S+)$", out, re.M))
    return [Row("replay", "M records/s", values, -1,
                f"{n} records, {seen:.0f} of {result['sent']} requests"),
            Row("replay --spans", "M spans/s", spans, -0.5,
                f"{len(lines) / MIB:.0f} MiB of OTLP/JSON")]


def span(opts):
    """ns from a finished transaction to the bytes of a request over OTLP, alone."""
    out = subprocess.run([os.path.join(os.path.dirname(opts.pace), "bench_otlp")],
                         capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(.*?) +([\d.]+) ns  \(.*\)  (\d+) bytes$", out, re.M)
    return [Row(name, "ns", [float(ns)], 20000, f"{size} bytes on the wire", digits=0)
            for name, ns, size in found]


MEASURES = [own_cpu, ready, memory_idle, memory_full, size, replay, span]
