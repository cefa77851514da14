# SPDX-License-Identifier: Apache-2.0
"""Who is who: containers and pods, by what is said of them on a scripted API."""
import _ssl
import json
import os
import shutil
from collections import Counter

from harness.apis import Docker, Kubernetes, container_id, pod
from harness.case import case
from harness.cgroup import group, into
from harness.env import PROGS, PYTHON, tool
from harness.holdings import anonymous_kib
from harness.proc import Failure, free_port, until
from harness.raw import Raw
from harness.sonde import Sonde, get

from .tls import certificate

NODE = "node-a"


def server(e, prefix, **says):
    port = free_port()
    e.serve([PYTHON, os.path.join(PROGS, "raw.py"), port, "plain"], port, prefix,
            env={**os.environ, **says})
    return port


def in_docker(e, cid, **says):
    return server(e, into(group(e, f"docker-{cid}.scope")), **says)


def docker(e):
    d = Docker(e.path("docker.sock"))
    e.undo.append(d.stop)
    return d


def ask(e, port, n, path="/who"):
    e.curl(*[f"http://127.0.0.1:{port}{path}"] * n)


def served(s, port):
    """Service -> requests it served."""
    out = Counter()
    for key, n in s.metrics().requests("server").items():
        out[key[0]] += n
    return out


def named(s, e, port, name, seconds=6):
    """Asks until the service has that name; how often it was asked."""
    asked = 0

    def has_name():
        nonlocal asked
        ask(e, port, 1)
        asked += 1
        return served(s, port)[name]
    until(has_name, seconds, f"service {name}: {dict(served(s, port))}")
    return asked


def without_answer(s, e, port, behave, reason):
    """All is counted under the program's own name, and why is said, where that is known."""
    ask(e, port, 30)
    s.settled_metrics()
    if served(s, port) != {"raw": 30}:
        raise Failure(f"{behave}: served {dict(served(s, port))}")
    if reason and not any(reason in line for line in s.proc.stderr().splitlines()):
        raise Failure(f"{behave}: not said: {s.proc.stderr()[-300:]}")
    if reason and reason not in get(s.port, "/api/v1/status")[2]:
        raise Failure(f"{behave}: not in the status")


def labels_of(s, service, metric="http_server_request_duration_seconds_count"):
    found = [labels for labels, _ in s.metrics().of(metric) if labels.get("service_name") == service]
    if not found:
        raise Failure(f"no {metric} of {service}")
    return found[-1]


def expect_labels(labels, want):
    wrong = {k: (labels.get(k), v) for k, v in want.items() if labels.get(k) != v}
    if wrong:
        raise Failure("; ".join(f"{k} is {a!r}, not {b!r}" for k, (a, b) in wrong.items()))


def run(e, port, *args):
    return Sonde(e, "run", "--port", port, "--kubernetes", "off", *args).wait_ready()


@case(group=None)
def identity_of_a_docker_container(e):
    """Named from its first request, in metrics and in a replay of the recording."""
    d, cid = docker(e), container_id()
    d.add(cid, "shop-web-1", labels={"com.docker.compose.service": "web"})
    port, record = in_docker(e, cid), e.path("who.rec")
    s = run(e, port, "--docker", d.path, "--record", record)
    ask(e, port, 40)
    s.settled_metrics()
    if served(s, port) != {"web": 40}:
        raise Failure(f"served {dict(served(s, port))}")
    expect_labels(labels_of(s, "web"), {"container_name": "shop-web-1", "container_id": None})
    expect_labels(labels_of(s, "web", "target_info"), {
        "container_name": "shop-web-1", "container_id": cid, "container_image_name": "shop/web",
        "container_image_tags": "1.2", "container_runtime_name": "docker"})
    live = labels_of(s, "web")
    s.end()
    lines = e.procs.run([e.sonde, "replay", record, "--metrics"]).stdout()
    same = [line for line in lines.splitlines() if 'service_name="web"' in line
            and line.startswith("http_server_request_duration_seconds_count")
            and f'service_instance_id="{live["service_instance_id"]}"' in line
            and 'container_name="shop-web-1"' in line]
    if not same:
        raise Failure("the replay knows no container_name")


