# SPDX-License-Identifier: Apache-2.0
"""
Spans and metrics of one recording: of every kind of protocol, service, route and answer there are as
many spans as the histogram has counted, and they are as long; none starts before its parent.
"""
import json
import os
from collections import defaultdict

from .proc import Failure
from .sonde import Metrics

SERVER, CLIENT = 2, 3
TOLERANCE = 1e-3

# attribute by which a span is of a kind; the histogram of each role; its labels: the attributes'
KINDS = {
    "http.request.method": ({SERVER: "http_server_request_duration_seconds",
                             CLIENT: "http_client_request_duration_seconds"},
                            {"http_request_method": ("http.request.method",),
                             "http_route": ("http.route", "url.template"),
                             "http_response_status_code": ("http.response.status_code",),
                             "network_protocol_version": ("network.protocol.version",)}),
    "db.system.name": ({SERVER: "sonde_db_server_operation_duration_seconds",
                        CLIENT: "db_client_operation_duration_seconds"},
                       {"db_system_name": ("db.system.name",),
                        "db_operation_name": ("db.operation.name",),
                        "db_query_summary": ("db.query.summary",),
                        "db_collection_name": ("db.collection.name",),
                        "db_namespace": ("db.namespace",),
                        "db_response_status_code": ("db.response.status_code",)}),
    "rpc.system.name": ({SERVER: "rpc_server_call_duration_seconds",
                         CLIENT: "rpc_client_call_duration_seconds"},
                        {"rpc_method": ("rpc.method",),
                         "rpc_response_status_code": ("rpc.response.status_code",)}),
    # a name server's own answers are no lookups
    "dns.question.type": ({CLIENT: "dns_lookup_duration_seconds"},
                          {"dns_question_name": ("dns.question.name",),
                           "dns_question_type": ("dns.question.type",),
                           "dns_response_code": ("dns.response_code",)}),
}
# what a span of the kind always has, by the conventions or as we tell it; types that are no texts
REQUIRED = {
    "http.request.method": {"server.address", "network.protocol.version"},
    "db.system.name": {"server.address"},
    "rpc.system.name": {"rpc.method", "server.address"},
    "dns.question.type": {"dns.question.name"},
}
OF_ROLE = {("http.request.method", SERVER): {"url.path", "url.scheme"},
           ("http.request.method", CLIENT): {"url.full"}}
TYPES = {"server.port": "intValue", "network.peer.port": "intValue", "thread.id": "intValue",
         "http.response.status_code": "intValue", "db.response.returned_rows": "intValue",
         "sonde.shared": "boolValue"}
# by the kinds of what cases expect
HISTOGRAMS = {kind: {"server": of_role.get(SERVER), "client": of_role[CLIENT]}
              for kind, (of_role, _) in zip(("web", "database", "rpc", "names"), KINDS.values())}


def attributes(of):
    return {a["key"]: str(next(iter(a["value"].values()))) for a in of.get("attributes", ())}


def spans_of(text):
    """(service, instance, attributes, span) of OTLP/JSON, a request on each line."""
    for line in text.splitlines():
        for r in json.loads(line)["resourceSpans"]:
            resource = attributes(r["resource"])
            for scope in r["scopeSpans"]:
                for span in scope["spans"]:
                    yield (resource["service.name"], resource["service.instance.id"],
                           attributes(span), span)


def by_spans(spans):
    """Histogram, service and labels -> how many and how long."""
    out = defaultdict(lambda: [0, 0.0])
    for service, instance, a, span in spans:
        of_role, labels = next((KINDS[k] for k in KINDS if k in a), ({}, {}))
        name = of_role.get(span["kind"])
        if not name:
            continue
        values = [next((a[n] for n in names if n in a), "") for names in labels.values()]
        at = out[name, service, instance, *values, a.get("error.type", "")]
        at[0] += 1
        at[1] += (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9
    return out


def by_metrics(m):
    out = defaultdict(lambda: [0, 0.0])
    for of_role, names in KINDS.values():
        for metric in of_role.values():
            for i, part in enumerate(("count", "sum")):
                for labels, value in m.of(f"{metric}_{part}"):
                    if "otel_metric_overflow" in labels:
                        raise Failure(f"{metric} overflowed: {labels}")
                    key = (metric, labels["service_name"], labels["service_instance_id"],
                           *(labels.get(n, "") for n in names), labels.get("error_type", ""))
                    out[key][i] += value
    return out


def untold(spans):
    """Attributes that are missing, or not of their type."""
    found = []
    for service, _, a, span in spans:
        kind = next((k for k in KINDS if k in a), None)
        required = {"sonde.parent", *REQUIRED.get(kind, ()), *OF_ROLE.get((kind, span["kind"]), ())}
        # of an exchange that came to no answer, or on a socket without a name, less is known
        missing = required - set(a) - ({"server.address"} if "error.type" in a or
                                       a.get("network.transport") == "unix" else set())
        if missing or span["kind"] not in (SERVER, CLIENT) or not span["name"]:
            found.append(f"{service} {span['name'][:40]} lacks {sorted(missing)}")
        for x in span["attributes"]:
            want = TYPES.get(x["key"], "doubleValue" if x["key"].startswith("sonde.wait.")
                             else "stringValue")
            if list(x["value"]) != [want]:
                found.append(f"{service} {span['name'][:40]}: {x}")
    return found


def disagreements(spans, m):
    seen, counted = by_spans(spans), by_metrics(m)
    found = []
    for key in sorted({*seen, *counted}):
        (n, seconds), (want, total) = seen[key], counted[key]
        if n != want or abs(seconds - total) > TOLERANCE * total:
            found.append(f"{key}: {n} spans of {seconds} s, {want:.0f} counted of {total} s")
    return found


def misplaced(spans):
    """Links between spans that cannot be true."""
    by_id = {s["spanId"]: (service, s) for service, _, _, s in spans}
    found, links = [], 0
    for service, _, a, s in spans:
        above, parent = by_id.get(s.get("parentSpanId"), (None, None))
        if not parent:
            continue
        links += 1
        early = int(parent["startTimeUnixNano"]) - int(s["startTimeUnixNano"])
        if early > 0:
            found.append(f"{service} {s['name'][:40]} ({a['sonde.parent']}) starts {early} ns "
                         f"before its parent, {above} {parent['name'][:40]}")
        if parent["traceId"] != s["traceId"]:
            found.append(f"{service} {s['name'][:40]} is not in the trace of its parent")
    if not links:
        found.append("no span has a parent")
    return found


def replayed(env, recording, what):
    p = env.procs.run([env.sonde, "replay", recording, what, "--max-series", "100000"], seconds=40,
                      env={**os.environ, "OTEL_TRACES_SAMPLER": "always_on"})
    if p.code != 0:
        raise Failure(f"replay {what} exited with {p.code}: {p.stderr().strip()[-300:]}")
    return p.stdout()


def spans_and_metrics_agree(env, recording, expected):
    """`expected`: the histograms that something has to be in."""
    spans = list(spans_of(replayed(env, recording, "--spans")))
    m = Metrics(replayed(env, recording, "--metrics"))
    missing = expected - {key[0] for key in by_spans(spans)}
    found = misplaced(spans) + disagreements(spans, m) + untold(spans)
    if missing:
        raise Failure(f"there is no span of {', '.join(sorted(missing))}")
    if found:
        raise Failure(f"{len(found)} of {len(spans)} spans: " + "; ".join(found[:4]))
