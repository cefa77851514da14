# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus scrapes: text, OpenMetrics with exemplars, protobuf with native histograms."""
import json
import time
import urllib.parse
import urllib.request

from harness.case import case
from harness.env import tool
from harness.proc import Failure, free_port, until

from .otlp import END_S, LIMIT_S, Collector, drive, exporter

PROMETHEUS = """
global: {{ scrape_interval: {every}, scrape_timeout: {every} }}
scrape_configs:
  - job_name: sonde
    static_configs: [ {{ targets: [ "127.0.0.1:{port}" ] }} ]
"""


# what a scraper of this version can be made to ask for, and by which feature; as it asks itself, it
# prefers OpenMetrics, so that text has to be asked for on its behalf
FORMS = {"text/plain": "", "openmetrics": "exemplar-storage", "protobuf": "native-histograms"}


class Prometheus:
    """A real one, that scrapes sonde by way of nginx."""

    def __init__(self, e, s, form, every="1s"):
        self.port = free_port()
        accept = 'proxy_set_header Accept "text/plain;version=0.0.4";' if form == "text/plain" else ""
        self.front = e.nginx(f"""location /metrics {{
            proxy_pass http://127.0.0.1:{s.port}; {accept} access_log {e.tmp}/scrapes-{self.port}
            types; }}""", "log_format types '$status $sent_http_content_type';")
        self.log = f"{e.tmp}/scrapes-{self.port}"
        config = f"prometheus-{self.port}.yml"
        e.write(config, PROMETHEUS.format(port=self.front.port, every=every).encode())
        features = ["--enable-feature", FORMS[form]] if FORMS[form] else []
        e.serve([tool("prometheus"), "--config.file", e.path(config), "--storage.tsdb.path",
                 e.path(f"tsdb-{self.port}"), "--web.listen-address", f"127.0.0.1:{self.port}",
                 *features], self.port)

    def ask(self, what, **args):
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(args)}"
        with urllib.request.urlopen(url, timeout=5) as r:
            return json.load(r)["data"]

    def values(self, query):
        return [r["value"][1] for r in self.ask("query", query=query)["result"]]

    def types(self):
        with open(self.log) as f:
            return {line.strip() for line in f}


@case(group=None, limit=LIMIT_S)
def prometheus_scrapes_every_form(e):
    """A real one: no error, what it holds is what was counted, and exemplars are of exported spans."""
    web, c = e.nginx().port, Collector(e)
    s = exporter(e, web, f"http://127.0.0.1:{c.port}")
    for form, feature in FORMS.items():
        p = Prometheus(e, s, form)
        drive(e, web, 20)
        of = "http_server_request_duration_seconds"
        total = f'sum({of}_count{{service_name="nginx"}})'
        if form == "protobuf":
            total = f'histogram_count(sum({of}{{service_name="nginx"}}))'
        want = sum(s.settled_metrics().requests("server").values())
        until(lambda: p.values(total) == [str(want)], 20, f"{want} requests in Prometheus, {form}")
        until(lambda: p.values('up{job="sonde"}') == ["1"], 5, "scrape that is not given up")
        # 499: given up after a second, which a busy machine may take
        types = [t for t in p.types() if not t.startswith("499 ")]
        if not types or any(not t.startswith("200 ") or form not in t for t in types):
            raise Failure(f"{form}: answered {p.types()}")
        if form == "protobuf" and not 0 < float(p.values(f"histogram_quantile(0.5, sum({of}))")[0]) < 1:
            raise Failure("the median is no time of a request")
        if form == "openmetrics":
            exemplars(p, c, of)
    s.end(limit=END_S)


def exemplars(p, c, of):
    def found():
        rows = p.ask("query_exemplars", query=of + "_bucket", start=time.time() - 600,
                     end=time.time() + 60)
        return [x["labels"] for row in rows for x in row["exemplars"]]
    until(found, 10, "exemplars")

    def all_exported():
        spans = {(s["traceId"], s["spanId"]) for _, s in c.spans()}
        return all((x["trace_id"], x["span_id"]) in spans for x in found())
    until(all_exported, 5, f"span of each exemplar: {found()}")