@case(group=None)
def identity_by_what_a_process_says_itself(e):
    """Before what others say of it: by the one variable before the other, of which alone the values
    are encoded; whether it is older than sonde or not."""
    d, cid = docker(e), container_id()
    d.add(cid, "shop-web-1", labels={"com.docker.compose.service": "web"})
    more = ("service.name=other,service.namespace=shop%2Ceu, service.version = 1%2E2 ,"
            "service.instance.id=i-1,deployment.environment.name=caf%C3%A9")
    older = server(e, (), OTEL_SERVICE_NAME="pay%20ment", OTEL_RESOURCE_ATTRIBUTES=more)
    boxed = in_docker(e, cid, OTEL_RESOURCE_ATTRIBUTES="service.name=check%20out")
    younger = free_port()
    s = run(e, f"{older},{boxed},{younger}", "--docker", d.path)
    e.serve([PYTHON, os.path.join(PROGS, "raw.py"), younger, "plain"], younger, env={
        **os.environ, "OTEL_SERVICE_NAME": "", "OTEL_RESOURCE_ATTRIBUTES": "service.name=late"})
    for port, n in ((older, 10), (boxed, 20), (younger, 30)):
        ask(e, port, n)
    s.settled_metrics()
    got = {key[0]: n for key, n in s.metrics().requests("server").items() if key[0] != "sonde"}
    if got != {"pay%20ment": 10, "check out": 20, "late": 30}:
        raise Failure(f"served {got}")
    said = {"service_namespace": "shop,eu", "service_instance_id": "i-1"}
    expect_labels(labels_of(s, "pay%20ment"), said)
    expect_labels(labels_of(s, "pay%20ment", "target_info"), {
        **said, "service_version": "1.2", "deployment_environment_name": "caf\u00e9"})
    expect_labels(labels_of(s, "check out"), {"container_name": "shop-web-1", "service_namespace": None})
    expect_labels(labels_of(s, "late"), {"service_namespace": None, "container_name": None})
    s.end()


def java_machines(e, command):
    """What each was told, how often it is asked, and what it is called: younger than sonde and older,
    in a container that has a name and in none."""
    d, cid = docker(e), container_id()
    d.add(cid, "shop-web-1", labels={"com.docker.compose.service": "web"})
    box = into(group(e, f"docker-{cid}.scope"))
    attributes = "service.name=no,service.namespace=eu,service.instance.id=i-1,service.version=2"
    told = (
        (box, ("-Dotel.service.name=shop",), ("-Dotel.service.name=no",),
         {"OTEL_SERVICE_NAME": "no"}, 10, "shop", None),
        ((), ("-Dotel.resource.attributes=service.name=a%20b,service.namespace=s",), (),
         {"OTEL_RESOURCE_ATTRIBUTES": "service.name=no"}, 20, "a b", "s"),
        ((), (f"-Dotel.resource.attributes={attributes}",), ("--spring.application.name=no",),
         {"OTEL_SERVICE_NAME": "env"}, 30, "env", "eu"),
        (box, ("-Dspring.application.name=no",), ("--spring.application.name=pay",), {}, 40, "pay",
         None),
        ((), ("-Dspring.application.name=cart",), (), {}, 50, "cart", None))
    ports = [free_port() for _ in told]

    def start(n):
        prefix, options, args, variables, *_ = told[n]
        e.serve([command[0], *options, *command[1:], *args], ports[n], prefix,
                env={**os.environ, **variables, "PORT": str(ports[n])})
    for n in range(3):
        start(n)
    s = run(e, ",".join(map(str, ports)), "--docker", d.path)
    for n in range(3, len(told)):
        start(n)
    for port, (*_, n, _, _) in zip(ports, told):
        ask(e, port, n)
    m = s.settled_metrics()
    got = {key[0]: n for key, n in m.requests("server").items() if key[0] != "sonde"}
    if got != {name: n for *_, n, name, _ in told}:
        raise Failure(f"served {got}")
    for *_, name, space in told:
        expect_labels(labels_of(s, name), {"service_namespace": space})
    expect_labels(labels_of(s, "shop"), {"container_name": "shop-web-1"})
    expect_labels(labels_of(s, "env", "target_info"), {"service_instance_id": "i-1",
                                                       "service_version": "2"})
    s.end()


