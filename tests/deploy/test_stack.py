#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
test_stack.py SONDE: the pieces of deploy/ together and real: sonde observes a small shop, Prometheus
scrapes it and evaluates the rules, Alertmanager routes to a webhook. Every query of every dashboard
returns data, and so does every rule for others' dashboards; an injected fault arrives at the webhook as
an alert, and later as resolved; no scrape failed, in any format. The rules' windows are shortened so that minutes become seconds; nothing else is changed.
"""
import glob
import http.server
import json
import os
import re
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.join(HERE, "..", "..", "deploy")
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import yaml  # noqa: E402

from cases.scrapes import FORMS, Prometheus as Scraper  # noqa: E402
from harness.env import place, tool  # noqa: E402
from harness.proc import Failure, free_port, until  # noqa: E402
from harness.sonde import Sonde  # noqa: E402

SHORTER = {"[5m]": "[15s]", "[30m]": "[20s]", "for: 2m": "for: 3s"}

SHOP = """
import http.server, os, sys, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(0.5)
        bad = os.path.exists(sys.argv[2]) and self.path.startswith("/buy")
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""

# 40 requests and 40 commands a second; one command in ten is an error; a slow request all the time
VISITORS = """
import http.client, socket, sys, threading, time
def resp(*words):
    return b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in words)
def slowly():
    web = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    while True:
        web.request("GET", "/slow")
        web.getresponse().read()
threading.Thread(target=slowly, daemon=True).start()
web = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
cache = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
cache.sendall(resp(b"SET", b"text", b"abc")); cache.recv(100)
n = 0
while True:
    n += 1
    web.request("GET", "/buy/%d" % n if n % 4 == 0 else "/look")
    web.getresponse().read()
    cache.sendall(resp(b"INCR" if n % 10 == 0 else b"GET", b"text"))
    cache.recv(100)
    time.sleep(0.025)
"""

# a door that nobody opens: connections wait to be accepted, others are let go and try again
CROWD = """
import socket, sys, time
port = int(sys.argv[1])
door = socket.socket()
door.bind(("127.0.0.1", port))
door.listen(1)
crowd = []
while True:
    for _ in range(6):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        crowd.append(s)
    time.sleep(3)
    del crowd[:-12]
"""


class Webhook:
    """What Alertmanager delivers: (path, status, alertname, service) as they come."""

    def __init__(self):
        self.got = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for a in body["alerts"]:
                    hook.got.append((self.path, a["status"], a["labels"]["alertname"],
                                     a["labels"].get("service_name")))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, what, seconds):
        until(lambda: what in self.got, seconds, f"{what} at the webhook, only {self.got}")


class Prometheus:
    def __init__(self, e, targets, alertmanager):
        self.port = free_port()
        folder = e.path("prometheus")
        os.mkdir(folder)
        for name in ("recording", "alerts", "slo", "obi-compat"):
            with open(os.path.join(DEPLOY, "prometheus", name + ".yaml"), encoding="utf-8") as f:
                text = f.read()
            for long, short in SHORTER.items():
                text = text.replace(long, short)
            e.write(f"prometheus/{name}.yaml", text)
        with open(os.path.join(DEPLOY, "prometheus", "prometheus.yaml"), encoding="utf-8") as f:
            text = f.read()
        text = text.replace("15s", "1s").replace("127.0.0.1:9464", targets)
        text = text.replace("127.0.0.1:9093", alertmanager).replace("# - obi-compat", "- obi-compat")
        config = e.write("prometheus/prometheus.yaml", text)
        self.proc = e.serve([tool("prometheus"), f"--config.file={config}",
                             f"--storage.tsdb.path={folder}/data",
                             f"--web.listen-address=127.0.0.1:{self.port}"], self.port)
        until(self.is_ready, 20, "ready Prometheus")

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as r:
                return r.status == 200
        except urllib.error.HTTPError:
            return False

    def ask(self, path, **args):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(args)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as r:
                return json.load(r)["data"]
        except urllib.error.HTTPError as e:
            raise Failure(f"{args}: {json.load(e).get('error')}") from e

    def query(self, expr):
        return self.ask("query", query=expr)["result"]


