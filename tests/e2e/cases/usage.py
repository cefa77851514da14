# SPDX-License-Identifier: Apache-2.0
"""What processes use up: as the kernel's own accounts say, while they live and when they have ended."""
import os
import signal
import time
from collections import Counter

from harness.case import case
from harness.cgroup import group, into
from harness.env import quiet, tool
from harness.proc import Failure, until
from harness.sonde import Sonde

BURN = """
import os, sys, threading, time
end = time.monotonic() + float(sys.argv[1])
def burn():
    while time.monotonic() < end: pass
for n in range(int(sys.argv[3])): # that they burn on does not keep the process
    threading.Thread(target=lambda: [burn(), time.sleep(1000)], daemon=True).start()
burn()
with open(sys.argv[2], "wb") as f:
    f.write(b"x" * (8 << 20)); f.flush(); os.fsync(f.fileno())
os._exit(7)
"""

WORK = """
import os, sys, threading, time
held = [open("/dev/null") for _ in range(20)]
def yield_now_and_then():
    while True: time.sleep(0.01)
threading.Thread(target=yield_now_and_then, daemon=True).start()
block = bytearray(64 << 20)
for i in range(0, len(block), 4096): block[i] = 1
out = open(sys.argv[1], "wb")
while True:
    end = time.monotonic() + 0.05
    while time.monotonic() < end: os.stat("/") if time.monotonic() < end - 0.02 else None
    out.write(b"x" * 65536); out.flush(); os.fsync(out.fileno())
    time.sleep(0.05)
"""


def value(m, name, **labels):
    found = [v for have, v in m.of(name) if all(have.get(k) == x for k, x in labels.items())]
    if len(found) != 1:
        raise Failure(f"{len(found)} series {name} {labels}")
    return found[0]


def close(what, got, truth, slack):
    if abs(got - truth) > max(slack, 0.01 * truth):
        raise Failure(f"{what}: {got}, in truth {truth}")


@case(group=None, limit=60)
def usage_of_processes_that_end(e):
    """CPU and disk of each run are in its service's sums, whether a walk met it or not, of all its
    threads, whichever the kernel ends last, and once, though nobody waits for it yet."""
    script = e.write("burnt.py", BURN)
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    quiet(1.5)  # what is older than sonde is known
    cpu = written = 0
    runs = ((0.3, 0), (2.0, 0), (6.5, 0), (0.5, 1), (0.5, 7))

    def burn(n, seconds, threads):
        pid = os.spawnv(os.P_NOWAIT, "/usr/bin/python3",
                        ["python3", script, str(seconds), e.path(f"out{n}"), str(threads)])
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return pid
    for pid in [burn(n, *run) for n, run in enumerate(runs)]:
        _, status, used = os.wait4(pid, 0)
        if os.waitstatus_to_exitcode(status) != 7:
            raise Failure(f"the burner ended with {status}")
        cpu += used.ru_utime + used.ru_stime
        written += used.ru_oublock * 512
    who = {"service_name": "burnt"}

    def all_told():
        return sum(v for labels, v in s.metrics().of("sonde_process_exits_total")
                   if labels["service_name"] == "burnt")
    until(lambda: all_told() >= len(runs), 5, "ends of the burners")
    quiet(1.2)
    m = s.metrics()
    told = sum(v for labels, v in m.of("sonde_service_cpu_seconds_total")
               if labels["service_name"] == "burnt")
    e.figures.update(cpu=cpu, told=told)
    # getrusage says whole microseconds, user and system; it is asked before the last has left its CPU
    if told < cpu - len(runs) * 2e-6:
        raise Failure(f"CPU: {told}, by getrusage {cpu}")
    close("CPU", told, cpu, 0.02)
    close("bytes written", value(m, "sonde_service_disk_io_bytes_total", disk_io_direction="write", **who),
          written, 65536)
    ended = value(m, "sonde_process_exits_total", reason="exit", code="7", **who)
    if ended != len(runs):
        raise Failure(f"{ended} ended, not {len(runs)}")
    s.end()


def words(path):
    with open(path, encoding="ascii") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f
                if ":" in line and line.split()[1:] and line.split()[1].isdigit()}


