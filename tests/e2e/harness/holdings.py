# SPDX-License-Identifier: Apache-2.0
"""What a running sonde holds: memory, descriptors, BPF objects. Under churn all of it stays flat."""
import json
import os
import subprocess
from collections import Counter

from .env import tool
from .proc import Failure, until


def held_objects(pid):
    """Programs, maps and links that a process holds, as (kind, id), from its descriptors."""
    found = set()
    folder = f"/proc/{pid}/fdinfo"
    for fd in os.listdir(folder):
        with open(os.path.join(folder, fd)) as f:
            for line in f:
                key, _, value = line.partition(":")
                if key in ("prog_id", "map_id", "link_id"):
                    found.add((key[:-3], int(value)))
    return found


def all_objects():
    """Those that exist in the kernel."""
    found = set()
    for kind in ("prog", "map", "link"):
        out = subprocess.run([tool("bpftool"), "-j", kind, "show"], capture_output=True,
                             timeout=10, check=True).stdout
        found |= {(kind, o["id"]) for o in json.loads(out or b"[]")}
    return found


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


class Holdings:
    """Of a `sonde run`, at one moment."""

    def __init__(self, s):
        bpf = s.metrics().of("sonde_bpf_memory_bytes")
        self.bpf_bytes = int(sum(v for _, v in bpf))
        self.anonymous_kib = anonymous_kib(s.proc.pid)
        self.objects = dict(Counter(kind for kind, _ in held_objects(s.proc.pid)))
        self.fds = len(os.listdir(f"/proc/{s.proc.pid}/fd"))

    def grown_to(self, later, slack_kib):
        """Lines that say what is held more than before; memory may grow by slack_kib."""
        found = []
        if later.anonymous_kib > self.anonymous_kib + slack_kib:
            found.append(f"anonymous memory grew from {self.anonymous_kib} to "
                         f"{later.anonymous_kib} KiB")
        for what in ("bpf_bytes", "objects", "fds"):
            was, now = getattr(self, what), getattr(later, what)
            if was != now:
                found.append(f"{what} went from {was} to {now}")
        return found


def still(s):
    """Holdings once the scrape's own connection is closed."""
    held = Holdings(s)

    def same():
        nonlocal held
        before, held = held, Holdings(s)
        return before.fds == held.fds
    until(same, 5, "still number of descriptors")
    return held
