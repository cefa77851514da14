# SPDX-License-Identifier: Apache-2.0
"""
What keeps a server from its CPU, its disk and its socket, in every language: against what the server
measured of itself, as in waits.py.
"""
import os
import statistics

from harness import golang
from harness.case import case
from harness.cgroup import V1
from harness.disk import loop_disk
from harness.env import PROGS, PYTHON, tool
from harness.proc import Failure, free_port
from harness.sonde import Sonde

from .waits import MS, Watched, accounted, check, sleeps_as, slept

LIMIT = 100
BLOCK = 64 * 1024
DISK = 256 * BLOCK  # a block for each request, and some more


def c(e, *args):
    return [e.program("waits"), *args]


def python(e, *args):
    return [PYTHON, os.path.join(PROGS, "waits.py"), *args]


def node(e, *args):
    return [tool("node"), os.path.join(PROGS, "waits.js"), *args]


def go(e, *args):
    return [golang.program(e, "waits"), *args]


LANGUAGES = (c, python, node, go)


def ran(m):
    """A thread that never sleeps has its CPU whenever it does not wait for it."""
    return m["cpu"] if "cpu" in m else m["wall"] - m["delay"]


def accounts(language, pairs):
    """
    Those of which both sides know all: in Go as long as the goroutine stayed on its thread. Its
    thread's accounts are always said to be shared, for others may run there.
    """
    known = [(m, t) for m, t in pairs if m.get("stayed", True) and t["waits_ns"]["cpu"] is not None]
    if len(known) < len(pairs) // 2:
        raise Failure(f"of {len(pairs)} requests only {len(known)} stayed on their thread")
    wrong = [t for _, t in known if t["shared"] != (language is go)]
    if wrong:
        raise Failure(f"{len(wrong)} of {len(known)} are not said to be shared as they are: {wrong[0]}")
    return known


def on_cpu(language, pairs):
    known = accounts(language, pairs)
    if language in (c, python):
        known = accounted(known)
    check(known, f"{language.__name__}: run queue",
          lambda w, _: w["runqueue"] + w["throttled"], lambda m: m["delay"])
    check(known, f"{language.__name__}: cpu", lambda w, _: w["cpu"], ran)
    return known


@case(group=None, limit=LIMIT)
def waits_when_read_late(e):
    """
    The request was there for 20 ms, and nobody read it. That is in no kernel's account: it was not
    there before its client began to send it, and was read when the server had come back to its socket.
    """
    late = {c: ("-", "-", 1), python: ("-",), node: ("-",), go: ("-", "late")}
    ports = {language: free_port() for language in LANGUAGES}
    for language, port in ports.items():
        e.serve(language(e, port, *late[language]), port)
    w = Watched(e, *ports.values())
    for language, pairs in zip(LANGUAGES, w.ask_all("/late", ports.values())):
        if e.tier == "syscall":  # nobody says there when bytes arrive
            if any(t["waits_ns"]["receive_queue"] is not None for _, t in pairs):
                raise Failure("a wait is told that cannot be known")
            continue
        least = [m["from"] - m["sent"] for m, _ in pairs]
        off = [(m, t["waits_ns"]) for m, t in pairs
               if not min(m["from"] - m["sent"] - MS, m["till"] - m["sent"])
               <= t["waits_ns"]["receive_queue"] <= m["till"] - m["sent"]]
        if len(off) > len(pairs) // 50:
            raise Failure(f"{language.__name__}: {len(off)} of {len(pairs)} are off: {off[0]}")
        if statistics.median(least) < 10 * MS:
            raise Failure(f"{language.__name__} read most of its requests at once")


@case(group=None, limit=LIMIT)
def waits_beside_spinners(e):
    """Two others on its CPU, and the servers in the other languages: each is ready, and waits its turn."""
    ports = {language: free_port() for language in LANGUAGES}
    for language, port in ports.items():
        e.serve([tool("taskset"), "-c", "0", *language(e, port, "-")], port)
    for _ in range(2):
        e.procs.start([tool("taskset"), "-c", "0", PYTHON, "-c", "while True: pass"])
    w = Watched(e, *ports.values())
    for language, pairs in zip(LANGUAGES, w.ask_all("/burn", ports.values())):
        known = on_cpu(language, pairs)
        waited = sum(t["waits_ns"]["runqueue"] for _, t in known)
        if waited < len(known) * 20 * MS:
            raise Failure(f"{language.__name__} waited {waited} ns for its CPU, beside two that are busy")


class Quota:
    """Half a CPU. Nobody but its quota keeps the group from its CPU."""

    def __init__(self, e, language):
        self.group = V1("cpu", f"sonde-{language.__name__}-{os.getpid()}", e)
        self.group.write("cpu.shares", 262144)
        self.group.write("cpu.cfs_period_us", 40000)
        self.group.write("cpu.cfs_quota_us", 20000)

    def throttled(self):
        return self.group.stat("cpu.stat")["throttled_time"]