@case(group=None, limit=60)
def identity_by_what_java_was_told(e):
    """On its command line: properties before variables, before its container, and Spring's own name
    after all that OpenTelemetry says. By a program that is no more of Java than its name."""
    java = e.path("java")
    shutil.copy(e.program("given"), java)
    java_machines(e, (java, "-cp", "lib", "Given"))


@case(group=None, limit=90, is_long=True)
def identity_of_java_machines(e):
    """The same of real ones. It wants a JDK."""
    e.procs.run([tool("javac"), "-d", e.path("classes"), os.path.join(PROGS, "Given.java")])
    java_machines(e, (tool("java"), "-Xshare:auto", "-cp", e.path("classes"), "Given"))


@case(group=None)
def identity_learned_while_it_runs(e):
    """A container nobody knew at its first request: no request is lost between its two names."""
    d, cid = docker(e), container_id()
    port = in_docker(e, cid)
    s = run(e, port, "--docker", d.path)
    ask(e, port, 20)
    until(lambda: served(s, port) == {"raw": 20}, 3, "its own name")
    until(lambda: d.asked >= 2, 3, "question for its container, in vain")
    d.add(cid, "late")
    other = container_id()
    second = into(group(e, f"docker-{other}.scope"))
    d.add(other, "newer")
    # one that nobody knows makes sonde ask again, and then it knows both; who is gone before anybody
    # looked was in none, so something of it stays
    p = e.procs.start([*second, "/bin/sh", "-c", '"$@"; echo asked; sleep 60; :', "sh", tool("curl"),
                       "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/who"])
    until(p.stdout, 5, "request of its client")
    asked = named(s, e, port, "late")
    s.settled_metrics()
    total = served(s, port)
    if sum(total.values()) != 21 + asked or set(total) != {"raw", "late"}:
        raise Failure(f"of {21 + asked} saw {dict(total)}")


@case(group=None, limit=60)
def identity_without_docker(e):
    """Slow, failing, nonsense, gone, begun anew: everything is counted, the reason is said."""
    d, cid = docker(e), container_id()
    d.add(cid, "web")
    port, n = in_docker(e, cid), 0
    for behave, reason in (("broken", "answered 500: no containers today"),
                           ("garbage", "is not understood"), ("slow", None)):
        d.behave = behave
        s = run(e, port, "--docker", d.path)
        without_answer(s, e, port, behave, reason)
        if behave != "slow":
            d.behave = "ok"
            named(s, e, port, "web", 10)
        s.end()
    d.behave = "ok"
    s = run(e, port, "--docker", d.path)
    ask(e, port, 10)
    until(lambda: served(s, port) == {"web": 10}, 3, "its name")
    d.stop()
    d.start()  # another process with the same socket
    ask(e, port, 10)
    until(lambda: served(s, port) == {"web": 20}, 3, "its name still")
    s.end()


@case(group=None, limit=60)
def identity_by_a_docker_that_comes_later(e):
    """Nobody is there when sonde begins, and by then it has given up all but unix sockets."""
    cid, run_ = container_id(), e.path("run")
    os.mkdir(run_)
    port = in_docker(e, cid)
    own = (tool("unshare"), "--mount", "/bin/sh", "-c",
           f'mount --bind {run_} /run && exec "$@"', "sh")
    s = Sonde(e, "run", "--port", port, "--kubernetes", "off", prefix=own).wait_ready()
    ask(e, port, 10)
    until(lambda: served(s, port) == {"raw": 10}, 4, "its own name")
    d = Docker(os.path.join(run_, "docker.sock"))
    e.undo.append(d.stop)
    d.add(cid, "late")
    asked = named(s, e, port, "late", 30)
    s.settled_metrics()
    if sum(served(s, port).values()) != 10 + asked:
        raise Failure(f"of {10 + asked} saw {dict(served(s, port))}")
    s.end()


def kubernetes(e, *pods):
    cert, key = certificate(e)
    k = Kubernetes(free_port(), cert, key, "first")
    e.undo.append(k.stop)
    account = e.path("account")
    os.mkdir(account)
    shutil.copy(cert, os.path.join(account, "ca.crt"))
    e.write("account/token", "first\n")
    for p in pods:
        k.put(p)
    k.args = ("--kubernetes", f"https://localhost:{k.server.server_address[1]}",
              "--kubernetes-account", account, "--node-name", NODE, "--docker", "off")
    return k