def truth_of(pid):
    """What /proc says of a process that stands still; metric and what it distinguishes -> value."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        field = f.read().rsplit(") ", 1)[1].split()
    tick, io, status = os.sysconf("SC_CLK_TCK"), words(f"/proc/{pid}/io"), words(f"/proc/{pid}/status")
    tasks = [words(f"/proc/{pid}/task/{t}/status") for t in os.listdir(f"/proc/{pid}/task")]
    return {
        ("process_cpu_time_seconds_total", "user"): int(field[11]) / tick,
        ("process_cpu_time_seconds_total", "system"): int(field[12]) / tick,
        ("process_paging_faults_total", "minor"): int(field[7]),
        ("process_paging_faults_total", "major"): int(field[9]),
        ("process_context_switches_total", "voluntary"):
            sum(t["voluntary_ctxt_switches"] for t in tasks),
        ("process_context_switches_total", "involuntary"):
            sum(t["nonvoluntary_ctxt_switches"] for t in tasks),
        ("process_disk_io_bytes_total", "read"): io["read_bytes"],
        ("process_disk_io_bytes_total", "write"): io["write_bytes"],
        ("process_memory_usage_bytes", None): int(field[21]) * os.sysconf("SC_PAGESIZE"),
        ("process_memory_virtual_bytes", None): int(field[20]),
        ("sonde_process_memory_swap_bytes", None): status.get("VmSwap", 0) * 1024,
        ("process_thread_count", None): int(field[17]),
        ("process_unix_file_descriptor_count", None): len(os.listdir(f"/proc/{pid}/fd")),
    }


KINDS = {"process_cpu_time_seconds_total": "cpu_mode",
         "process_paging_faults_total": "system_paging_fault_type",
         "process_context_switches_total": "process_context_switch_type",
         "process_disk_io_bytes_total": "disk_io_direction"}


def told_of(m, pid, names):
    return {(name, labels.get(KINDS.get(name))): v for name in names
            for labels, v in m.of(name) if labels.get("process_pid") == str(pid)}


@case(group=None, limit=60)
def usage_of_a_process_that_lives(e):
    """Stopped in the middle of its work, so that both can be read: each figure is what /proc says."""
    script = e.write("worker.py", WORK)
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    p = e.procs.start(["/usr/bin/python3", script, e.path("out")])

    def met():
        return any(labels.get("process_pid") == str(p.pid)
                   for labels, _ in s.metrics().of("process_thread_count"))
    quiet(2)
    until(met, 12, "series of the worker")
    os.kill(p.pid, signal.SIGSTOP)
    until(lambda: os.waitid(os.P_PID, p.pid, os.WSTOPPED | os.WNOWAIT), 2, "its stop")
    truth = truth_of(p.pid)
    names = {name for name, _ in truth}

    def off():
        told = told_of(s.metrics(), p.pid, names)
        return {key: (told.get(key), v) for key, v in truth.items()
                if abs(told.get(key, -1) - v) > 0.01 * v}
    until(lambda: not off(), 15, f"figures as /proc has them; off by {off()}")
    e.figures.update(cpu=truth["process_cpu_time_seconds_total", "user"],
                     switches=truth["process_context_switches_total", "voluntary"])
    if min(truth["process_cpu_time_seconds_total", "user"],
           truth["process_cpu_time_seconds_total", "system"]) < 0.05:
        raise Failure(f"it did not work enough to tell: {truth}")
    m = s.metrics()
    memory = value(m, "sonde_service_memory_bytes", service_name="worker")
    close("memory of the service", memory, truth["process_memory_usage_bytes", None], 0)
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        began = int(f.read().rsplit(") ", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")

    def uptime_off():
        born = time.clock_gettime(time.CLOCK_BOOTTIME) - began
        return value(s.metrics(), "process_uptime_seconds", process_pid=str(p.pid)) - born
    # a busy host is late to look
    until(lambda: -1 <= uptime_off() <= 0.1, 5, f"uptime; off by {uptime_off()} s")
    # killed, and started again: an end by signal, a restart
    os.kill(p.pid, signal.SIGKILL)
    p.wait(3)
    e.procs.start(["/usr/bin/python3", script, e.path("out")])

    def restarted():
        return [v for labels, v in s.metrics().of("sonde_service_restarts_total")
                if labels["service_name"] == "worker"] == [1]
    until(restarted, 12, "restart of the worker")
    m = s.metrics()
    ended = value(m, "sonde_process_exits_total", service_name="worker", reason="signal", code="9")
    if ended != 1:
        raise Failure(f"{ended} ended by signal 9")
    s.end()


OF_PROCESSES = ("process_cpu_time_seconds_total", "process_memory_usage_bytes",
                "process_memory_virtual_bytes", "sonde_process_memory_swap_bytes",
                "process_disk_io_bytes_total", "process_paging_faults_total",
                "process_context_switches_total", "process_thread_count",
                "process_unix_file_descriptor_count", "process_uptime_seconds")


@case(group=None, limit=60)
def usage_of_the_busiest(e):
    """Of eight three have series of their own, those that work most; the rest are counted, and the
    sums of the service are of all."""
    s = Sonde(e, "run", "--comm", "busy", "--max-processes", "3").wait_ready()
    until(lambda: s.metrics().of("sonde_processes_without_series"), 10, "first walk")
    all_ = [e.procs.start([e.program("busy")]) for _ in range(8)]
    busiest = all_[5:]  # no order of their numbers makes the last ones the first

    def told(m):
        return ([{int(labels["process_pid"]) for labels, _ in m.of(name)} for name in OF_PROCESSES],
                value(m, "sonde_processes_without_series"))
    want = [{p.pid for p in busiest}] * len(OF_PROCESSES), len(all_) - len(busiest)
    for p in busiest:
        until(p.stdout, 5, "word that it can be told to work")
        p.signal(signal.SIGUSR1)
    until(lambda: told(s.metrics()) == want, 30, "series of the busiest alone")
    for p in all_:  # so that nothing of theirs changes any more
        os.kill(p.pid, signal.SIGSTOP)
        until(lambda p=p: os.waitid(os.P_PID, p.pid, os.WSTOPPED | os.WNOWAIT), 2, "its stop")
    truth = Counter()
    for p in all_:
        truth.update(truth_of(p.pid))

    def off():
        m = s.metrics()
        sums = {("process_cpu_time_seconds_total", mode): value(
            m, "sonde_service_cpu_seconds_total", service_name="busy", cpu_mode=mode)
                for mode in ("user", "system")}
        sums["process_memory_usage_bytes", None] = value(
            m, "sonde_service_memory_bytes", service_name="busy")
        return {key: (v, truth[key]) for key, v in sums.items() if abs(v - truth[key]) > 1e-6}
    until(lambda: not off(), 15, f"sums of all; off by {off()}")
    if told(s.metrics()) != want:
        raise Failure(f"at rest others are told: {told(s.metrics())}")
    for p in all_:  # stopped ones end by nothing less
        p.signal(signal.SIGKILL)
    s.end()


REAPER = """
import ctypes, os, sys, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
def write():
    with open(sys.argv[1] + str(os.getpid()), "wb") as f:
        f.write(b"x" * (4 << 20)); f.flush(); os.fsync(f.fileno())
    os._exit(0)
