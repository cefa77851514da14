#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
test_demo.py SONDE [FAULT...]: the demonstration as people run it, on ports of its own and observing
itself alone. A load is counted to the request; each fault is seen, and where nothing is put in place
none of them is; what is killed is started again; at the end nothing is left, of processes, files,
cgroups and rules.
"""
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DEMO = os.path.join(TOP, "deploy", "demo", "demo.py")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
sys.path.insert(0, os.path.dirname(DEMO))

from harness.cgroup import Cgroup  # noqa: E402
from harness.proc import Failure, is_listening, until  # noqa: E402
from shop import NAMES, state, state_path  # noqa: E402

FAULTS = ("slow-database", "errors", "cpu-hog", "memory-hog", "out-of-memory", "memory-pressure",
          "lock", "table-lock", "kill", "stall", "delay", "loss")
# what the neighbours on a busy host do to us, memory and processors, is seen without our doing
AMBIENT = ("memory-pressure",)
failed = 0


def say(name, problem=None):
    global failed
    failed += bool(problem)
    print(f"FAIL {name}: {problem}" if problem else f"ok {name}", flush=True)


def free_base():
    while True:
        base = random.randrange(24000, 31000)
        if not any(is_listening(base + n) for n in range(len(NAMES))):
            return base


def demo(command, base, *more, limit_s=60):
    p = subprocess.run([DEMO, command, "--port", str(base), *more], capture_output=True, text=True,
                       timeout=limit_s, check=False)
    return p.returncode, p.stdout + p.stderr


def one_line(text):
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())


def processes_of(folder):
    out = []
    for path in glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.readlink(path).startswith(folder):
                out.append(path)
        except OSError:
            pass
    return out


def left_over(base, folder):
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False,
                           env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"}).stdout
    return [*processes_of(folder), *glob.glob(folder), *glob.glob(state_path(base) + "*"),
            *glob.glob("/sys/fs/cgroup/memory/sonde-demo-*"), *glob.glob("/sys/fs/cgroup/sonde-demo-*"),
            *(line for line in rules.splitlines() if f"sonde_demo_{base}" in line),
            *(f"port {base + n}" for n in range(len(NAMES)) if is_listening(base + n))]


def start(base, sonde, stock, cgroup, log):
    p = subprocess.Popen([DEMO, "up", "--port", str(base), "--sonde", sonde, "--stock", stock, "--",
                          "--cgroup", cgroup.glob], stdout=log, stderr=log, start_new_session=True)

    def is_open():
        if p.poll() is not None:
            raise Failure(f"it ended with {p.returncode}")
        told = state(base)
        return told and "visitors" in told["pids"]
    until(is_open, 60, "open shop")
    time.sleep(3)
    return p


def try_faults(base, faults):
    for name in faults:
        code, said = demo("chaos", base, "--fault", name)
        say(f"{name} is seen", None if code == 0 else one_line(said))
    code, said = demo("chaos", base, "--dry", "--seconds", "4", "--fault", "all")
    missed = said.rpartition("not shown: ")[2].split("\n")[0].split(", ")
    for name in faults:
        if name not in AMBIENT:
            say(f"{name} is not seen where it is not",
                None if code == 1 and name in missed else one_line(said))


def run(base, top, sonde, faults, cgroup):
    stock = os.path.join(os.path.dirname(sonde), "demo", "stock")
    subprocess.run(["make", "-s", "-C", TOP, f"O={os.path.dirname(sonde)}", stock], check=True, timeout=120,
                   stdout=subprocess.DEVNULL)
    with open(os.path.join(top, "log"), "w", encoding="utf-8") as log:
        p = start(base, sonde, stock, cgroup, log)
    try:
        folder = state(base)["dir"]
        for profile in ("steady", "ramp", "spike"):
            code, said = demo("load", base, "--profile", profile, "--seconds", "4")
            say(f"{profile} load is counted to the request", None if code == 0 else one_line(said))
        code, said = demo("chaos", base, "--fault", "nothing")
        say("a fault that is not known is refused", None if code == 1 and "demo: no fault" in said else said)
        try_faults(base, faults)
        os.killpg(p.pid, signal.SIGINT)
        say("Ctrl-C ends it", None if p.wait(15) == 0 else f"exit {p.returncode}")
        left = left_over(base, folder)
        say("nothing is left", ", ".join(left) if left else None)
    finally:
        if p.poll() is None:
            p.terminate()
            p.wait(20)
        if failed:
            with open(os.path.join(top, "log"), encoding="utf-8") as log:
                print(log.read()[-2000:])


def main():
    sonde, faults = os.path.abspath(sys.argv[1]), sys.argv[2:] or FAULTS
    top, base = os.path.join("/run", f"sonde-test-demo-{os.getpid()}"), free_base()
    os.mkdir(top)
    cgroup = Cgroup(f"sonde-test-demo-{os.getpid()}")
    try:
        cgroup.add(os.getpid())
        run(base, top, sonde, faults, cgroup)
    except Failure as e:
        say("demo", str(e))
    finally:
        cgroup.close()
        shutil.rmtree(top)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
