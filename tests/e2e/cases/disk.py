# SPDX-License-Identifier: Apache-2.0
"""
How long disks take: as many reads and writes, and as much time, as the kernel's statistics say, and
whose they are.
"""
import os
import time

from harness.case import case
from harness.disk import loop_disk
from harness.env import PROGS, PYTHON, quiet
from harness.proc import Failure
from harness.sonde import Sonde


def disk_of(path):
    """Name of the disk that a file lies on."""
    dev = os.stat(path).st_dev
    folder = os.path.realpath(f"/sys/dev/block/{os.major(dev)}:{os.minor(dev)}")
    if os.path.exists(os.path.join(folder, "partition")):
        folder = os.path.dirname(folder)
    return os.path.basename(folder)


def truth(disk):
    """{direction: (requests, seconds)}"""
    with open("/proc/diskstats", encoding="ascii") as f:
        words = next(w for w in map(str.split, f) if w[2] == disk)
    return {"read": (int(words[3]), int(words[6]) / 1000),
            "write": (int(words[7]), int(words[10]) / 1000)}


def told(s, disk, service=None):
    """{direction: [requests, seconds]}, of one service or of all and nobody."""
    m = s.metrics()
    out = {}
    for way in ("read", "write"):
        out[way] = [sum(v for have, v in m.of(f"sonde_disk_io_latency_seconds_{what}")
                        if (have["system_device"], have["disk_io_direction"]) == (disk, way) and
                        (not service or have.get("service_name") == service))
                    for what in ("count", "sum")]
    return out


@case(group=None, limit=40)
def disk_latency_is_the_kernels(e):
    """Files that are synchronised, files read anew; what others do to the disk counts as well."""
    disk = disk_of(e.tmp)
    s = Sonde(e, "run", "--port", 1).wait_ready()
    edges = []
    for _ in range(2):
        before = truth(disk)
        edges.append((before, told(s, disk), truth(disk)))
        if len(edges) == 2:
            break
        for n in range(100):
            fd = os.open(e.path(f"f{n % 5}"), os.O_WRONLY | os.O_CREAT)
            os.pwrite(fd, os.urandom(8192), 8192 * n)
            os.fsync(fd) if n % 2 else os.fdatasync(fd)
            os.close(fd)
        for n in range(5):
            fd = os.open(e.path(f"f{n}"), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            while os.read(fd, 65536):
                pass
            os.close(fd)
        time.sleep(0.2)
    (a0, m0, b0), (a1, m1, b1) = edges
    for way in ("read", "write"):
        for i, (what, slack) in enumerate((("requests", 0), ("seconds", 0.01))):
            got = m1[way][i] - m0[way][i]
            low, high = a1[way][i] - b0[way][i], b1[way][i] - a0[way][i]
            e.figures[f"{way} {what}"] = (low, got, high)
            if not low - slack <= got <= high + slack + (0.02 * high if i else 0):
                raise Failure(f"{what} of {way}s: {got}, not between {low} and {high}")
    if m1["write"][0] - m0["write"][0] < 100:
        raise Failure("100 times synchronised, and not as many writes")
    quiet()
    s.end()


@case(group=None, limit=40)
def disk_latency_by_whose_it_is(e):
    """A service that passes the page cache by: each of its calls is one request, and its own."""
    disk = loop_disk(e, 1 << 20)
    s = Sonde(e, "run", "--port", 1).wait_ready()
    p = e.procs.run([PYTHON, os.path.join(PROGS, "direct.py"), disk])
    took = {way: int(ns) / 1e9 for way, ns in map(str.split, p.stdout().splitlines())}
    got = told(s, os.path.basename(disk), "direct")
    e.figures.update(got)
    for way, (n, seconds) in got.items():
        if n != 200:
            raise Failure(f"{n} {way}s of 200")
        if not 0 < seconds <= took[way]:
            raise Failure(f"{way}s took {seconds} s, in calls that took {took[way]} s")
    quiet()
    s.end()