def under_a_quota(e, cpus):
    """cpus: CPU -> language; each server has one for itself."""
    groups, ports = [], []
    for cpu, language in cpus.items():
        ports.append(free_port())
        server = e.serve([tool("taskset"), "-c", cpu, *language(e, ports[-1], "-")], ports[-1])
        groups.append(Quota(e, language))
        groups[-1].group.write("cgroup.procs", server.pid)
    w = Watched(e, *ports)
    run = Sonde(e, "run", "--port", ",".join(map(str, ports))).wait_ready()
    before = [g.throttled() for g in groups]
    of_all = 0
    for language, pairs, group, was in zip(cpus.values(), w.ask_all("/burn", ports), groups, before):
        name, throttled = language.__name__, group.throttled() - was
        of_all += throttled
        known = on_cpu(language, pairs)
        told, unread = (sum(t["waits_ns"][part] or 0 for _, t in pairs)
                        for part in ("throttled", "receive_queue"))
        e.figures[name] = [ns / MS for ns in (told, unread, throttled)]
        if throttled < 200 * MS:
            raise Failure(f"a quota that kept {name} from its CPU for {throttled / MS:.1f} ms shows nothing")
        # where it had just answered, it is the next request that was not read, if anybody says so
        whole = told + unread if e.tier != "syscall" else throttled
        if whole < 0.95 * throttled or not 0.8 * throttled <= told <= 1.05 * throttled:
            raise Failure(f"{name}: throttled for {told / MS:.1f} ms, by the group's own account for "
                          f"{throttled / MS:.1f} ms; {unread / MS:.1f} ms unread")
    exported = sum(v for _, v in run.settled_metrics().of("sonde_cpu_throttled_seconds_total")) * 1e9
    if not 0.95 * of_all <= exported <= 1.05 * of_all:
        raise Failure(f"exported are {exported / MS:.1f} ms of being throttled, of {of_all / MS:.1f} ms")
    run.end()


@case(group=None, limit=LIMIT)
def waits_under_a_quota(e):
    """Half a CPU: what its group's quota kept it from is told from what others did."""
    under_a_quota(e, {0: c, 1: python})
    under_a_quota(e, {0: node, 1: go})


def slow_disk(e, group):
    """A loop device that gives the group 64 KiB in 20 ms."""
    device = loop_disk(e, DISK)
    number = os.stat(device).st_rdev
    group.write("blkio.throttle.read_bps_device",
                f"{os.major(number)}:{os.minor(number)} {BLOCK * 50}")
    return device


def waits_enough(name, pairs):
    """A disk that nobody asked for a while gives some at once."""
    waited = sum(t["waits_ns"]["blocked"] for _, t in pairs) / len(pairs)
    if waited < 5 * MS:
        raise Failure(f"{name}: {waited / MS:.1f} ms for each read of a slow disk")


@case(group=None, limit=LIMIT)
def waits_for_a_slow_disk(e):
    """In Node as it reads in its thread itself; what it reads in others is none of that thread's waits."""
    ports = {language: free_port() for language in LANGUAGES}
    for language, port in ports.items():
        group = V1("blkio", f"sonde-{language.__name__}-{os.getpid()}", e)
        device = slow_disk(e, group)
        more = {c: (device, "-"), node: ("-", device, DISK)}.get(language, ("-", device))
        server = e.serve(language(e, port, *more), port)
        group.write("cgroup.procs", server.pid)
    w = Watched(e, *ports.values())
    runs = {language: Sonde(e, "run", "--port", ports[language]).wait_ready() for language in (c, python)}
    for language, pairs in zip(LANGUAGES, w.ask_all("/disk", ports.values())):
        name, known = language.__name__, accounts(language, pairs)
        stood = (lambda m: m["stood"]) if language is node else slept
        check(known, f"{name}: blocked", lambda w, _: w["blocked"], stood)
        if language is not go:  # of others on its thread, too
            check(known, f"{name}: on disk", lambda _, on: on["disk"], stood)
        waits_enough(name, known)
        e.figures[name] = f"{len(known)} of {len(pairs)} known"
    # and by process
    waited = {language: sum(slept(m) for m in w.measured[str(ports[language])]) for language in runs}
    for language, run in runs.items():
        sleeps_as(run.settled_metrics(), disk=waited[language])
    pairs = w.ask_all("/fault", [ports[c]])[0]
    check(pairs, "on page faults", lambda _, on: on["fault"], slept)
    waits_enough("pages", pairs)
    whole = sum(slept(m) for m in w.measured[str(ports[c])])
    sleeps_as(runs[c].settled_metrics(), disk=waited[c], fault=whole - waited[c])
    for run in runs.values():
        run.end()