def in_pod(e, cid, uid="5a6f1c3e-9d2b-4c7f-8e01-23456789abcd"):
    slice_ = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    return server(e, into(group(e, slice_, f"cri-containerd-{cid}.scope")))


@case(group=None)
def identity_of_a_pod(e):
    cid = container_id()
    k = kubernetes(e, pod("web-7d4b9c6f5-x2x8z", cid, owner=("ReplicaSet", "web-7d4b9c6f5"),
                          labels={"pod-template-hash": "7d4b9c6f5"},
                          annotations={"resource.opentelemetry.io/service.version": "9"}),
                   pod("elsewhere", container_id(), node="node-b"))
    port = in_pod(e, cid)
    s = Sonde(e, "run", "--port", port, *k.args, "--cluster-name", "blue").wait_ready()
    ask(e, port, 40)
    s.settled_metrics()
    if served(s, port) != {"web": 40}:
        raise Failure(f"served {dict(served(s, port))}: {s.proc.stderr()[-300:]}")
    want = {"service_namespace": "shop", "service_instance_id": "shop.web-7d4b9c6f5-x2x8z.app",
            "k8s_cluster_name": "blue", "k8s_namespace_name": "shop", "k8s_node_name": NODE,
            "k8s_pod_name": "web-7d4b9c6f5-x2x8z", "k8s_container_name": "app",
            "k8s_owner_name": "web", "k8s_kind": "Deployment", "k8s_deployment_name": "web",
            "k8s_replicaset_name": "web-7d4b9c6f5"}
    expect_labels(labels_of(s, "web"), {**want, "service_version": None})
    expect_labels(labels_of(s, "web", "target_info"), {
        **want, "service_version": "9", "container_id": cid, "k8s_pod_ip": "10.1.2.3",
        "container_runtime_name": "containerd", "k8s_pod_start_time": "2026-11-21T06:00:01Z"})
    if any(q.get("fieldSelector") != f"spec.nodeName={NODE}" for q in k.asked("pods")):
        raise Failure(f"asked for others' pods: {k.log}")
    s.end()


SECRET = "of-another-namespace"

# asks in vain until somebody sees it, then twenty times in processes of their own
POD_CLIENT = """
while [ ! -e {go} ]; do {curl} -s -o /dev/null {url}/try; sleep 0.1; done
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do {curl} -s -o /dev/null {url}/exact; done
"""


def nothing_of_others(s, record, e):
    """Neither name nor path of what is in another namespace, wherever sonde tells of anything."""
    for path in ("/metrics", "/api/v1/services", "/api/v1/requests", "/api/v1/map"):
        body = get(s.port, path)[2]
        for word in (SECRET, "elsewhere", "raw"):
            if word in body:
                raise Failure(f"{path} tells of {word}")
    with open(record, "rb") as f:
        if SECRET.encode() in f.read():
            raise Failure(f"{SECRET} is in the recording")


