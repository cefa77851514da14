#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
pod.py TREE ENTRYPOINT...: the DaemonSet's container in TREE, which is what the image holds, as
kubelet and containerd would have it: namespaces, rights, mounts and environment of the manifest, by runc.
It observes an nginx outside, plain and within TLS: every request counted, its probes answering, its
memory below the limit, and it ends in the time it is given. Inside the mount namespace of bare.sh.
"""
import json
import os
import subprocess
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.join(HERE, "..", "..", "deploy")
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from cases import tls  # noqa: E402
from harness.env import place, tool  # noqa: E402
from harness.proc import Failure, free_port, is_listening, until  # noqa: E402
from harness.sonde import Metrics, get  # noqa: E402

REQUESTS = 200
SECONDS = 30
NODE = "node-of-the-test"
# of every container, by the runtime specification and by kubelet's "procMount: Default"
MOUNTS = [("/proc", "proc", "proc", []),
          ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755"]),
          ("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"])]
MASKED = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def read(name):
    with open(os.path.join(DEPLOY, "kubernetes", name), encoding="utf-8") as f:
        return f.read()


def capabilities(asked):
    """Of root, as containerd grants them: none is inherited, none ambient."""
    if asked["drop"] != ["ALL"]:
        raise Failure("what is not dropped would be the runtime's choice")
    names = ["CAP_" + name for name in asked["add"]]
    return {"bounding": names, "effective": names, "permitted": names}


def mounts(spec, config):
    """The container's own, and those of its volumes."""
    sources = {v["name"]: v["hostPath"]["path"] if "hostPath" in v else config for v in spec["volumes"]}
    out = [{"destination": d, "type": t, "source": s, "options": o} for d, t, s, o in MOUNTS]
    for m in spec["containers"][0]["volumeMounts"]:
        out.append({"destination": m["mountPath"], "type": "bind", "source": sources[m["name"]],
                    "options": ["rbind", "rprivate", "ro" if m.get("readOnly") else "rw"]})
    return out


def environment(container):
    values = {"spec.nodeName": NODE}
    out = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    for v in container["env"]:
        out.append(f"{v['name']}={values[v['valueFrom']['fieldRef']['fieldPath']]}")
    return out


def root_of(e, tree):
    """The tree without what else is mounted in it."""
    root = e.path("root")
    os.mkdir(root)
    e.procs.run(["mount", "--bind", tree, root])
    e.undo.append(lambda: subprocess.run(["umount", "--lazy", root], check=False))
    return root


def bundle(spec, root, entry, config):
    """The runtime's config.json."""
    container = spec["containers"][0]
    asked = container["securityContext"]
    if asked["privileged"] or asked["seccompProfile"]["type"] != "Unconfined":
        raise Failure("the manifest has changed: neither is done here")
    # host pid and host network: the host's; its own are the rest
    shared = {"pid": spec.get("hostPID"), "network": spec.get("hostNetwork")}
    spaces = [{"type": name} for name in ("mount", "ipc", "pid", "network") if not shared.get(name)]
    return {
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": asked["runAsUser"], "gid": 0}, "cwd": "/",
                    "args": entry + container["args"], "env": environment(container),
                    "capabilities": capabilities(asked["capabilities"]),
                    "noNewPrivileges": not asked["allowPrivilegeEscalation"]},
        "root": {"path": root, "readonly": asked["readOnlyRootFilesystem"]},
        "mounts": mounts(spec, config),
        "linux": {"namespaces": spaces, "maskedPaths": MASKED, "readonlyPaths": READONLY},
    }


