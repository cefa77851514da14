# SPDX-License-Identifier: Apache-2.0
"""Kubernetes Services: what a client's server is called, by the API that tells of ClusterIPs."""
import json
import os
import subprocess
from collections import Counter

from harness.apis import service
from harness.case import case
from harness.env import PROGS, PYTHON, tool
from harness.holdings import anonymous_kib
from harness.proc import Failure, free_port, until
from harness.raw import Raw
from harness.sonde import Metrics, Sonde, get

from cases.identity import kubernetes
from cases.namespaces import TRANSLATE, two_namespaces, within
from cases.plain import same

CLUSTER_IP = "127.0.0.50"  # of this host, where there is nothing to translate


def called(m, service_name="curl"):
    """Requests by the server's address, as clients say it."""
    out = Counter()
    for labels, v in m.of("http_client_request_duration_seconds_count"):
        if labels["service_name"] == service_name:
            out[labels["server_address"]] += int(v)
    return dict(out)


def expect_calls(s, truth, seconds=8):
    until(lambda: called(s.metrics()) == truth, seconds, f"{truth}, saw {called(s.metrics())}")


def server(e):
    port = free_port()
    e.serve([PYTHON, os.path.join(PROGS, "raw.py"), f":{port}", "plain"], port)
    return port


def run(e, k, port, *args):
    return Sonde(e, "run", "--port", port, *k.args, *args).wait_ready()


@case(group=None, limit=60)
def services_by_their_cluster_ip(e):
    """Translated by nft as kube-proxy does it: who asks for an address is told its name, in metrics,
    in TCP's own, in spans' and graphs' words, and in a replay; who asks for a name keeps it."""
    two_namespaces(e)
    asked, port = free_port(), free_port()
    closed = asked + 1
    e.nginx(listen=f"198.51.100.1:{port}", prefix=within(e.data["server"]))
    rules = e.write("translate", TRANSLATE.format(asked=asked, given=port) +
                    f"add rule ip nat out ip daddr 198.51.100.50 tcp dport {closed} dnat to 198.51.100.1:1\n")
    subprocess.run([*within(e.data["client"]), tool("nft"), "-f", rules], timeout=10, check=True)
    k = kubernetes(e)
    k.put(service("web", "198.51.100.50"))
    k.put(service("elsewhere", "198.51.100.51"))
    record = e.path("services.rec")
    s = run(e, k, f"{port},{asked},{closed}", "--record", record)
    inside = {"prefix": within(e.data["client"])}
    e.curl(*[f"http://198.51.100.50:{asked}/ok"] * 20, **inside)
    e.curl("-H", "Host: asked.example", *[f"http://198.51.100.50:{asked}/ok"] * 5, **inside)
    e.curl(*[f"http://198.51.100.1:{port}/ok"] * 3, **inside)
    for _ in range(2):
        e.procs.start([*inside["prefix"], tool("curl"), "-s", f"http://198.51.100.50:{closed}/"]).wait(10)
    truth = {"web": 20, "asked.example": 5, "198.51.100.1": 3}
    expect_calls(s, truth)

    def connects():
        return {(h["result"], h["server_address"]): int(v)
                for h, v in s.metrics().of("sonde_tcp_connects_total") if h["service_name"] == "curl"}
    until(lambda: connects() == {("ok", "web"): 2, ("ok", "198.51.100.1"): 1, ("refused", "web"): 2},
          15, f"connects; saw {connects()}")
    edges = {(h["client"], h["server"], h.get("server_service_namespace")): int(v)
             for h, v in s.metrics().of("traces_service_graph_request_total")}
    # both ends of what was answered are here, and the other end is known to be nginx
    same("graph", edges, {("curl", "nginx", None): 28, ("curl", "web", "shop"): 2})
    s.end()
    text = e.procs.run([e.sonde, "replay", record, "--metrics"]).stdout()
    same("replay", called(Metrics(text)), truth)
    spans = e.procs.run([e.sonde, "replay", record, "--spans"]).stdout()
    words = Counter(a["value"]["stringValue"] for line in spans.splitlines()
                    for r in json.loads(line)["resourceSpans"] for i in r["scopeSpans"]
                    for span in i["spans"] if span["kind"] == 3
                    for a in span["attributes"] if a["key"] == "server.address")
    same("spans", {w: words[w] for w in truth}, {**truth, "web": 22})  # refused ones, too


