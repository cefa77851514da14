# SPDX-License-Identifier: Apache-2.0
"""What a running sonde holds: memory, descriptors, BPF objects. Under churn all of it stays flat."""
import json
import os
import subprocess
import time
from collections import Counter

from .env import tool
from .proc import Failure


def held_objects(pid):
    """Programs, maps and links that a process holds, as (kind, id), from its descriptors."""
    found = set()
    folder = f"/proc/{pid}/fdinfo"
    for fd in os.listdir(folder):
        try:
            with open(os.path.join(folder, fd)) as f:
                lines = f.readlines()
        except FileNotFoundError:  # closed meanwhile: it looks into /proc now and then
            continue
        for line in lines:
            key, _, value = line.partition(":")
            if key in ("prog_id", "map_id", "link_id"):
                found.add((key[:-3], int(value)))
    return found


def listed(kind):
    """What bpftool says of every program, map or link there is."""
    out = subprocess.run([tool("bpftool"), "-j", kind, "show"], capture_output=True, timeout=10,
                         check=True).stdout
    return json.loads(out or b"[]")


def all_objects():
    """Those that exist in the kernel."""
    found = set()
    for kind in ("prog", "map", "link"):
        found |= {(kind, o["id"]) for o in listed(kind)}
    return found


def links_by_need(held):
    """How many of these are of a program that is attached when it is first needed."""
    mine = {number for kind, number in held if kind == "prog"}
    late = {p["id"] for p in listed("prog")
            if p["id"] in mine and p.get("name", "").startswith("sonde_arrival_a")}
    return sum(("link", x["id"]) in held and x.get("prog_id") in late for x in listed("link"))


def pinned():
    found = []
    for folder, _, names in os.walk("/sys/fs/bpf"):
        found += [os.path.join(folder, n) for n in names]
    return sorted(found)


def anonymous_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            if line.startswith("Anonymous:"):
                return int(line.split()[1])
    raise Failure("smaps_rollup has no line Anonymous")


def steady_fds(pid):
    """Those it keeps: the scrape's own connection and looks into /proc come and go."""
    found = []
    for _ in range(10):
        found.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.01)
    return min(found)


# What a process waits for is in a map of sonde's while it lives, and in the syscall tier the state of
# every open connection too. Of other programs on the host some may have come meanwhile; what is kept
# of each connection or process of the churn is a hundred times that.
STATE_BYTES = {"socket": 1 << 15, "syscall": 1 << 17}


class Holdings:
    """Of a `sonde run`, at one moment."""

    def __init__(self, s):
        self.state_bytes = STATE_BYTES[s.env.tier or "socket"]
        bpf = s.metrics().of("sonde_bpf_memory_bytes")
        self.bpf_bytes = int(sum(v for _, v in bpf))
        self.anonymous_kib = anonymous_kib(s.proc.pid)
        held = held_objects(s.proc.pid)
        by_need = links_by_need(held)
        self.objects = Counter(kind for kind, _ in held) - Counter(link=by_need)
        self.fds = steady_fds(s.proc.pid) - by_need

    def grown_to(self, later, slack_kib):
        """Lines that say what is held more than before; memory may grow by slack_kib."""
        found = []
        if later.anonymous_kib > self.anonymous_kib + slack_kib:
            found.append(f"anonymous memory grew from {self.anonymous_kib} to "
                         f"{later.anonymous_kib} KiB")
        if later.bpf_bytes > self.bpf_bytes + self.state_bytes:
            found.append(f"bpf_bytes went from {self.bpf_bytes} to {later.bpf_bytes}")
        # less is no leak: a library that was watched is let go when its last process has gone
        if later.objects - self.objects:
            found.append(f"objects went from {self.objects} to {later.objects}")
        if later.fds > self.fds:
            found.append(f"fds went from {self.fds} to {later.fds}")
        return found