def alertmanager(e, hook):
    port = free_port()
    with open(os.path.join(DEPLOY, "alertmanager", "alertmanager.yaml"), encoding="utf-8") as f:
        text = f.read()
    text = text.replace("127.0.0.1:9095", f"127.0.0.1:{hook.port}")
    text = re.sub(r"group_wait: \d+s", "group_wait: 1s", text)
    text = text.replace("group_interval: 5m", "group_interval: 2s")
    text = text.replace("resolve_timeout: 5m", "resolve_timeout: 10s")
    config = e.write("alertmanager.yaml", text)
    e.serve([tool("prometheus-alertmanager"), f"--config.file={config}",
             f"--storage.path={e.path('alerts')}", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{port}"], port)
    return f"127.0.0.1:{port}"


def panels():
    """(dashboard, panel, expression) of all that are in the tree."""
    for path in sorted(glob.glob(os.path.join(DEPLOY, "grafana", "*.json"))):
        with open(path, encoding="utf-8") as f:
            board = json.load(f)
        for p in board["panels"]:
            for t in p.get("targets", ()):
                yield os.path.basename(path), p["title"], t["expr"]


def filled(expr, service):
    for name, value in (("$__rate_interval", "15s"), ("$namespace", ".*"), ("$instance", ".*"),
                        ("$service", service), ("[5m]", "[15s]")):
        expr = expr.replace(name, value)
    # what is drawn on from hours is drawn on from seconds
    return re.sub(r"\[\d+h:\d+m\]", "[15s:1s]", expr)


def empty_panels(prom, services):
    out = []
    for board, title, expr in panels():
        if not any(prom.query(filled(expr, s)) for s in services):
            out.append(f"{board} '{title}'")
    return out


def empty_compat(prom):
    """Names of others without data, of what this shop has: HTTP, Redis, and what they use up."""
    with open(os.path.join(DEPLOY, "prometheus", "obi-compat.yaml"), encoding="utf-8") as f:
        records = {r["record"] for g in yaml.safe_load(f)["groups"] for r in g["rules"]}
    ours = {r for r in records if re.match(r"traces_|container_(http|redis|resources_(cpu_usage|memory))_?", r)}
    if len(ours) < 18:
        return f"only {sorted(ours)} are to have data"
    return ", ".join(sorted(r for r in ours if not prom.query(r)))


def say(name, problem):
    print(f"FAIL {name}: {problem}" if problem else f"ok {name}", flush=True)
    return 1 if problem else 0


def attempt(name, fn, *args):
    try:
        return say(name, fn(*args))
    except Failure as e:
        return say(name, str(e))


def boards_are_generated():
    with tempfile.TemporaryDirectory() as d:
        os.system(f"/usr/bin/python3 {DEPLOY}/grafana/make.py {d}")
        for path in glob.glob(os.path.join(DEPLOY, "grafana", "*.json")):
            with open(path, "rb") as a, open(os.path.join(d, os.path.basename(path)), "rb") as b:
                if a.read() != b.read():
                    return f"{os.path.basename(path)} is not what make.py makes"
    return None


def failed_scrapes(prom):
    """Over a minute, one a second."""
    until(lambda: int(prom.query('count_over_time(up{job="sonde"}[10m])')[0]["value"][1]) >= 60, 60,
          "minute of scrapes")
    down = prom.query('count_over_time((up{job="sonde"} == 0)[10m:1s])')
    if down:
        return f"{down} scrapes failed"
    return prom.ask("targets")["activeTargets"][0]["lastError"] or None


def failed_forms(scrapers):
    """Over a minute, one in five seconds, in each format that a Prometheus can ask for."""
    for form, p in scrapers.items():
        until(lambda: p.values('count_over_time(up{job="sonde"}[10m]) >= 12'), 60, f"minute of {form}")
        down = p.values('count_over_time((up{job="sonde"} == 0)[10m:5s])')
        types = p.types()
        if down or len(types) != 1 or not all(t.startswith("200 ") and form in t for t in types):
            return f"{form}: {down} failed, answered {types}"
        error = p.ask("targets")["activeTargets"][0]["lastError"]
        if error:
            return f"{form}: {error}"
    return None


def run(e):
    fault = e.path("fault")
    shop_port, redis_port, crowd_port = free_port(), free_port(), free_port()
    shop = e.write("shop.py", SHOP)
    e.serve([sys.executable, shop, shop_port, fault], shop_port)
    e.serve([tool("redis-server"), "--port", redis_port, "--bind", "127.0.0.1", "--save", ""], redis_port)
    s = Sonde(e, "run", "--port", shop_port, "--port", redis_port, "--port", crowd_port).wait_ready()
    e.procs.start([sys.executable, e.write("crowd.py", CROWD), crowd_port])
    e.procs.start([sys.executable, e.write("visitors.py", VISITORS), shop_port, redis_port])
    hook = Webhook()
    prom = Prometheus(e, f"127.0.0.1:{s.port}", alertmanager(e, hook))
    scrapers = {form: Scraper(e, s, form, "5s") for form in FORMS}
    page = ("/pager", "firing", "HighErrorRatio", "shop")
    failed = 0

    until(lambda: prom.query('service:http_server_error_ratio:rate5m{service_name="shop"}'), 40,
          "recorded error ratio of the shop")
    failed += say("no alert while all is well",
                  f"{hook.got}" if any(g[2] == "HighErrorRatio" for g in hook.got) else None)
    e.write("fault", b"")
    failed += attempt("an injected fault arrives at the webhook", hook.wait, page, 60)
    failed += attempt("every dashboard query returns data",
                      lambda: until(lambda: not empty_panels(prom, ("shop", "visitors")), 20, "data") and None)
    for name in empty_panels(prom, ("shop", "visitors")) if failed else ():
        print("empty:", name)
    failed += attempt("rules for others' dashboards return data",
                      lambda: until(lambda: not empty_compat(prom), 20, empty_compat(prom)) and None)
    os.unlink(fault)
    failed += attempt("and is resolved there", hook.wait, ("/pager", "resolved", *page[2:]), 60)
    failed += attempt("no scrape failed", failed_scrapes, prom)
    failed += attempt("no scrape failed in any format", failed_forms, scrapers)
    s.end()
    return failed


def main():
    sonde = os.path.abspath(sys.argv[1])
    failed = attempt("dashboards are what make.py makes", boards_are_generated)
    with place("stack", sonde) as e:
        try:
            failed += run(e)
        except Failure as problem:
            failed += say("stack", str(problem))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