@case(group=None, limit=60)
def services_that_change(e):
    """Made, renamed and deleted while a connection is open; the watch is resumed, or begun anew."""
    k, port = kubernetes(e), server(e)
    k.watch_s = 2
    s = run(e, k, port)
    until(lambda: [q for q in k.asked("services") if "watch" in q], 5, "a watch")
    held = Raw((CLUSTER_IP, port))
    truth = Counter()

    def ask(n, name, first=None):
        """`first`: what was known before, by which the connection's next request still goes."""
        for i in range(n):
            held.ask("GET", "/held", host=CLUSTER_IP)
            truth[first if i == 0 and first else name] += 1
        until(lambda: called(s.metrics(), "run") == dict(truth), 5,
              f"{dict(truth)}, saw {called(s.metrics(), 'run')}")

    def told(*names):
        """All that was put has been seen on the watch, and by sonde."""
        for obj in names:
            k.put(obj)
        version = k.version
        until(lambda: [q for q in k.asked("services") if int(q.get("resourceVersion", 0)) >= version],
              10, "a watch from behind it")
    ask(5, CLUSTER_IP)
    web = service("web", CLUSTER_IP)
    told(web)
    ask(5, "web", CLUSTER_IP)
    lists = sum("watch" not in q for q in k.asked("services"))
    k.delete(web)
    told(service("other", CLUSTER_IP))
    ask(5, "other", "web")
    if sum("watch" not in q for q in k.asked("services")) != lists:
        raise Failure("a watch that ended was followed by a list")
    # what was meanwhile is forgotten: all over again
    with k.lock:
        k.objects.clear()
        late = service("again", CLUSTER_IP)
        k.objects[late["metadata"]["uid"]] = late
        k.version += 1000
        k.oldest = k.version
        k.events.clear()
    k.drop_watches()
    until(lambda: sum("watch" not in q for q in k.asked("services")) > lists, 10, "a list anew")
    told()
    ask(5, "again", "other")
    held.sock.close()
    s.end()


@case(group=None, limit=60)
def services_nobody_tells_of(e):
    """Slow, refused, nonsense: clients go on by addresses, pods are known all the same; why is said."""
    k, port = kubernetes(e), server(e)
    k.put(service("web", CLUSTER_IP))
    url = f"http://{CLUSTER_IP}:{port}/who"
    for behave, reason in (("forbidden", "answered 403: services is forbidden"),
                           ("garbage", "its list of services is not understood"), ("slow", None)):
        k.behave_of = {"services": behave}
        s = run(e, k, port)
        e.curl(*[url] * 10)
        expect_calls(s, {CLUSTER_IP: 10})
        asked = {a["who"]: a for a in json.loads(get(s.port, "/api/v1/status")[2])["asked"]}
        if reason and (reason not in asked["kubernetes services"]["reason"] or
                       "Services' addresses is missing" not in s.proc.stderr()):
            raise Failure(f"{behave}: said {asked}, {s.proc.stderr()[-300:]}")
        if not asked["kubernetes"]["answered"]:
            raise Failure(f"{behave}: pods are not known either: {asked}")
        if reason:
            k.behave_of = {}

            def is_named():
                e.curl(url)
                return called(s.metrics()).get("web")
            until(is_named, 10, "its name")
        s.end()


@case(group=None, limit=90)
def services_by_the_thousand(e):
    """5,000 of them, of two families: known, bounded, and none but the one that was called is told."""
    k, port = kubernetes(e), server(e)
    for i in range(5000):
        k.put(service(f"s{i}", f"10.96.{i // 250}.{i % 250}", f"fd00:96::{i:x}"))
    k.put(service("ours", CLUSTER_IP))
    record = e.path("many.rec")
    s = Sonde(e, "run", "--port", port, "--kubernetes", "off").wait_ready()
    before = anonymous_kib(s.proc.pid)
    s.end()
    s = run(e, k, port, "--record", record)
    until(lambda: [q for q in k.asked("services") if "watch" in q], 30, "the end of the list")

    def is_named():
        e.curl(f"http://{CLUSTER_IP}:{port}/who")
        return called(s.metrics()).get("ours")
    until(is_named, 10, "its name")
    grown = anonymous_kib(s.proc.pid) - before
    e.figures.update(services=5000, grown_kib=grown)
    if grown > 12 * 1024:
        raise Failure(f"5,000 services take {grown} KiB")
    s.end()
    with open(record, "rb") as f:
        held = f.read()
    if b"ours" not in held or b"s4999" in held:
        raise Failure("the recording holds what nobody called")
