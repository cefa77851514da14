#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The end-to-end suite: real servers and clients, what sonde says compared for equality with what they
say. As root: tests/e2e/run.py [--tier socket|syscall] [--sonde FILE] [--dry] [case globs]
"""
import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness.case import CASES, Runner, bounded  # noqa: E402
from harness.cgroup import Cgroup  # noqa: E402
from harness.shared import CHECKS, Shared  # noqa: E402

ORDER = ("plain", "framing", "connections", "processes", "operations", "failures", "latency", "waits",
         "hindered", "http2", "bulk", "grpc", "rust", "load", "postgres", "mysql", "redis", "memcached", "dns",
         "udp", "lives",
         "churn", "full", "namespaces", "resolved", "identity", "services", "filters", "api", "fields", "badinput", "checks",
         "rights", "captures", "traces",
         "causes", "propagate", "inflight", "host", "usage", "pressure", "disk", "tcp", "tls", "unseen", "tlsh2", "tlsfiles",
         "otlp", "scrapes", "go")


# what does not depend on how operations are captured, and why: run in the best tier alone
TIERLESS = {
    "api": "asks for what became of transactions, whoever made them",
    "badinput": "ends before anything is captured, or asks what this kernel has",
    "captures": "replays packets: nothing is observed",
    "checks": "asks what became of bytes, whoever saw them",
    "disk": "reads what block devices did",
    "full": "fills tables of processes and threads, one program in both tiers",
    "host": "reads /proc and /sys",
    "otlp": "sends on what became of transactions, whoever made them",
    "scrapes": "asks for what became of transactions, whoever made them",
    "pressure": "reads what the kernel says of control groups",
    "services": "asks for names, however connections are observed",
    "usage": "reads /proc, and the exits of processes, one program in both tiers",
}


# what judges where time went, or how much of it, to the millisecond
TIMES = ("waits", "hindered", "usage", "pressure", "inflight", "disk")


def load_cases(tier, times=None):
    """The modules; times: with those that judge times ("only") or without ("no")."""
    found = {name[:-3] for name in os.listdir(os.path.join(HERE, "cases")) if name.endswith(".py")}
    left_out = found - set(ORDER) - {"__init__"}
    if left_out:
        sys.exit(f"run.py: no place in the order for {', '.join(sorted(left_out))}")
    chosen = [name for name in ORDER if name in found
              and not (tier == "syscall" and name in TIERLESS)
              and times in (None, "only" if name in TIMES else "no")]
    modules = [importlib.import_module("cases." + name) for name in chosen]
    # some import others
    CASES[:] = [c for c in CASES if c.fn.__module__ in {m.__name__ for m in modules}]
    return modules


def build(top):
    """Compiles progs/*.c; name -> path. One that does not build fails the cases that need it."""
    built = {}
    folder = os.path.join(HERE, "progs")
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".c"):
            continue
        stem = name[:-2]
        out = os.path.join(top, stem)
        # what is to start and end a thousand times a second has no libraries to load
        libs = {"uring": ["-luring"], "brief": ["-static"],
                "ownssl": ["-l:libssl.a", "-l:libcrypto.a"],
                "keeps": ["-lssl", "-lcrypto"], "unseen": ["-lssl", "-lcrypto"]}.get(stem, [])
        command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra",
                   os.path.join(folder, name), "-o", out, "-pthread", *libs]
        if subprocess.run(command, timeout=60, check=False).returncode == 0:
            built[stem] = out
    return built


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--tier", choices=("socket", "syscall"))
    p.add_argument("--sonde", default=os.path.join(HERE, "..", "..", "build", "sonde"))
    p.add_argument("--dry", action="store_true", help="the loads alone, without sonde")
    p.add_argument("--keep", action="store_true", help="keep the files of the run")
    p.add_argument("--soak", action="store_true", help="the long forms of the cases that have one")
    p.add_argument("--figures", help="append what the cases measured to this file, as JSON lines")
    p.add_argument("--isolate", action="store_true",
                   help="observe only our own processes, on a host where others load")
    p.add_argument("--times", choices=("no", "only"),
                   help="without the cases that judge times, or these alone")
    p.add_argument("--build", action="store_true",
                   help="compile and fetch what cases in Go, Rust and Node need, and run none")
    p.add_argument("--list", action="store_true", help="print the names of the cases")
    p.add_argument("globs", nargs="*")
    return p.parse_args()


def build_beforehand(runner, modules):
    """Into caches that outlive the run: what takes long to compile or to fetch."""
    env = runner.env("build")
    for m in modules:
        if hasattr(m, "build"):
            runner.report("build of " + m.__name__, bounded(m.build, 400, env)[1])
    env.close()


def execute(runner, dry):
    chosen = [c for c in CASES if runner.runs(c)]
    shared = [c for c in chosen if c.group == "shared"]
    if not shared and any(runner.wants(name) for name in CHECKS):
        shared = [c for c in CASES if c.group == "shared"]
    if dry:
        runner.dry(shared)
        return
    if shared:
        Shared(runner, shared).run_all()
    for c in chosen:
        if c.group != "shared":
            runner.alone(c)


def main():
    args = arguments()
    modules = load_cases(args.tier, args.times)
    if args.list:
        print("\n".join([*(c.name for c in CASES), *CHECKS]))
        return 0
    top = tempfile.mkdtemp(prefix="sonde-e2e-")
    os.chmod(top, 0o755)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cgroup = Cgroup(f"sonde-e2e-{os.getpid()}") if args.isolate else None
    try:
        if cgroup:
            cgroup.add(os.getpid())
        # a copy that everyone may execute: replay runs without rights
        sonde = os.path.join(top, "sonde")
        if not args.dry:
            shutil.copy(args.sonde, sonde)
        runner = Runner(top, sonde, args.tier, build(top), args.globs, args.soak, args.figures,
                        cgroup)

        def ended(*_):
            runner.ended()
            sys.exit(143)
        signal.signal(signal.SIGTERM, ended)
        try:
            if args.build:
                build_beforehand(runner, modules)
            else:
                execute(runner, args.dry)
        finally:
            for c in CASES:
                if c.env:
                    c.env.close()
    finally:
        if cgroup:
            cgroup.close()
        if args.keep:
            print(f"files are in {top}")
        else:
            shutil.rmtree(top, ignore_errors=True)
    print(f"{runner.passed} passed, {runner.failed} failed")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())
