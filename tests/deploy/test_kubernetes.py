#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The manifests and the chart: each object follows the API's schema, the DaemonSet has the rights it
needs and no more, and the two forms say the same. kubectl makes the one, helm.go the other.
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
    """What `kubectl apply -k` would apply, but that the ConfigMap, named by what it holds, is called sonde."""
    p = subprocess.run([tool("kubectl"), "kustomize", os.path.join(DEPLOY, "kubernetes")],
                       capture_output=True, text=True, check=False, timeout=60)
    if p.returncode:
        raise Failure(p.stderr.strip()[-300:])
    out = docs(p.stdout)
    held = one(out, "ConfigMap")
    volumes = one(out, "DaemonSet")["spec"]["template"]["spec"]["volumes"]
    used = [v["configMap"] for v in volumes if "configMap" in v]
    need(f"the pod has the configuration {held['metadata']['name']}",
         [u["name"] for u in used] == [held["metadata"]["name"]])
    held["metadata"]["name"] = used[0]["name"] = "sonde"
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


def need(what, is_so):
    if not is_so:
        raise Failure(what)


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


def is_in_its_namespace(e, objects):
    wide = ("Namespace", "ClusterRole", "ClusterRoleBinding")
    for d in objects:
        need(f"{d['kind']} in the namespace sonde", d["kind"] in wide or d["metadata"]["namespace"] == "sonde")
    subjects = one(objects, "ClusterRoleBinding")["subjects"]
    account = one(objects, "DaemonSet")["spec"]["template"]["spec"]["serviceAccountName"]
    need("rights are the pod's", [(x["kind"], x["name"], x["namespace"]) for x in subjects] ==
         [("ServiceAccount", account, "sonde")])
    need("its account", one(objects, "ServiceAccount")["metadata"]["name"] == account)


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


def at(objects, kind, *path):
    """What stands there, step by step; None: nothing does."""
    got = one(objects, kind)
    for step in path:
        try:
            got = got[step]
        except (KeyError, IndexError, TypeError):
            return None
    return got


POD = ("DaemonSet", "spec", "template", "spec")
BOX = (*POD, "containers", 0)
# each value of the chart, one that is not its default, and where it must arrive and as what
VALUES = (
    ("image.repository", "r.example/sonde", (*BOX, "image"), "r.example/sonde:7.7"),
    ("image.tag", "7.7", (*BOX, "image"), "r.example/sonde:7.7"),
    ("image.pullPolicy", "Always", (*BOX, "imagePullPolicy"), "Always"),
    ("imagePullSecrets", [{"name": "key"}], (*POD, "imagePullSecrets"), [{"name": "key"}]),
    ("port", 9999, (*BOX, "ports"), [{"name": "metrics", "containerPort": 9999, "hostPort": 9999}]),
    ("config", {"comm": ["nginx"], "sizes": True}, ("ConfigMap", "data", "sonde.yaml"),
     {"listen": "0.0.0.0:9999", "comm": ["nginx"], "sizes": True}),
    ("env", [{"name": "SONDE_SIZES", "value": "on"}], (*BOX, "env", 1), {"name": "SONDE_SIZES", "value": "on"}),
    ("podMonitor.enabled", True, ("PodMonitor", "kind"), "PodMonitor"),
    ("podMonitor.interval", "7s", ("PodMonitor", "spec", "podMetricsEndpoints", 0, "interval"), "7s"),
    ("podMonitor.labels", {"a": "b"}, ("PodMonitor", "metadata", "labels", "a"), "b"),
    ("annotations", {"team": "shop"}, ("DaemonSet", "spec", "template", "metadata", "annotations", "team"), "shop"),
    ("priorityClassName", "low", (*POD, "priorityClassName"), "low"),
    ("nodeSelector", {"disk": "ssd"}, (*POD, "nodeSelector"), {"disk": "ssd"}),
    ("tolerations", [{"key": "k", "operator": "Exists"}], (*POD, "tolerations"), [{"key": "k", "operator": "Exists"}]),
    ("resources", {"limits": {"memory": "99Mi"}}, (*BOX, "resources"), {"limits": {"memory": "99Mi"}}),
)


def names_of_values():
    """As values.yaml has them: of image and podMonitor, those within."""
    with open(os.path.join(DEPLOY, "helm", "sonde", "values.yaml"), encoding="utf-8") as f:
        values = yaml.safe_load(f)
    return {f"{k}.{inner}" for k in ("image", "podMonitor") for inner in values[k]} | \
        {k for k in values if k not in ("image", "podMonitor")}


def values_arrive(e):
    """All of them, each where it belongs; and none of them where it is not given."""
    need(f"each value is tried: {names_of_values() ^ {v[0] for v in VALUES}}",
         names_of_values() == {v[0] for v in VALUES})
    given = {}
    for name, value, _, _ in VALUES:
        outer, _, inner = name.partition(".")
        if inner:
            given.setdefault(outer, {})[inner] = value
        else:
            given[name] = value
    objects, plain = helm(json.dumps(given)), helm()
    for name, _, path, want in VALUES:
        got = at(objects, *path)
        got = yaml.safe_load(got) if name == "config" else got
        need(f"{name} arrives: {got}", got == want)
        if not name.startswith("podMonitor"):
            need(f"{name} is not there without", at(plain, *path) != at(objects, *path))
    need("no PodMonitor unless asked for", "PodMonitor" not in [d["kind"] for d in plain])
    need("another configuration starts other pods", at(objects, "DaemonSet", "spec", "template", "metadata",
         "annotations", "checksum/config") != at(plain, "DaemonSet", "spec", "template", "metadata", "annotations",
                                                 "checksum/config"))
    need("the port that is scraped", at(objects, "DaemonSet", "spec", "template", "metadata", "annotations",
                                        "prometheus.io/port") == "9999")
    follows_schema(e, objects)
    selects_the_pods(e, one(objects, "PodMonitor"), objects)
    try:
        helm("config: {listen: 0.0.0.0:80}")
    except Failure as said:
        need(f"it is said what to set instead: {said}", "set port instead" in str(said))
    else:
        raise Failure("an address is taken that the probes do not know")


def selects_the_pods(e, monitor, objects):
    """The operator finds them, in their namespace, and the port by its name."""
    pods = one(objects, "DaemonSet")
    template = pods["spec"]["template"]
    need("the namespace", monitor["metadata"]["namespace"] == pods["metadata"]["namespace"])
    need("the labels", monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items())
    endpoint, = monitor["spec"]["podMetricsEndpoints"]
    need("the port", endpoint["port"] in [p["name"] for p in template["spec"]["containers"][0]["ports"]])
    need("where metrics are", endpoint.get("path", "/metrics") == "/metrics")


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
            attempt(e, f"{name} are in a namespace of their own", is_in_its_namespace, objects)
            attempt(e, f"{name} are probed and scraped", is_probed_and_found, objects)
            attempt(e, f"{name} configure what sonde takes", configuration_is_taken, sonde, objects)
        attempt(e, "chart and manifests say the same", say_the_same, kustomized(), helm())
        attempt(e, "values of the chart arrive", values_arrive)
        with open(os.path.join(DEPLOY, "kubernetes", "podmonitor.yaml"), encoding="utf-8") as f:
            attempt(e, "the operator finds the pods", selects_the_pods, one(docs(f), "PodMonitor"), kustomized())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