@case(group=None, limit=90)
def identity_by_namespace(e):
    """
    --namespace: pods of it alone, decided before anything is copied; of another's nothing is told
    or recorded. One whose pod becomes known late is observed from then on, on the connections it
    has already.
    """
    ours, late, others = container_id(), container_id(), container_id()
    k = kubernetes(e, pod("web-0", ours, owner=("StatefulSet", "web")),
                   pod("api-0", others, namespace=SECRET, owner=("StatefulSet", "elsewhere")))
    uid = "{}a6f1c3e-9d2b-4c7f-8e01-23456789abcd".format
    web, api = in_pod(e, ours), in_pod(e, others, uid(6))
    web_group = os.path.join(group(e), f"kubepods-burstable-pod{uid(5).replace('-', '_')}.slice",
                             f"cri-containerd-{ours}.scope")
    newer, host, record = in_pod(e, late, uid(7)), server(e, ()), e.path("pods.rec")
    s = Sonde(e, "run", *k.args, "--namespace", "shop", "--record", record).wait_ready()
    named(s, e, web, "web", 15)  # from when it is decided
    s.settled_metrics()
    first = served(s, web)["web"]
    before = Raw(newer)
    for path in (f"/{SECRET}/1", f"/{SECRET}/2"):
        before.ask("GET", path)
        for port in (api, newer, host):
            ask(e, port, 10, path)
    ask(e, web, 40)
    until(lambda: served(s, web)["web"] == first + 40, 8, "requests of its own namespace")
    s.settled_metrics()
    if served(s, web) != {"web": first + 40}:
        raise Failure(f"served {dict(served(s, web))}")
    nothing_of_others(s, record, e)
    # a pod's programs that come and go: each from its first byte
    go = e.path("go")
    script = POD_CLIENT.format(go=go, curl=tool("curl"), url=f"http://127.0.0.1:{host}")
    p = e.procs.start([*into(web_group), "/bin/sh", "-c", script])

    def asked(route):
        return sum(n for key, n in s.metrics().requests("client").items() if key[2] == route)
    until(lambda: asked("/try"), 15, "a client in the pod")
    e.write("go", "")
    p.wait(20)
    until(lambda: asked("/exact") == 20, 8, "each of twenty programs")
    k.put(pod("late-0", late, owner=("StatefulSet", "late")))
    n = named(s, e, newer, "late", 15)
    s.settled_metrics()
    seen = served(s, newer)["late"]
    if seen > n:
        raise Failure(f"of {n} requests saw {seen}")
    for _ in range(10):
        before.ask("GET", "/who")
    until(lambda: served(s, newer)["late"] == seen + 10, 8, "requests on the connection it had")
    before.sock.close()
    nothing_of_others(s, record, e)
    s.end()
    lines = e.procs.run([e.sonde, "replay", record, "--metrics"]).stdout()
    names = {l.split('service_name="')[1].split('"')[0] for l in lines.splitlines()
             if 'service_name="' in l}
    if names != {"web", "late"}:
        raise Failure(f"the recording knows {names}")


@case(group=None, limit=60)
def identity_of_pods_that_change(e):
    """Added, changed, restarted and deleted while it runs; the watch is resumed, or begun anew."""
    first, second = container_id(), container_id()
    web = pod("web-0", first, owner=("StatefulSet", "web"))
    k = kubernetes(e, web)
    k.watch_s = 2
    port = in_pod(e, first)
    s = Sonde(e, "run", "--port", port, *k.args).wait_ready()
    ask(e, port, 5)
    until(lambda: served(s, port) == {"web": 5}, 3, "its name")
    # it comes while no list is made
    late = in_pod(e, second, uid="6a6f1c3e-9d2b-4c7f-8e01-23456789abcd")
    s2 = Sonde(e, "run", "--port", late, *k.args).wait_ready()
    k.put(pod("job-29000000-abcde", second, owner=("Job", "nightly-cleanup")))
    named(s2, e, late, "nightly-cleanup")
    web["metadata"]["annotations"]["resource.opentelemetry.io/service.name"] = "renamed"
    k.put(web)
    named(s, e, port, "renamed")
    lists = sum("watch" not in q for q in k.asked("pods"))
    watches = len(k.asked("pods"))
    until(lambda: len(k.asked("pods")) >= watches + 3, 10, "watch that is resumed")
    if sum("watch" not in q for q in k.asked("pods")) != lists:
        raise Failure("a watch that ended was followed by a list")
    since = [int(q["resourceVersion"]) for q in k.asked("pods") if "watch" in q]
    if max(since) < k.version:
        raise Failure(f"resumed from {max(since)}, was told {k.version}")
    # what was meanwhile is forgotten: all over again
    with k.lock:
        k.version += 1000
        k.oldest = k.version
        k.events.clear()
        web["metadata"]["annotations"]["resource.opentelemetry.io/service.name"] = "again"
    k.drop_watches()
    named(s, e, port, "again", 8)
    s.end()
    s2.end()


@case(group=None, limit=60)
def identity_without_kubernetes(e):
    """Slow, refusing, nonsense, a token that is replaced: the reason is said, and it recovers."""
    cid = container_id()
    k = kubernetes(e, pod("web-0", cid, owner=("StatefulSet", "web")))
    port = in_pod(e, cid)
    for behave, token, reason in (("forbidden", "first", "answered 403: pods is forbidden"),
                                  ("ok", "second", "answered 401: Unauthorized"),
                                  ("garbage", "first", "is not understood"),
                                  ("slow", "first", None)):
        k.behave, k.token = behave, token
        s = Sonde(e, "run", "--port", port, *k.args).wait_ready()
        without_answer(s, e, port, behave, reason)
        if reason:
            k.behave = "ok"
            e.write("account/token", token)
            named(s, e, port, "web", 10)
            e.write("account/token", "first")
        s.end()