def parent(ends_first):
    if os.fork():
        if not ends_first: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        os._exit(0)
    while ends_first and os.getppid() != reaper: time.sleep(0.01)
    write()
reaper = os.getpid()
for ends_first in True, False:
    if not os.fork(): parent(ends_first)
for _ in range(4): os.wait()
open(sys.argv[2], "w").close()
time.sleep(1000)
"""


@case(group=None, limit=60)
def usage_of_orphans(e):
    """Another than their parent waits for them, and the kernel adds to its figures what they wrote: it
    counts once, whether they ended after their parent or before."""
    s, done = Sonde(e, "run", "--comm", "python3*").wait_ready(), e.path("done")
    quiet(1.5)
    p = e.procs.start(["/usr/bin/python3", e.write("reaper.py", REAPER), e.path("out"), done])
    until(lambda: os.path.exists(done), 15, "end of the orphans")
    of_reaper = words(f"/proc/{p.pid}/io")["write_bytes"]
    if of_reaper < 8 << 20:
        raise Failure(f"the reaper's own figure is {of_reaper}: not what its orphans wrote")

    def walked():  # what was in its figures at a walk counts at the next one
        return [v for labels, v in s.metrics().of("process_disk_io_bytes_total")
                if labels["process_pid"] == str(p.pid) and labels["disk_io_direction"] == "write"]
    until(lambda: walked() == [of_reaper], 12, "walk that finds the reaper")
    quiet(6)
    close("bytes written", value(s.metrics(), "sonde_service_disk_io_bytes_total",
                                 service_name="reaper", disk_io_direction="write"), of_reaper, 0)
    s.end()


CROWD = """
import os, sys, threading, time
for n in range(int(sys.argv[1])):
    ready, begun = os.pipe()
    pid = os.fork()
    if not pid:
        threading.Thread(target=lambda: time.sleep(1000), daemon=True).start()
        os.write(begun, b".")
        while True: pass
    os.read(ready, 1)
    os.close(ready), os.close(begun)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


