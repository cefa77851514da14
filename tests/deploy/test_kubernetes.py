#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The manifests and the chart: each object follows the API's schema, the DaemonSet has the rights it
needs and no more, and the two forms say the same.
"""
import json
import os
import subprocess
import sys
import tempfile

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.join(HERE, "..", "..", "deploy")
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness.env import place, tool  # noqa: E402
from harness.node import modules  # noqa: E402
from harness.proc import Failure  # noqa: E402

CAPABILITIES = ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]
OPERATORS = ("PodMonitor",)  # no part of Kubernetes' own API


def docs(text):
    return [d for d in yaml.safe_load_all(text) if d]


def kustomized():
    """What kustomize would apply: the resources, and the ConfigMap it makes."""
    folder = os.path.join(DEPLOY, "kubernetes")
    with open(os.path.join(folder, "kustomization.yaml"), encoding="utf-8") as f:
        k = yaml.safe_load(f)
    out = []
    for name in k["resources"]:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            out += docs(f)
    for d in out:
        if d["kind"] not in ("Namespace", "ClusterRole", "ClusterRoleBinding"):
            d["metadata"]["namespace"] = k["namespace"]
    for g in k["configMapGenerator"]:
        data = {}
        for name in g["files"]:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                data[name] = f.read()
        out.append({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": g["name"], "namespace": k["namespace"]}, "data": data})
    return out


def helm(*values):
    """What `helm template sonde -n sonde` would print."""
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="",
               GOCACHE=os.path.join(tempfile.gettempdir(), "sonde-go-cache"))
    p = subprocess.run([tool("go"), "run", os.path.join(HERE, "helm.go"),
                        os.path.join(DEPLOY, "helm", "sonde"), "sonde", "sonde", *values],
                       capture_output=True, text=True, env=env, check=False, timeout=120)
    if p.returncode:
        raise Failure(p.stderr.strip()[-300:])
    return docs(p.stdout)


def one(objects, kind):
    found = [d for d in objects if d["kind"] == kind]
    if len(found) != 1:
        raise Failure(f"{len(found)} objects of kind {kind}")
    return found[0]


def follows_schema(e, objects):
    p = subprocess.run([tool("node"), os.path.join(HERE, "validate.js")], text=True,
                       input=json.dumps([d for d in objects if d["kind"] not in OPERATORS]),
                       capture_output=True, check=False, timeout=60,
                       env=dict(os.environ, NODE_PATH=modules(e, os.path.join(HERE, "node"))))
    if p.returncode:
        raise Failure((p.stdout + p.stderr).strip()[-400:])


def schema_is_checked(e):
    bad = kustomized()
    one(bad, "DaemonSet")["spec"]["template"]["spec"]["hostPID"] = "yes"
    try:
        follows_schema(e, bad)
    except Failure as found:
        if "hostPID" in str(found):
            return
    raise Failure("a wrong manifest passed")


def need(what, is_so):
    if not is_so:
        raise Failure(what)


def has_least_rights(e, objects):
    spec = one(objects, "DaemonSet")["spec"]["template"]["spec"]
    need("one container", len(spec["containers"]) == 1)
    s = spec["containers"][0]["securityContext"]
    need("not privileged", s["privileged"] is False and s["allowPrivilegeEscalation"] is False)
    need("root file system read-only", s["readOnlyRootFilesystem"] is True)
    need("no capability but those needed",
         s["capabilities"] == {"drop": ["ALL"], "add": CAPABILITIES})
    # the default profiles let a container read its own processes alone: no names, no TLS
    need("others' processes are not hidden", s["appArmorProfile"] == {"type": "Unconfined"})
    need("the host's processes", spec["hostPID"] is True)
    for v in spec["volumes"]:
        path = v.get("hostPath", {}).get("path", "/sys/kernel/btf")
        need(f"no folder of the host but BTF: {path}", path == "/sys/kernel/btf")
    for m in spec["containers"][0]["volumeMounts"]:
        need(f"{m['mountPath']} read-only", m["readOnly"] is True)
    for rule in one(objects, "ClusterRole")["rules"]:
        need("verbs that read", set(rule["verbs"]) <= {"get", "list", "watch"})
        need("pods and Services alone", set(rule["resources"]) == {"pods", "services"})
        need("no secrets", not {"secrets", "configmaps", "*"} & set(rule["resources"]))


def is_probed_and_found(e, objects):
    template = one(objects, "DaemonSet")["spec"]["template"]
    c = template["spec"]["containers"][0]
    port = c["ports"][0]["containerPort"]
    need("a port that no SDK's exporter uses", port not in (9464, 4317, 4318, 8888, 9090, 9100))
    need("the same port on the host", c["ports"][0]["hostPort"] == port)
    need("the configured port",
         f"0.0.0.0:{port}" in one(objects, "ConfigMap")["data"]["sonde.yaml"])
    need("scraped by annotation",
         template["metadata"]["annotations"]["prometheus.io/port"] == str(port))
    need("readiness", c["readinessProbe"]["httpGet"]["path"] == "/readyz")
    need("liveness", c["livenessProbe"]["httpGet"]["path"] == "/livez")
    need("bounded memory", "memory" in c["resources"]["limits"])
    need("every node", {"operator": "Exists"} in template["spec"]["tolerations"])


def say_the_same(e, a, b):
    for kind in ("DaemonSet", "ClusterRole"):
        x, y = one(a, kind), one(b, kind)
        if kind == "ClusterRole":
            need("the same rules", x["rules"] == y["rules"])
            continue
        x, y = (d["spec"]["template"]["spec"] for d in (x, y))
        for c in (x["containers"][0], y["containers"][0]):
            c.pop("image"), c.pop("imagePullPolicy", None)
        y.pop("nodeSelector")
        need("the same pods", x == y)


def configuration_is_taken(e, sonde, objects):
    path = e.write("sonde.yaml", one(objects, "ConfigMap")["data"]["sonde.yaml"])
    p = e.procs.run([sonde, "check", "--config", path])
    need(f"a configuration that sonde takes: {p.stderr()}", p.code == 0)


def values_arrive(e):
    objects = helm("config: {comm: [nginx], sizes: true}", "podMonitor: {enabled: true, interval: 7s, labels: {a: b}}",
                   "port: 9999")
    text = one(objects, "ConfigMap")["data"]["sonde.yaml"]
    need("configuration", yaml.safe_load(text) == {"listen": "0.0.0.0:9999", "comm": ["nginx"], "sizes": True})
    monitor = one(objects, "PodMonitor")
    need("labels", monitor["metadata"]["labels"]["a"] == "b")
    endpoint = monitor["spec"]["podMetricsEndpoints"][0]
    need("interval", endpoint["interval"] == "7s" and endpoint["port"] == "metrics")
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    need("selects the pods",
         selector <= one(objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"].items())


def main():
    sonde = os.path.abspath(sys.argv[1])
    failed = 0

    def attempt(e, name, fn, *args):
        nonlocal failed
        try:
            fn(e, *args)
            print(f"ok {name}", flush=True)
        except (Failure, KeyError) as problem:
            failed += 1
            print(f"FAIL {name}: {problem!r}", flush=True)

    with place("kubernetes", sonde) as e:
        attempt(e, "a wrong manifest is found", schema_is_checked)
        for name, objects in (("manifests", kustomized()), ("chart", helm())):
            attempt(e, f"{name} follow the API's schema", follows_schema, objects)
            attempt(e, f"{name} ask for the least rights", has_least_rights, objects)
            attempt(e, f"{name} are probed and scraped", is_probed_and_found, objects)
            attempt(e, f"{name} configure what sonde takes", configuration_is_taken, sonde, objects)
        attempt(e, "chart and manifests say the same", say_the_same, kustomized(), helm())
        attempt(e, "values of the chart arrive", values_arrive)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