@case(group=None, limit=60)
def identity_by_the_kubelet(e):
    """Instead of the API server, with the same account: a list, asked for when there is need."""
    cid, late = container_id(), container_id()
    web = pod("web-0", cid, owner=("StatefulSet", "web"))
    k = kubernetes(e, web)
    k.behave = "forbidden"
    port = in_pod(e, cid)
    where = k.args[1]
    s = Sonde(e, "run", "--port", port, "--kubelet", where, *k.args[2:4], "--docker", "off",
              "--cri", "off").wait_ready()
    ask(e, port, 10)
    until(lambda: served(s, port) == {"raw": 10}, 4, "its own name")
    if "kubelet (" + where + "): answered 403: pods is forbidden" not in s.proc.stderr():
        raise Failure(f"not said: {s.proc.stderr()[-300:]}")
    k.behave = "ok"
    named(s, e, port, "web", 20)
    expect_labels(labels_of(s, "web"), {"k8s_pod_name": "web-0", "k8s_namespace_name": "shop",
                                        "service_instance_id": "shop.web-0.app"})
    # it comes between two lists: who asks is in a container that nobody knows
    k.put(pod("late-0", late, owner=("StatefulSet", "late")))
    second = into(group(e, f"cri-containerd-{late}.scope"))
    n = len(k.log)
    e.procs.run([*second, tool("curl"), "-s", "-o", "/dev/null", f"http://127.0.0.1:{port}/who"])
    until(lambda: len(k.log) > n, 5, "list that is asked for")
    k.delete(web)
    if {path for path, _ in k.log} != {"/pods"}:
        raise Failure(f"asked for {k.log}")
    # what was known of one that is there no more is still true of its processes
    before = served(s, port)["web"]
    until(lambda: len(k.log) > n + 1, 20, "next list")
    ask(e, port, 10)
    until(lambda: served(s, port)["web"] == before + 10, 4, "requests of a pod that ends")
    s.end()


@case(group=None, limit=90)
def identity_of_5000_pods(e):
    """All on this node, 10 kB each: the loop goes on, memory is bounded."""
    cid = container_id()
    hash_ = "7d4b9c6f5"
    pods = [pod(f"web-{i}-{hash_}-x2x8z", container_id(), owner=("ReplicaSet", f"web-{i}-{hash_}"),
                labels={"pod-template-hash": hash_}, padding="x" * 9000) for i in range(4999)]
    k = kubernetes(e, *pods, pod("ours", cid, owner=("DaemonSet", "ours")))
    port = in_pod(e, cid)
    s = Sonde(e, "run", "--port", port, "--kubernetes", "off", "--docker", "off").wait_ready()
    before = anonymous_kib(s.proc.pid)
    s.end()
    s = Sonde(e, "run", "--port", port, *k.args).wait_ready()
    asked = named(s, e, port, "ours", 40)
    s.settled_metrics()
    if sum(served(s, port).values()) != asked:
        raise Failure(f"of {asked} saw {dict(served(s, port))}")
    grown = anonymous_kib(s.proc.pid) - before
    e.figures.update(pods=5000, grown_kib=grown)
    if grown > 24 * 1024:
        raise Failure(f"5,000 pods take {grown} KiB")
    s.end()