@case(group=None, limit=60)
def usage_of_threads_that_end_at_once(e):
    """All threads of a process are killed at one moment, on every processor: it ended once."""
    script = e.write("crowd.py", CROWD)
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    e.procs.start(["/usr/bin/python3", script, "400"]).wait(40)

    def ends():
        return [(labels["reason"], v) for labels, v in s.metrics().of("sonde_process_exits_total")
                if labels["service_name"] == "crowd"]
    until(lambda: sum(v for _, v in ends()) >= 401, 5, "ends of the crowd")
    quiet(1.2)
    if sorted(ends()) != [("exit", 1), ("signal", 400)]:
        raise Failure(f"ended: {ends()}")
    s.end()


@case(group=None, limit=60, soak_limit=150)
def usage_of_a_crowd(e):
    """
    stress-ng's workers: the CPU of their service is what getrusage, their control group and stress-ng
    itself say. What they wrote counts once, though the kernel adds it to their parent's too.
    """
    seconds = e.amount(4, 30)
    folder, said = group(e, f"sonde-usage-{os.getpid()}"), e.path("said.yaml")
    s = Sonde(e, "run", "--comm", "stress-ng*").wait_ready()
    quiet(1.5)
    argv = [*into(folder), tool("stress-ng"), "--cpu", "1", "--switch", "1",
            "--hdd", "1", "--hdd-bytes", "8M", "--hdd-opts", "fsync", "--temp-path", e.tmp,
            "--timeout", str(seconds), "--metrics", "--yaml", said]
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        out = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), fd) for fd in (1, 2)]
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=out)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise Failure(f"stress-ng ended with {status}")
    with open(said, encoding="ascii") as f:
        own = sum(float(line.split()[1]) for line in f
                  if line.split()[:1] in (["user-time:"], ["system-time:"]))
    with open(os.path.join(folder, "cpu.stat"), encoding="ascii") as f:
        of_group = int(f.readline().split()[1]) / 1e6
    by_rusage = used.ru_utime + used.ru_stime

    def cpu(mode=""):
        return sum(v for labels, v in s.metrics().of("sonde_service_cpu_seconds_total")
                   if labels["service_name"] == "stress-ng" and mode in labels["cpu_mode"])
    until(lambda: cpu() >= 0.99 * by_rusage, 5, f"the end of all; {cpu()} of {by_rusage} s are told")
    quiet(1.2)
    told = cpu()
    e.figures.update(told=told, getrusage=by_rusage, cgroup=of_group, stress_ng=own)
    close("CPU by getrusage", told, by_rusage, 0.02)
    close("CPU by its control group", told, of_group, 0.02)
    close("CPU by stress-ng, of its workers alone", told, own, 0.05)
    # both are estimates, by clock ticks
    close("of it in user mode", cpu("user"), used.ru_utime, e.amount(0.03, 0.01) * by_rusage)
    written = value(s.metrics(), "sonde_service_disk_io_bytes_total", service_name="stress-ng",
                    disk_io_direction="write")
    close("bytes written", written, used.ru_oublock * 512, 65536)
    s.end()


