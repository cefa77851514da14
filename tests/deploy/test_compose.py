#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The stack of deploy/compose and the collector's configuration, as far as they can be held to without
containers: every file, service, port, pipeline and configuration that one names is there in the other;
sonde has the rights it has under Kubernetes; nothing listens beyond loopback but what must. Where
a collector is installed it judges as well; Compose and collector otherwise: test_later.sh, collector.sh.
"""
import os
import re
import shutil
import subprocess
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.normpath(os.path.join(HERE, "..", "..", "deploy"))
COMPOSE = os.path.join(DEPLOY, "compose")
# what each image listens at by itself
LISTENS = {"alertmanager": {9093}, "jaeger": {4317, 16686}, "elasticsearch": {9200}, "prometheus": {9090},
           "kibana": {5601}, "grafana": {3000}}
failed = 0


def load(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as f:
        return yaml.safe_load(f)


def check(name, problems):
    global failed
    problems = [str(p) for p in problems]
    failed += bool(problems)
    print(f"FAIL {name}: {'; '.join(problems)}" if problems else f"ok {name}", flush=True)


def command(name, *argv):
    p = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    check(name, [(p.stdout + p.stderr).strip()[-300:]] if p.returncode else [])


def needs_are_there(services):
    for name, s in services.items():
        needs = list(s.get("depends_on", ()))
        if s.get("network_mode", "").startswith("service:"):
            needs.append(s["network_mode"].partition(":")[2])
        yield from (f"{name} needs {n}" for n in needs if n not in services)


def files_are_there(services, stack):
    for name, s in services.items():
        for v in s.get("volumes", ()):
            source, _, how = v.partition(":")
            if source.startswith("."):
                if not os.path.exists(os.path.join(COMPOSE, source)):
                    yield f"{name}: no {source}"
                if not how.endswith(":ro"):
                    yield f"{name} could write {source}"
            elif not source.startswith("/") and source not in stack["volumes"]:
                yield f"{name}: no volume {source}"
        yield from (f"{name}: no configuration {c['source']}" for c in s.get("configs", ())
                    if c["source"] not in stack["configs"])
        built = s.get("build")
        if built:
            root = os.path.join(COMPOSE, built["context"])
            if not os.path.exists(os.path.join(root, built["dockerfile"])):
                yield f"{name}: no {built['dockerfile']}"


def copies_are_there():
    """What shop.Dockerfile takes from the tree."""
    with open(os.path.join(COMPOSE, "shop.Dockerfile"), encoding="utf-8") as f:
        for words in re.findall(r"^COPY (?!--)(.*)$", f.read(), re.M):
            for source in words.split()[:-1]:
                if not os.path.exists(os.path.join(DEPLOY, "..", source)):
                    yield f"no {source}"


def is_bounded(services):
    for name, s in services.items():
        if not re.search(r":[\w.-]+$", s["image"]) or s["image"].endswith(":latest"):
            yield f"{name}: image of no version"
        if "mem_limit" not in s:
            yield f"{name}: memory without limit"
        if s.get("privileged"):
            yield f"{name} is privileged"
        yield from (f"{name} listens at {p}" for p in s.get("ports", ()) if not p.startswith("127.0.0.1:"))


def rights_are_those_of_kubernetes(sonde):
    with open(os.path.join(DEPLOY, "kubernetes", "daemonset.yaml"), encoding="utf-8") as f:
        pod = yaml.safe_load(f)["spec"]["template"]["spec"]
    there = pod["containers"][0]["securityContext"]
    if set(sonde["cap_add"]) != set(there["capabilities"]["add"]) or sonde["cap_drop"] != ["ALL"]:
        yield f"capabilities {sonde['cap_add']}"
    if not sonde["read_only"] or sonde["pid"] != "host" or sonde["network_mode"] != "host":
        yield "not read-only, or not the host's processes and network"
    if "no-new-privileges:true" not in sonde["security_opt"]:
        yield "new privileges"


def shop_is_that_of_the_demonstration(services, stack):
    """The same programs, at ports that find each other."""
    for name in ("orders", "storefront", "visitors", "stock"):
        if services[name]["network_mode"] != "service:nginx":
            yield f"{name} is not where the others are"
    to = yaml.safe_load(stack["configs"]["upstreams"]["content"])
    ports = {name: int(next(w for w in services[name]["command"] if w.isdigit()))
             for name in ("orders", "stock", "storefront")}
    if to != {"stock": ports["stock"], "orders": ports["orders"]}:
        yield f"upstreams {to}, services at {ports}"
    if f"127.0.0.1:{ports['storefront']};" not in stack["configs"]["nginx"]["content"]:
        yield "nginx asks elsewhere"
    with open(os.path.join(DEPLOY, "demo", "shop.py"), encoding="utf-8") as f:
        schema = re.search(r'SCHEMA = """\n(.*?)"""', f.read(), re.S)[1]
    if stack["configs"]["schema"]["content"].strip() != schema.strip():
        yield "the schema is another"


def collector_is_whole(c):
    used = {kind: set() for kind in ("receivers", "processors", "exporters")}
    for name, p in c["service"]["pipelines"].items():
        for kind, parts in used.items():
            parts.update(p[kind])
            yield from (f"{name}: no {kind[:-1]} {x}" for x in p[kind] if x not in c[kind])
        if p["processors"][0] != "memory_limiter" or p["processors"][-1] != "batch":
            yield f"{name}: the limiter is not first, or the batch not last"
    yield from (f"{kind[:-1]} {x} is not used" for kind, parts in used.items() for x in set(c[kind]) - parts)
    yield from (f"no extension {x}" for x in c["service"]["extensions"] if x not in c["extensions"])
    pipelines = c["service"]["pipelines"]
    to = {name: set(p["exporters"]) for name, p in pipelines.items()}
    if to != {"traces": {"otlp/jaeger", "elasticsearch"}, "metrics": {"prometheus"},
              "metrics/elasticsearch": {"elasticsearch"}}:
        yield f"they go to {to}"
    # what Prometheus shows is cumulative; Elasticsearch drops histograms that are
    yield from (f"{name}: temporality" for name, p in pipelines.items()
                if ("cumulativetodelta" in p["processors"]) != (name == "metrics/elasticsearch"))
    if not c["exporters"]["prometheus"]["resource_to_telemetry_conversion"]["enabled"]:
        yield "rules and dashboards need service_name as a label"


def port_of(address):
    return int(re.search(r":(\d+)\}?$", address)[1])


def addresses(services, c):
    """(who, whose, port) of all that one container asks of another."""
    yield "collector", "jaeger", port_of(c["exporters"]["otlp/jaeger"]["endpoint"])
    yield "collector", "elasticsearch", port_of(c["exporters"]["elasticsearch"]["endpoints"][0])
    for job in load("compose", "prometheus.yaml")["scrape_configs"]:
        host, _, port = job["static_configs"][0]["targets"][0].partition(":")
        yield "prometheus", {"host.docker.internal": "sonde"}.get(host, host), int(port)
    host, _, port = load("compose", "prometheus.yaml")["alerting"]["alertmanagers"][0][
        "static_configs"][0]["targets"][0].partition(":")
    yield "prometheus", host, int(port)
    for source in load("compose", "grafana.yaml")["datasources"]:
        host, port = re.fullmatch(r"http://([\w-]+):(\d+)", source["url"]).groups()
        yield "grafana", host, int(port)
    for who, text in (("kibana", services["kibana"]["environment"]["ELASTICSEARCH_HOSTS"]),
                      ("logstash", open(os.path.join(COMPOSE, "logstash.conf"), encoding="utf-8").read())):
        yield from ((who, h, int(p)) for h, p in re.findall(r"http://([\w-]+):(\d+)", text))


def addresses_are_there(services, c):
    listens = dict(LISTENS)
    listens["otel-collector"] = {port_of(p["endpoint"]) for p in c["receivers"]["otlp"]["protocols"].values()}
    listens["otel-collector"] |= {port_of(c["exporters"]["prometheus"]["endpoint"]),
                                  c["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"][
                                      "prometheus"]["port"]}
    sonde = services["sonde"]
    listens["sonde"] = {port_of(sonde["command"][sonde["command"].index("--listen") + 1])}
    yield from (f"{who} asks {whose}:{port}" for who, whose, port in addresses(services, c)
                if whose not in services or port not in listens[whose])
    published = {int(p.split(":")[1]) for p in services["otel-collector"]["ports"]}
    if port_of(sonde["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]) not in published:
        yield "sonde sends where nobody listens"


def main():
    stack, c = load("compose", "compose.yaml"), load("otel-collector", "collector.yaml")
    services = stack["services"]
    check("compose: services that are needed are there", needs_are_there(services))
    check("compose: files that are named are there", [*files_are_there(services, stack), *copies_are_there()])
    check("compose: versions, memory and ports are bounded", is_bounded(services))
    check("compose: sonde has the rights it has under Kubernetes",
          rights_are_those_of_kubernetes(services["sonde"]))
    check("compose: the shop is that of the demonstration", shop_is_that_of_the_demonstration(services, stack))
    check("compose: who is asked is there, at that port", addresses_are_there(services, c))
    check("collector: pipelines are whole", collector_is_whole(c))
    # its rules are beside it in the container
    text = open(os.path.join(COMPOSE, "prometheus.yaml"), encoding="utf-8").read()
    there = os.path.join(DEPLOY, "prometheus", f".compose-{os.getpid()}.yaml")
    with open(there, "w", encoding="utf-8") as f:
        f.write(text)
    try:
        command("compose: Prometheus takes its configuration", "promtool", "check", "config", there)
    finally:
        os.unlink(there)
    collector = shutil.which("otelcol-contrib")
    if collector:
        command("collector: takes its configuration", collector, "validate", "--config",
                os.path.join(DEPLOY, "otel-collector", "collector.yaml"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