@case(group=None)
def identity_by_the_runtime(e):
    """A node's runtime asked over gRPC, by who cannot ask the API server."""
    cid, path, told = container_id(), e.path("containerd.sock"), e.path("told.json")
    pod_ = {"id": "sandbox", "name": "web-7d4b9c6f5-x2x8z", "namespace": "shop", "uid": "u-1",
            "labels": {"pod-template-hash": "7d4b9c6f5", "app.kubernetes.io/version": "9"},
            "annotations": {}, "containers": [{"id": cid, "name": "app", "image": "shop/web:1.2"}]}

    def tell(status, *pods):
        e.write("told.json", json.dumps({"status": status, "pods": pods}))
    tell(14)
    e.serve([tool("node"), os.path.join(PROGS, "cri.js"), path, told], path)
    port = in_pod(e, cid)
    s = Sonde(e, "run", "--port", port, "--kubernetes", "off", "--docker", "off", "--cri",
              path).wait_ready()
    ask(e, port, 10)
    until(lambda: served(s, port) == {"raw": 10}, 4, "its own name")
    if "answered gRPC status 14" not in s.proc.stderr():
        raise Failure(f"not said: {s.proc.stderr()[-300:]}")
    tell(0, pod_)
    named(s, e, port, "web", 10)
    want = {"service_namespace": "shop", "service_instance_id": "shop.web-7d4b9c6f5-x2x8z.app",
            "k8s_pod_name": "web-7d4b9c6f5-x2x8z", "k8s_deployment_name": "web",
            "k8s_container_name": "app"}
    expect_labels(labels_of(s, "web"), want)
    expect_labels(labels_of(s, "web", "target_info"), {
        **want, "service_version": "9", "container_id": cid, "k8s_pod_uid": "u-1",
        "container_runtime_name": "containerd", "container_image_name": "shop/web"})
    s.end()


@case(group=None)
def identity_in_worlds_of_its_own(e):
    """
    A server in its own pid, mount and network namespace and cgroup, with its own copy of libssl:
    named, counted and read within TLS as any other.
    """
    cert, key = certificate(e)
    port, cid = free_port(), container_id()
    own = e.path("own")
    os.mkdir(own)
    linked = e.procs.run([tool("ldd"), _ssl.__file__]).stdout()
    for line in linked.splitlines():
        if "libssl" in line or "libcrypto" in line:
            shutil.copy(line.split("=>")[1].split()[0], own)
    d = docker(e)
    d.add(cid, "isolated")
    path = group(e, f"docker-{cid}.scope")
    # the copy is seen in its own world only
    inner = ("mount -t tmpfs none /mnt && cp " + own + "/* /mnt/ && ip link set lo up && "
             f"LD_LIBRARY_PATH=/mnt exec {PYTHON} {PROGS}/secure.py {port} thread {cert} {key}")
    e.procs.start([*into(path), tool("unshare"), "--pid", "--mount", "--net", "--fork",
                   "--kill-child", "--mount-proc", "/bin/sh", "-c", inner])
    outer = e.procs.all[-1].pid
    pid = e.workers(outer, 1)[0]
    until(lambda: listens(pid, port), 8, "its listener")
    with open(f"/proc/{pid}/maps") as f:
        if "/mnt/libssl" not in f.read():
            raise Failure("it does not use its own copy of libssl")
    asks = "--docker", d.path, "--kubernetes", "off"
    s = Sonde(e, "run", "--port", port, *asks).wait_ready()
    lines = Sonde(e, "tail", "--json", "--port", port, *asks).wait_ready()
    e.procs.run([tool("nsenter"), "--net", "--target", pid, tool("curl"), "-sk", "-o", "/dev/null",
                 *[f"https://127.0.0.1:{port}/{i}" for i in range(1, 21)]])
    until(lambda: served(s, port) == {"isolated": 20}, 6,
          f"its requests; saw {dict(served(s, port))}")
    expect_labels(labels_of(s, "isolated"), {"container_name": "isolated", "url_scheme": "https"})
    lines.settle()
    lines.end(limit=5)
    calls = {t["span_id"]: t for t in lines.transactions if t["role"] == "client"}
    for t in lines.transactions:
        call = calls.get(t["parent_span_id"]) if t["role"] == "server" else None
        if t["role"] == "server" and not (call and call["trace_id"] == t["trace_id"] and
                                          call["target"] == t["target"]):
            raise Failure(f"{t['target']} is no child of the call that asked for it: {t}")
    if len(calls) != 20 or len(lines.transactions) != 40:
        raise Failure(f"{len(calls)} calls in {len(lines.transactions)} transactions")
    s.end(limit=5)


def listens(pid, port):
    with open(f"/proc/{pid}/net/tcp") as f:
        return any(line.split()[3] == "0A" and int(line.split()[1].rsplit(":", 1)[1], 16) == port
                   for line in list(f)[1:])
