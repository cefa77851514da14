# SPDX-License-Identifier: Apache-2.0
"""What processes use up: as the kernel's own accounts say, while they live and when they have ended."""
import os
import signal
import time

from harness.case import case
from harness.env import quiet
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
threading.Thread(target=lambda: time.sleep(1000), daemon=True).start()
block = bytearray(64 << 20)
for i in range(0, len(block), 4096): block[i] = 1
while True:
    end = time.monotonic() + 0.05
    while time.monotonic() < end: pass
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
    """CPU and disk of each run are in its service's sums, whether a walk met it or not, and of all its
    threads, whichever the kernel ends last."""
    script = e.write("burnt.py", BURN)
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    quiet(1.5)  # what is older than sonde is known
    cpu = written = 0
    runs = ((0.3, 0), (2.0, 0), (6.5, 0), (0.5, 1), (0.5, 7))
    for n, (seconds, threads) in enumerate(runs):
        pid = os.spawnv(os.P_NOWAIT, "/usr/bin/python3",
                        ["python3", script, str(seconds), e.path(f"out{n}"), str(threads)])
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
    close("CPU", told, cpu, 0.02)
    close("bytes written", value(m, "sonde_service_disk_io_bytes_total", disk_io_direction="write", **who),
          written, 65536)
    ended = value(m, "sonde_process_exits_total", reason="exit", code="7", **who)
    if ended != len(runs):
        raise Failure(f"{ended} ended, not {len(runs)}")
    s.end()


@case(group=None, limit=60)
def usage_of_a_process_that_lives(e):
    script = e.write("worker.py", WORK)
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    p = e.procs.start(["/usr/bin/python3", script])
    who = {"service_name": "worker", "process_pid": str(p.pid)}

    def met():
        return any(labels.get("process_pid") == str(p.pid)
                   for labels, _ in s.metrics().of("process_thread_count"))
    quiet(2)
    until(met, 12, "series of the worker")
    m = s.metrics()
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        field = f.read().rsplit(") ", 1)[1].split()
    page = os.sysconf("SC_PAGESIZE")
    close("threads", value(m, "process_thread_count", **who), int(field[17]), 0)
    close("resident", value(m, "process_memory_usage_bytes", **who), int(field[21]) * page, 65536)
    close("virtual", value(m, "process_memory_virtual_bytes", **who), int(field[20]), 0)
    close("descriptors", value(m, "process_unix_file_descriptor_count", **who),
          len(os.listdir(f"/proc/{p.pid}/fd")), 0)
    faults = value(m, "process_paging_faults_total", system_paging_fault_type="minor", **who)
    close("faults", faults, int(field[7]), 16)
    # it is at most a walk old: 5 s, of which it runs half
    cpu = value(m, "process_cpu_time_seconds_total", cpu_mode="user", **who)
    now = int(field[11]) / os.sysconf("SC_CLK_TCK")
    if not now - 3.5 <= cpu <= now + 0.01:
        raise Failure(f"CPU {cpu}, in truth {now}")
    born = time.clock_gettime(time.CLOCK_BOOTTIME) - int(field[19]) / os.sysconf("SC_CLK_TCK")
    close("uptime", value(m, "process_uptime_seconds", **who), born, 1)
    # killed, and started again: an end by signal, a restart
    os.kill(p.pid, signal.SIGKILL)
    p.wait(3)
    e.procs.start(["/usr/bin/python3", script])

    def restarted():
        return [v for labels, v in s.metrics().of("sonde_service_restarts_total")
                if labels["service_name"] == "worker"] == [1]
    until(restarted, 12, "restart of the worker")
    m = s.metrics()
    ended = value(m, "sonde_process_exits_total", service_name="worker", reason="signal", code="9")
    if ended != 1:
        raise Failure(f"{ended} ended by signal 9")
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