EAT = """
import time
time.sleep(1)
held = []
while True: held.append(bytearray(1 << 20))
"""


def memory_cgroup(name, limit):
    """A cgroup with so much memory, v1 or v2; its folder."""
    for root, limit_file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                             ("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/unified", "memory.max")):
        folder = os.path.join(root, name)
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with open(os.path.join(folder, limit_file), "w", encoding="ascii") as f:
                f.write(str(limit))
            return folder
        except OSError:
            os.rmdir(folder)
    raise Failure("no cgroup here limits memory")


READ = """
import ctypes, os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # pressure is an average over processors
ctypes.CDLL(None).mlockall(1)  # what it would have to read again is pressure, too
with open(sys.argv[1], "rb", buffering=0) as f:
    while not os.path.exists(sys.argv[2]):
        f.seek(0)
        while f.read(1 << 20): pass
open(sys.argv[3], "w").close()
time.sleep(1000)
"""


@case(group=None, limit=60)
def usage_of_a_group_short_of_memory(e):
    """It reads a file larger than its group may hold: it stands still for as long as the kernel's own
    account of pressure says, that it makes room."""
    small = memory_cgroup(f"sonde-reclaim-{os.getpid()}", 32 << 20)
    e.undo.append(lambda: os.rmdir(small))
    # the unified hierarchy's, which tells of pressure: it may be the one that limits memory
    is_unified = os.path.exists(os.path.join(small, "memory.pressure"))
    folder = small if is_unified else group(e, f"sonde-reclaim-{os.getpid()}")
    big, enough, done = e.path("big"), e.path("enough"), e.path("done")
    with open(big, "wb") as f:
        f.truncate(1 << 30)

    def pressure():
        with open(os.path.join(folder, "memory.pressure"), encoding="ascii") as f:
            return int(f.readline().rsplit("=", 1)[1]) / 1e6
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    argv = [e.write("reader.py", READ), big, enough, done]
    enter = f'echo $$ > {small}/cgroup.procs; exec "$@"'
    p = e.procs.start([*into(folder), "/bin/sh", "-c", enter, "sh", "/usr/bin/python3", *argv])
    until(lambda: pressure() >= e.amount(0.3, 1), 40, "pressure that is enough to tell")
    open(enough, "w").close()
    until(lambda: os.path.exists(done), 10, "end of the reading")
    quiet(1.2)
    truth = pressure()
    told = value(s.metrics(), "sonde_memory_reclaim_seconds_total", service_name="reader")
    e.figures.update(told=told, pressure=truth)
    close("time of making room", told, truth, max(0.1 * truth, 0.03))
    p.stop()
    s.end()


@case(group=None)
def usage_of_a_process_killed_for_memory(e):
    """Counted once, with its service, as what it was."""
    folder = memory_cgroup(f"sonde-oom-{os.getpid()}", 64 << 20)
    e.undo.append(lambda: os.rmdir(folder))
    script = e.write("eater.py", EAT)
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    p = e.procs.start(["/usr/bin/python3", script])
    with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as f:
        f.write(str(p.pid))
    if p.wait(15) != -signal.SIGKILL:
        raise Failure("it was not killed")

    def killed_so():
        return {labels["service_name"]: v for labels, v in s.metrics().of("sonde_oom_kills_total")}
    until(lambda: killed_so().get("eater"), 5, "count of what was killed")
    quiet(1.2)
    m, killed = s.metrics(), killed_so()
    if killed != {"eater": 1}:
        raise Failure(f"killed for want of memory: {killed}")
    ended = value(m, "sonde_process_exits_total", service_name="eater", reason="oom", code="9")
    if ended != 1:
        raise Failure(f"{ended} ended so")
    s.end()
    told = f"(pid {p.pid}, cgroup {os.path.basename(folder)}) is killed for want of memory"
    if s.proc.stderr().count(told) != 1:
        raise Failure(f"not told once: {told}: {s.proc.stderr()}")