class Pod:
    """The container, at a free port, where it observes the ports `observed` alone."""

    def __init__(self, e, tree, entry, observed):
        self.spec = yaml.safe_load(read("daemonset.yaml"))["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.port = free_port()
        was = self.container["ports"][0]["containerPort"]
        e.write("config/sonde.yaml", read("sonde.yaml").replace(f":{was}\n", f":{self.port}\n") +
                f"port: {json.dumps(observed)}\n")
        e.write("config.json", json.dumps(bundle(self.spec, root_of(e, tree), entry,
                                                      e.path("config"))))
        self.runc = [tool("runc"), "--root", e.path("runc")]
        self.name, self.procs = f"sonde-test-{os.getpid()}", e.procs
        self.proc = e.procs.start([*self.runc, "run", "--bundle", e.tmp, self.name])
        e.undo.append(lambda: subprocess.run([*self.runc, "delete", "--force", self.name], check=False,
                                             capture_output=True, timeout=30))

    def probed(self, name):
        status, _, _ = get(self.port, self.container[name]["httpGet"]["path"])
        return status == 200

    def wait_ready(self):
        def is_ready():
            if not self.proc.is_running():
                raise Failure(f"the container ended: {self.proc.stderr().strip()[-300:]}")
            return is_listening(self.port) and self.probed("readinessProbe")
        until(is_ready, SECONDS, "readiness")
        for name in ("startupProbe", "livenessProbe"):
            if not self.probed(name):
                raise Failure(f"{name}: not answered with 200")

    def metrics(self):
        return Metrics(get(self.port, "/metrics")[2])

    def counted(self, route):
        """Requests at that route, by the service that answered them."""
        return {service: n for (service, _, r, _, _), n in self.metrics().requests("server").items()
                if r == route}

    def stop(self):
        """As kubelet does."""
        self.procs.run([*self.runc, "kill", self.name, "TERM"])
        if self.proc.wait(self.spec["terminationGracePeriodSeconds"]):
            raise Failure(f"exit code {self.proc.wait(0)}: {self.proc.stderr().strip()[-300:]}")


def bytes_of(text):
    return int(text[:-2]) << {"Mi": 20, "Gi": 30}[text[-2:]]


def counts(e, pod, url):
    """So many requests are so many, from the first that is seen on: its library is watched by then."""
    path = "plain" if url.startswith("http:") else "secret"

    def is_seen():
        e.curl("-k", f"{url}first-{path}")
        return pod.counted(f"/first-{path}")
    until(is_seen, SECONDS, f"request to {url} in the metrics")
    e.curl("-k", *[url + path] * REQUESTS)
    want = {"nginx": REQUESTS}
    try:
        until(lambda: sum(pod.counted("/" + path).values()) >= REQUESTS, SECONDS, "counts")
    except Failure:
        pass  # said below
    if pod.counted("/" + path) != want:
        lost = {k: v for k, v in pod.metrics().lost().items() if v}
        raise Failure(f"{pod.counted('/' + path)} counted, not {want}; lost {lost}")


def stays_below_limit(e, pod):
    limit = bytes_of(pod.container["resources"]["limits"]["memory"])
    m = pod.metrics()
    used = sum(m.of(f"sonde_{kind}_memory_bytes")[0][1] for kind in ("anonymous", "bpf"))
    if not 0 < used < limit / 2:
        raise Failure(f"{used:.0f} bytes of a limit of {limit}")


def has_what_was_asked(e, pod):
    """Rights as the kernel has them, of the process itself."""
    with open(e.procs.run([*pod.runc, "state", pod.name]).out, encoding="utf-8") as f:
        pid = json.load(f)["pid"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    n = len(pod.container["securityContext"]["capabilities"]["add"])
    for name in ("CapPrm", "CapBnd"):
        if bin(int(status[name], 16)).count("1") > n:
            raise Failure(f"{name} {status[name]}: more than the {n} that were asked for")
    if status["NoNewPrivs"] != "1":
        raise Failure("privileges may be gained")


def main():
    tree, *entry = sys.argv[1:]
    failed = 0

    def attempt(name, fn, *args):
        nonlocal failed
        try:
            fn(*args)
            print(f"ok pod: {name}", flush=True)
        except (Failure, KeyError, ValueError, OSError) as problem:
            failed += 1
            print(f"FAIL pod: {name}: {problem!r}", flush=True)

    with place("pod") as e:
        plain, secure = e.nginx(), tls.nginx(e)
        pod = Pod(e, os.path.abspath(tree), entry, [plain.port, secure.port])
        attempt("starts, and its probes answer", pod.wait_ready)
        attempt("has the rights of the manifest alone", has_what_was_asked, e, pod)
        attempt("counts requests outside", counts, e, pod, f"http://127.0.0.1:{plain.port}/")
        attempt("counts them within TLS", counts, e, pod, f"https://127.0.0.1:{secure.port}/")
        attempt("stays below half of its memory", stays_below_limit, e, pod)
        attempt("ends in the time it has", pod.stop)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
