# SPDX-License-Identifier: Apache-2.0
"""Spans to a collector on the same machine: real requests, a real receiver that decodes them."""

import contextlib
import http.client
import json
import os
import time

import host
from host import Row

SPANS_A_SECOND = 50000


@contextlib.contextmanager
def collector(opts):
    port = host.free_port()
    proc = host.spawn([os.path.join(os.path.dirname(opts.pace), "collector"), str(port)],
                      host.OTHER_CPUS)
    try:
        host.wait_port(port, proc)
        yield port, proc.pid
    finally:
        host.stop(proc)


def taken(port):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    conn.request("GET", "/")
    out = json.loads(conn.getresponse().read())
    conn.close()
    return out


def all_taken(port, n, patience_s=10):
    """What the collector has when it has n spans, or that patience is over."""
    end = time.monotonic() + patience_s
    time.sleep(0.3)  # the last records may be in the ring
    while True:
        got = taken(port)
        if got["spans"] >= n or time.monotonic() > end:
            return got
        time.sleep(0.2)


def through(opts, protocol, rate, nginx, collected):
    """Rounds at a rate of spans: sonde's CPU time for each, and what was lost on the way."""
    values, rates, lost = [], [], 0
    env = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_TRACES_SAMPLER": "always_on",
           "OTEL_METRICS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "500"}
    args = ["--pid", str(nginx[1])]
    if protocol:
        args += ["--otlp-endpoint", f"http://127.0.0.1:{collected}"]
    with host.environment(env), host.Sonde(opts.sonde, args) as s:
        before = taken(collected)["spans"]
        warm = host.pace_result(host.pace(opts.pace, nginx[0], rate, 1))["sent"]
        all_taken(collected, before + warm if protocol else 0)
        for _ in range(opts.rounds):
            before, cpu = taken(collected), host.cpu_ns(s.pid)
            result = host.pace_result(host.pace(opts.pace, nginx[0], rate, opts.seconds))
            got = all_taken(collected, before["spans"] + result["sent"] if protocol else 0)
            if got["malformed"]:
                raise host.Failed(f"the collector could not read {got['malformed']} spans")
            count = got["spans"] - before["spans"] if protocol else result["sent"]
            lost += result["sent"] - count
            rates.append(result["done"] / result["elapsed_s"])
            values.append((host.cpu_ns(s.pid) - cpu) / 1e3 / max(count, 1))
        dropped = s.metric("sonde_otlp_dropped_total") if protocol else 0
    note = f"at {sum(rates) / len(rates):.0f} spans/s"
    if protocol:
        note += f"; {dropped:.0f} dropped, {lost} of all requests without a span at the collector"
    return values, note


def spans(opts):
    """CPU of sonde for each span, from the kernel's record to the wire, at 50,000 spans/s."""
    rows = []
    with host.nginx() as nginx, collector(opts) as (port, _):
        rate = min(SPANS_A_SECOND, int(host.wrk(nginx[0], 2) * 0.9))
        for name, protocol in (("without a collector", ""), ("HTTP/protobuf", "http/protobuf"),
                               ("gRPC", "grpc")):
            values, note = through(opts, protocol, rate, nginx, port)
            rows.append(Row(f"span to a collector, from event to wire, {name}", "µs", values,
                            20 if protocol else None, note))
    return rows


MEASURES = [spans]
