#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
collector.py SONDE OTELCOL: a real OpenTelemetry Collector (collector.go) between sonde and those it is for.
It has deploy/otel-collector as it is, but for addresses and for the parts of the contrib distribution:
the metrics that its Prometheus exporter would show go on over OTLP, and those for Elasticsearch nowhere.
As many spans and counts come out of it as requests were made, over each protocol.
"""
import os
import re
import sys
import urllib.request
from collections import Counter

import yaml

import test_stack
from test_stack import attempt

from cases.otlp import CLIENT, SERVER, Collector, counted, drive, exporter
from harness.env import place
from harness.proc import free_port, until
from harness.sonde import Metrics

# over each protocol another number, so that what is counted is of this one
REQUESTS = {"grpc": 30, "http/protobuf": 40, "http/json": 50}
# what only Debian's libraries of the collector lack: it must be these and no others
CONTRIB = {"exporters": {"prometheus", "elasticsearch"}, "processors": {"cumulativetodelta"},
           "extensions": {"health_check"}}


def core(config, ports, metrics):
    """deploy's configuration with what the core has, at these ports."""
    for kind, names in CONTRIB.items():
        for name in names:
            del config[kind][name]
    del config["extensions"], config["service"]["extensions"]
    otlp = config["receivers"]["otlp"]["protocols"]
    otlp["grpc"]["endpoint"] = f"127.0.0.1:{ports['grpc']}"
    otlp["http"]["endpoint"] = f"127.0.0.1:{ports['http']}"
    own = config["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    own.update(host="127.0.0.1", port=ports["own"])
    config["exporters"]["otlphttp/metrics"] = {"endpoint": f"http://127.0.0.1:{metrics}"}
    pipelines = config["service"]["pipelines"]
    del pipelines["metrics/elasticsearch"]
    pipelines["traces"]["exporters"].remove("elasticsearch")
    pipelines["metrics"]["exporters"] = ["otlphttp/metrics"]
    return config


class Otelcol:
    def __init__(self, e, binary, ends):
        self.ports = {name: free_port() for name in ("grpc", "http", "own")}
        with open(os.path.join(test_stack.DEPLOY, "otel-collector", "collector.yaml"), encoding="utf-8") as f:
            config = core(yaml.safe_load(f), self.ports, ends["metrics"].port)
        self.argv = [binary, "--config", e.write("otelcol.yaml", yaml.dump(config))]
        self.env = {**os.environ, "JAEGER_ENDPOINT": f"127.0.0.1:{ends['traces'].port}"}
        self.e = e

    def validate(self):
        p = self.e.procs.run([self.argv[0], "validate", *self.argv[1:]], env=self.env)
        return p.stderr()[-300:] if p.code else None

    def start(self):
        self.proc = self.e.serve(self.argv, self.ports["http"], env=self.env)

    def spans(self):
        """What it says of itself: spans taken, sent, and not."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['own']}/metrics", timeout=5) as r:
            own = Metrics(r.read().decode())
        sums = Counter()
        for name, _, value in own.samples:
            m = re.match(r"otelcol_(receiver|exporter)_(\w+?)_spans(?:__spans_)?(?:_total)?$", name)
            if m:
                sums[m[2]] += int(value)
        return sums


def delivers(e, web, otelcol, ends, protocol):
    """Of so many requests as many spans come out, and histograms that count as many."""
    n, before, own = REQUESTS[protocol], len(ends["traces"].spans()), otelcol.spans()
    s = exporter(e, web, f"http://127.0.0.1:{otelcol.ports['grpc' if protocol == 'grpc' else 'http']}",
                 OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    drive(e, web, n)
    until(lambda: len(ends["traces"].spans()) >= before + 2 * n, 15, "all spans")
    for role, service in (("server", "nginx"), ("client", "curl")):
        until(lambda: histogram(ends["metrics"], role, service) == n, 10, f"{role} histograms of so many")
    sent = counted(s, "sent_total")[("traces", None)]
    s.end()
    seen = Counter((service, span["kind"]) for service, span in ends["traces"].spans()[before:])
    if seen != {("nginx", SERVER): n, ("curl", CLIENT): n}:
        return f"{dict(seen)} came out"
    now = otelcol.spans() - own
    return None if sent == 2 * n and now == {"accepted": sent, "sent": sent} else \
        f"sonde sent {sent}, the collector says {dict(now)}"


def histogram(end, role, service):
    """How many it counts by its last points."""
    points = end.points(f"http.{role}.request.duration")[service].values()
    return sum(int(p["count"]) for p in points)


def main():
    sonde, binary = map(os.path.abspath, sys.argv[1:3])
    failed = 0
    with place("collector", sonde) as e:
        web, ends = e.nginx().port, {"traces": Collector(e, "ok", "grpc"), "metrics": Collector(e)}
        otelcol = Otelcol(e, binary, ends)
        failed += attempt("collector: takes deploy/otel-collector", otelcol.validate)
        otelcol.start()
        for protocol in REQUESTS:
            failed += attempt(f"collector: as much comes out as goes in over {protocol}", delivers, e, web,
                              otelcol, ends, protocol)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
