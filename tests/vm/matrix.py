#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The kernel matrix: boots Debian's kernels under emulation with sonde, a small HTTP server and a
client inside, and judges what came back for equality with what the client saw. One line for each
kernel and test; --write renews the table of docs/kernels.md and tests/vm/verifier.tsv.

As anybody: tests/vm/matrix.py BUILD-DIR [--write] [KERNEL...], the build having made the binaries.
"""
import argparse
import collections
import concurrent.futures
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DOC = os.path.join(ROOT, "docs", "kernels.md")
COUNTS = os.path.join(HERE, "verifier.tsv")

# what each kernel is for: the tier that `auto` must choose, and those that can be forced; how uprobes
# are attached. `preempts`: it leaves programs out where one lost its CPU (docs/kernels.md), and the
# account must close. `bare` is no tier: once more without what Linux 5.15 lacks.
Expected = collections.namedtuple("Expected", "suite auto tiers uprobes preempts",
                                  defaults=(None, False))
# enum bpf_link_type
# those that suffice, by number, and the one that attaching by perf events takes
LEAST, ADMIN = sum(1 << bit for bit in (2, 19, 38, 39)), 1 << 21
LINKS = {"7": "perf events", "12": "uprobe_multi"}
CROWD, LEAVING = 4296, 4096  # guest.c's, beside one that stays; what has room
QUOTA_REQUESTS, DELAYED_NS = 12, 200e6  # quota.c's; what is enough to tell
PIPELINED = 5  # requests of the load in one operation, at most
KERNELS = {
    "5.10": Expected("bullseye-security", None, ()),
    "6.1": Expected("bookworm", "syscall", ("syscall", "bare"), "perf events"),
    "6.12": Expected("bookworm-backports", "socket", ("socket", "syscall"), "uprobe_multi"),
    "6.18": Expected("trixie-backports", "socket", ("socket", "syscall"), "uprobe_multi"),
    "newest": Expected("sid", "socket", ("socket", "syscall"), "uprobe_multi", True),
}
BOOT_S, TRIES = 600, 2  # QEMU under emulation dies now and then: once more, then it counts
RISE = 1.2
# a disk that takes its time for each request; the kernel's own driver for it is built in
DISK_MIB, DISK_MS, DISK_SIZE = 8, 20, 64 << 20
DISK = ("-blockdev", f"null-co,node-name=slow,size={DISK_SIZE},latency-ns={DISK_MS}000000",
        "-device", "nvme,serial=slow,drive=slow")
# the long form: emulation has pauses of its own
STALL_US, SLOWER, LONG_RATE = 200e3, 1.5, 100

Section = collections.namedtuple("Section", "text code ms")


def fetch(folder, names):
    """The QEMU command and (name, release, folder) of each kernel."""
    wanted = [f"{KERNELS[n].suite}:{'' if n == 'newest' else n}" for n in names]
    out = subprocess.run([os.path.join(HERE, "fetch.sh"), folder, *wanted], check=True,
                         stdout=subprocess.PIPE, text=True, timeout=600).stdout
    qemu, kernels = None, []
    for line in out.splitlines():
        word, *rest = line.split()
        if word == "qemu":
            qemu = rest
        elif word == "kernel":
            kernels.append(tuple(rest))
    return qemu, kernels


def libraries(binary):
    out = subprocess.run(["ldd", binary], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", out)


def cpio(files):
    """An archive in the newc form the kernel unpacks: path -> (mode, bytes)."""
    out, ino = [], 1
    for path, (mode, data) in [*files.items(), ("TRAILER!!!", (0, b""))]:
        name = path.encode() + b"\0"
        fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        out.append(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))
        ino += 1
    return b"".join(out)


def initramfs(build):
    binaries = {"init": "vm/guest", "load": "vm/load", "netem": "vm/netem", "kept": "vm/kept",
                "crowd": "vm/crowd", "disk": "vm/disk", "quota": "vm/quota",
                "sonde": "sonde", "verifier": "vm/verifier",
                "hooks": "vm/hooks", "hooks.bpf.o": "tests/vm/hooks.bpf.o"}
    sources = {name: os.path.join(build, path) for name, path in binaries.items()}
    for name in ("sonde", "verifier", "load", "hooks"):
        sources.update({lib.lstrip("/"): lib for lib in libraries(sources[name])})
    sources.update({f"own/{os.path.basename(lib)}": lib for lib in libraries(sources["load"])
                    if "/libssl." in lib})
    files = {d: (0o040755, b"") for d in ("dev", "proc", "sys", "tmp", "etc")}
    for path, source in sorted(sources.items()):
        at = ""
        for part in path.split("/")[:-1]:
            at = f"{at}/{part}".lstrip("/")
            files.setdefault(at, (0o040755, b""))
        with open(source, "rb") as f:
            files[path] = (0o100755, f.read())
    return gzip.compress(cpio(files), 1)


def sections(text):
    found, name, lines = {}, None, []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("@@= "):
            end, code, ms = line[4:].rsplit(" ", 2)
            if end == name:
                found[name] = Section("\n".join(lines), int(code), int(ms))
        elif line.startswith("@@ "):
            name, lines = line[3:], []
        else:
            lines.append(line)
    return found


def with_module(common, kernel, path):
    """The archive all guests have, and behind it the kernel's own module."""
    with open(os.path.join(kernel, "sch_netem.ko"), "rb") as f:
        own = gzip.compress(cpio({"sch_netem.ko": (0o100644, f.read())}), 1)
    with open(path, "wb") as f:
        f.write(common + own)


# two processors, or one whose clock counts instructions; no_timer_check below: on a busy host the
# kernel finds the timer late, and gives up
USUAL = ("-accel", "tcg,thread=multi", "-smp", "2")
COUNTING = ("-accel", "tcg,thread=single", "-smp", "1", "-icount", "shift=0")


def boot(qemu, folder, kernel, common, machine=USUAL, task="", limit_s=BOOT_S):
    """The sections the guest wrote, and the seconds it took."""
    name, _, unpacked = kernel
    console, result, initrd = (os.path.join(folder, f"{name}.{end}")
                               for end in ("console", "result", "initrd"))
    with_module(common, unpacked, initrd)
    command = [*qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
               *machine, *(DISK if "socket" in KERNELS[name].tiers else ()), "-cpu", "max", "-m", "1024",
               "-kernel", os.path.join(unpacked, "vmlinuz"), "-initrd", initrd, "-serial", f"file:{console}",
               "-serial", f"file:{result}", "-append",
               "console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off nokaslr no_timer_check "
               "nvme_core.multipath=N" +
               (f" task={task}" if task else "") +
               (" bare=1" if "bare" in KERNELS[name].tiers else "")]
    started = time.monotonic()
    for _ in range(TRIES):
        open(result, "w").close()
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired:
            pass
        with open(result, errors="replace") as f:
            found = sections(f.read())
        if "end" in found:
            break
    return found, time.monotonic() - started


def left_out(section, *programs):
    """Runs of these programs that the kernel left out."""
    words = section.text.split()
    runs = collections.Counter()
    for name, n in zip(words[::2], words[1::2]):
        runs[name] += int(n)
    return sum(runs[name] for name in programs)


def unseen_at_most(section):
    """Connections whose beginning was left out, so that their sends are not looked at."""
    return left_out(section, "sonde_state")


class Judge:
    """What one kernel did, against what it should have done."""

    def __init__(self, kernel, found, seconds):
        self.name, self.release, _ = kernel
        self.found, self.seconds = found, seconds
        self.expected = KERNELS[self.name]
        self.lines, self.problems = [], 0
        self.tier, self.off, self.on, self.exact = "-", [], 0, {}
        self.lines_in = "-"  # which requests get a line

    def say(self, what, problem=None):
        self.problems += problem is not None
        self.lines.append(f"ok {self.name} {what}" if problem is None else
                          f"FAIL {self.name} {what}: {problem}")

    def run(self):
        if "end" not in self.found:
            self.say("boot", f"ended without its last word after {self.seconds:.0f} s, after "
                             f"{list(self.found)[-1:] or 'nothing'}")
            return
        self.check()
        for tier in self.expected.tiers:
            self.say(f"counts-{tier}", self.counted(tier))
            self.say(f"tls-{tier}", self.decrypted(tier))
        if self.expected.tiers:
            self.say("least-rights", self.least_rights())
            self.say("tls-later", self.decrypted("own"))
            self.say("rights-left", self.rights_left("tls-own"))
            self.say("cgroup", self.cgroup())
            self.say("propagate", self.propagated())
            self.say("quota", self.throttled())
            if "socket" in self.expected.tiers:
                self.say("written-back", self.written_back())
            self.say("netem-delay", self.delayed())
            self.say("netem-loss", self.lossy())
        for tier in ("socket", "syscall"):
            if tier not in self.expected.tiers:
                self.say(f"refuses-{tier}", self.refused(f"ready-{tier}"))

    def check(self):
        section = self.found["check"]
        try:
            report = json.loads(section.text)
        except ValueError:
            self.say("check", f"no JSON: {section.text[:200]!r} {self.found['check.err'].text}")
            return
        self.report = report
        if self.expected.auto is None:
            self.tier = "refused"
            self.off = [report.get("reason") or "no reason"]
            self.say("check-refuses", None if section.code == 1 and
                     "Linux 5.15 is the oldest" in (report.get("reason") or "") else
                     f"exit {section.code}, reason {report.get('reason')!r}")
            self.say("refuses-auto", self.refused("ready-auto"))
            return
        self.tier = report.get("tier")
        self.say("tier", None if (section.code, self.tier) == (0, self.expected.auto) else
                 f"exit {section.code}, tier {self.tier}, reason {report.get('reason')!r}")
        self.say("counts-auto", self.counted("auto"))
        silent = [p["program"] for p in report["programs"]
                  if not p["attached"] and not p["reason"]]
        self.on = sum(p["attached"] for p in report["programs"])
        self.off = [f"{p['program']}: {p['reason']}" for p in report["programs"]
                    if not p["attached"]]
        self.say("programs", f"off without a reason: {silent}" if silent else None)

    def refused(self, name):
        ready = self.found.get(name)
        if not ready or ready.code != 1 or not ready.text.startswith("sonde: "):
            return f"not refused: {ready}"
        if len(ready.text.strip().splitlines()) != 1:
            return f"not one line: {ready.text!r}"
        return None

    def cgroup(self):
        """The server's cgroup has controllers, and sonde can be asked for it alone."""
        controllers = self.found["controllers"].text.split()
        if not {"cpu", "memory"} <= set(controllers):
            return f"controllers {controllers}; {self.found['cgroup'].text!r}"
        return self.counted("cgroup", roles=("server",))

    def least_rights(self):
        """
        Started with those that suffice: all is counted, and nothing is said to be missing. Where
        functions are attached to by perf events the plaintext of TLS is, by what check and run say.
        """
        is_off = self.expected.uprobes != "uprobe_multi"
        check, ready = self.found["check-few"], self.found["ready-few"].text
        report = json.loads(check.text or "{}")
        named = [m["right"] for m in report.get("missing_rights", [])]
        if check.code or named != ["CAP_SYS_ADMIN"] * is_off:
            return f"check: exit {check.code}, {report.get('reason')}, named {named}"
        if ("no plaintext of TLS: missing rights: CAP_SYS_ADMIN" in ready) != is_off:
            return f"run says {ready!r}"
        return self.counted("few", without=("tls",) if is_off else ()) or self.rights_left("few")

    def rights_left(self, run):
        """What sonde holds while it observes."""
        status = dict(re.findall(r"^(\w+):\t(\S*)", self.found[f"status-{run}"].text, re.MULTILINE))
        few = LEAST | (ADMIN if run == "tls-own" and self.expected.uprobes == "perf events" else 0)
        caps = [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")]
        if caps != [few, few, 0, 0] or (status["NoNewPrivs"], status["Seccomp"]) != ("1", "2"):
            return f"capabilities {[hex(c) for c in caps]}, no_new_privs {status['NoNewPrivs']}, " \
                   f"seccomp {status['Seccomp']}"
        return None

    def decrypted(self, tier):
        """The plaintext of TLS, by uprobes attached as this kernel can."""
        problem = self.counted(f"tls-{tier}")
        if problem:
            return problem
        links = {LINKS[kind] for kind in self.found[f"links-tls-{tier}"].text.split()
                 if kind in LINKS}
        return None if links == {self.expected.uprobes} else f"attached by {links or 'nothing'}"

    def propagated(self):
        """None, or how requests on kept connections were not given what they must: kept.c."""
        kept, said = self.found.get("load-kept"), self.found["ready-kept"].text
        if not kept:
            return f"did not observe: {said.strip()[-300:]}"
        if "no traceparent" in said:
            return said.strip()
        self.lines_in = "the first" if "only the first" in said else "all"
        if self.lines_in != "all" and self.release in all_before():
            return f"{said.strip()}; it did before"
        if kept.code or not kept.text:
            return f"exit {kept.code}: {self.found['load-kept.err'].text}"
        given, unseen = {}, set()
        for nth, target, lines, *ours in (line.split() for line in kept.text.splitlines()):
            connection = target.split("/")[2]
            if nth == "0" and ours == ["-", "-"]:
                unseen.add(connection)
            own = target.startswith("/own/")
            is_let_go = re.search(r"gone|waits", target)
            is_due = connection not in unseen and (
                nth == "0" or (self.lines_in == "all" and not own and not is_let_go))
            if (int(lines), ours != ["-", "-"]) != (int(own or is_due), is_due):
                return f"{target}, request {nth}: {lines} lines, ours {ours}"
            if is_due:
                given[target] = ours
        if len(unseen) > unseen_at_most(self.found["missed-kept"]):
            return f"nothing was given on {unseen}; {self.found['missed-kept'].text.split()}"
        self.lines_in += f": {len(given)} of {len(kept.text.splitlines())}"
        spans = [json.loads(line) for line in self.found["tail-kept"].text.splitlines()]
        told = {t["target"]: [t["trace_id"], t["span_id"]] for t in spans if t["role"] == "client"}
        wrong = {t: told[t] for t, ours in given.items() if t in told and told[t] != ours}
        missing = [t for t in given if t not in told and not t.startswith("/last/")]
        if wrong or (missing and not self.missed("kept")):
            return f"spans {wrong} for {given}; none of {missing}"
        left = self.found["left-kept"].text.strip()
        return f"{left} BPF programs left behind" if left != "0" else self.crowded()

    def crowded(self):
        """More than can leave at once: the others are counted, and go with what they send next."""
        crowd, full = (self.found.get(name) for name in ("crowd", "full-crowd"))
        if not self.lines_in.startswith("all"):
            return None
        if not crowd or not full:
            return f"no crowd: {self.found.get('ready-crowd')}"
        counts = re.findall(r'table="propagation_leaving"\} (\d+)', full.text)
        wanted = "1 0", [str(CROWD + 1 - LEAVING)]
        return None if (crowd.text, counts) == wanted else \
            f"(looked at before and after, counted) {crowd.text, counts}, not {wanted}; " \
            f"{self.found['crowd.err'].text}"

    def durations(self, tier):
        """By role, in the order of the requests: how long each took, in ms."""
        found = collections.defaultdict(list)
        for line in self.found[f"tail-{tier}"].text.split("\n"):
            t = json.loads(line) if line else {}
            if t.get("protocol") == "http" and t["target"] != "/next":  # pipelined: they overlap
                found[t["role"]].append((t["time_unix_nano"], t["duration_ns"] / 1e6))
        return {role: [ms for _, ms in sorted(times)] for role, times in found.items()}

    def clocked(self, tier):
        """The same of a client that asked one thing at a time, by its own clock."""
        lines = [line.split() for line in self.found[f"load-{tier}"].text.splitlines()]
        return [int(ns) / 1e6 for _, _, path, _, ns in lines if path != "/next"]

    def delayed(self):
        """40 ms each way: in the client's duration, not in the server's."""
        problem = self.counted("slow")
        if problem or self.found["netem-slow"].code:
            return problem or self.found["netem-slow.err"].text
        took = self.durations("slow")
        if len(took["client"]) != len(took["server"]):
            return None if self.missed("slow") else f"{took}"
        short = [(c, s) for c, s in zip(took["client"], took["server"]) if c - s < 79]
        return f"client and server took {short} ms" if short else None

    def lossy(self):
        """One packet in five lost: segments are sent again, each request is one all the same, and
        takes as long as the client says, whose clock is looked at before and after."""
        problem = self.counted("lossy")
        if problem or self.found["netem-lossy"].code:
            return problem or self.found["netem-lossy.err"].text
        names, values = (line.split() for line in self.found["snmp"].text.split("\n")
                         if line.startswith("Tcp:"))
        again = int(dict(zip(names, values))["RetransSegs"])
        took, truth = self.durations("lossy")["client"], self.clocked("lossy")
        fits = len(took) == len(truth) and sum(took) >= 0.9 * sum(truth) and \
            all(told <= clock for told, clock in zip(took, truth))
        return None if again and (fits or self.missed("lossy")) else \
            f"{again} segments sent again, requests took {took} ms, of {truth}"

    def written_back(self):
        """Pages that a process made dirty and the kernel wrote back: the disk's requests and the
        time they took, and the bytes, are those of the service in whose cgroup it was."""
        section = self.found.get("disk")
        if not section or section.code:
            return f"{self.found.get('disk.err') or self.found.get('ready-disk')}"
        kernel = dict(re.findall(r"^(\w+) (\d+)$", section.text, re.MULTILINE))
        told = collections.Counter()
        for name, labels, value in re.findall(r"^(\w+)\{(.*)\} (\S+)$", section.text, re.MULTILINE):
            have = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            if have["disk_io_direction"] == "write":
                told[name, have.get("service_name")] += float(value)
        requests, ms = int(kernel["requests"]), int(kernel["ms"])
        counted = {who: n for (name, who), n in told.items() if name.endswith("_seconds_count")}
        took_ms = 1e3 * told["sonde_disk_io_latency_seconds_sum", "disk"]
        moved = [int(kernel["bytes"]), told["sonde_service_disk_io_bytes_total", "disk"]]
        if counted != {"disk": requests} or moved != [DISK_MIB << 20] * 2:
            return f"{requests} requests, told {counted}; by group and by service {moved} bytes"
        # the kernel looks at its clock before sonde does or after, on a processor that may be taken
        # away; the disk's clock is another than the guest's
        return None if 0.95 * DISK_MS * requests <= took_ms <= 1.5 * ms else \
            f"{requests} requests took {ms} ms, told {took_ms}"

    def throttled(self):
        """A server that others keep from its CPU, and its cgroup's quota: each as the kernel says."""
        section, tail = self.found.get("load-quota"), self.found.get("tail-quota")
        if not section or section.code or not tail:
            return f"{self.found.get('load-quota.err') or self.found.get('ready-quota')}"
        told, wrong = collections.defaultdict(collections.Counter), []
        for t in map(json.loads, tail.text.splitlines()):
            if t["role"] == "server":
                told[t["target"]].update({part: ns or 0 for part, ns in t["waits_ns"].items()}, n=1)
        for line in section.text.splitlines():
            path, *ns = line.split()
            delay, throttled = map(int, ns)
            has, ready, slack = told[path], delay - throttled, 0.05 * delay
            # of this what passed before a request was read the syscall tier does not know
            known = has["throttled"] + has["runqueue"] + has["receive_queue"]
            if has["throttled"] > throttled + slack or has["runqueue"] > ready + slack or \
                    known < (0.95 if self.tier == "socket" else 0.5) * delay:
                wrong.append(f"{path}: throttled for {throttled} of {delay} ns, told {dict(has)}")
            enough = ready if path == "/rival" else throttled
            if has["n"] != QUOTA_REQUESTS or enough < DELAYED_NS or (throttled and path == "/rival"):
                wrong.append(f"{path}: {has['n']} requests, throttled for {throttled} of {delay} ns")
        if len(told) != 4:
            wrong.append(f"told of {set(told)}")
        return None if self.missed("quota") else "; ".join(wrong) or None

    def counted(self, tier, roles=("client", "server"), without=()):
        """None, or how what sonde printed differs from what the client saw. Of these transports it
        must print nothing."""
        load, tail = self.found.get(f"load-{tier}"), self.found.get(f"tail-{tier}")
        if not load or not tail:
            ready = self.found.get(f"ready-{tier}")
            return f"did not observe: {ready.text.strip()[-300:] if ready else 'not run'}"
        truth = collections.Counter()
        for line in load.text.split("\n"):
            if line:
                transport, method, path, status, _ = line.split()
                for role in () if transport in without else roles:
                    truth[(role, transport, method, path, int(status))] += 1
        seen = collections.Counter()
        for line in tail.text.split("\n"):
            t = json.loads(line) if line else {}
            if t.get("protocol") == "http":
                transport = "unix" if "unix:" in t["local"] + t["peer"] else \
                    "tls" if t["tls"] else "tcp"
                seen[(t["role"], transport, t["method"], t["target"], t["status"])] += 1
        self.exact[tier] = f"{sum(seen.values())} of {sum(truth.values())}"
        missed = self.missed(tier)
        if missed:
            self.exact[tier] += f" ({missed} runs left out by the kernel)"
        if load.code or not truth:
            return f"the load failed: {self.found[f'load-{tier}.err'].text}"
        if seen != truth and not (self.expected.preempts and self.closes(tier, truth, seen, missed)):
            return (f"missing {dict(truth - seen)}, too many {dict(seen - truth)}; sonde said: "
                    f"{self.found[f'tail.err-{tier}'].text}; runs missed: "
                    f"{self.found[f'missed-{tier}'].text.split()}")
        if tail.code:
            return f"exit {tail.code}"
        left = self.found[f"left-{tier}"].text.strip()
        return f"{left} BPF programs left behind" if left != "0" else None

    def closes(self, tier, truth, seen, missed):
        """
        Nothing wrong, and what is missing is known to be lost: one request for each hole, or those
        that one operation held. Unix sockets, whose bytes nobody numbers, are left out where the
        kernel left out runs.
        """
        def tcp(counts):
            return sum(n for key, n in counts.items() if key[1] != "unix" or not missed)
        lost = sum(int(n) for n in re.findall(r"^sonde_events_lost_total\{.*\} (\d+)$",
                                              self.found[f"replay-{tier}"].text, re.MULTILINE))
        short = tcp(truth - seen)
        self.exact[tier] += f", {lost} counted as lost"
        return not tcp(seen - truth) and short <= lost + (PIPELINED - 1) * missed

    def missed(self, tier):
        """Runs of the capturing programs that the kernel left out."""
        return left_out(self.found[f"missed-{tier}"], "sonde_send", "sonde_recv", "sonde_syscall")

    def verifier(self):
        """program -> instructions walked, or the reason it is not for this kernel."""
        section = self.found.get("verifier")
        lines = section.text.split("\n") if section else []
        return dict(line.split(" ", 1) for line in lines if " " in line)


def all_before():
    """The releases on which all requests got a line when the table was written."""
    with open(DOC) as f:
        return re.findall(r"^\| (\S+) \|.*\| all: \d+ of \d+ \|", f.read(), re.MULTILINE)


def recorded():
    out = {}
    with open(COUNTS) as f:
        for line in f:
            if not line.startswith("#"):
                kernel, program, count = line.rstrip("\n").split("\t")
                out[(kernel, program)] = count
    return out


def compare(judges):
    known = recorded()
    for j in judges:
        found = j.verifier()
        risen = [f"{program} is gone" for kernel, program in known
                 if kernel == j.name and program not in found]
        for program, now in found.items():
            before = known.get((j.name, program))
            if before is None:
                risen.append(f"{program} {now} is not recorded")
            elif now.startswith("-") != before.startswith("-"):
                risen.append(f"{program} was {before}, is {now}")
            elif not now.startswith("-") and int(now) > int(before) * RISE:
                risen.append(f"{program} rose from {before} to {now}")
        if not found:
            risen.append("no counts")
        j.say("verifier", "; ".join(risen) or None)


def write_counts(judges):
    """Kernels that were not booted keep theirs."""
    counts = collections.defaultdict(dict)
    for (kernel, program), count in recorded().items():
        counts[kernel][program] = count
    counts.update({j.name: j.verifier() for j in judges if j.verifier()})
    with open(COUNTS, "w") as f:
        f.write("# kernel\tprogram\tinstructions the verifier walked, every filter in use\n")
        for kernel in KERNELS:
            for program, count in sorted(counts[kernel].items()):
                f.write(f"{kernel}\t{program}\t{count}\n")


def table(judges):
    rows = ["| kernel | tier | programs | requests counted, by tier | within TLS, uprobes by | "
            "given a `traceparent` on kept connections | off, and why |", "|---|---|---|---|---|---|---|"]
    for j in judges:
        exact = ", ".join(f"{t} {n}" for t, n in j.exact.items() if t in j.expected.tiers)
        secure = ", ".join(f"{t} {j.exact[f'tls-{t}']}" for t in j.expected.tiers
                           if f"tls-{t}" in j.exact)
        rows.append(f"| {j.release} | {j.tier} | {j.on or '-'} | {exact or '-'} | "
                    f"{f'{secure}; {j.expected.uprobes}' if secure else '-'} | {j.lines_in} | "
                    f"{'; '.join(j.off) or '-'} |")
    return "\n".join(rows)


def write_doc(judges):
    with open(DOC) as f:
        text = f.read()
    marks = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
    head, rest = text.split(marks[0])
    tail = rest.split(marks[1])[1]
    with open(DOC, "w") as f:
        f.write(head + marks[0] + table(judges) + "\n" + marks[1] + tail)


def verify(qemu, folder, kernels, initrd, args):
    """What the verifier walks, and nothing else."""
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        booted = pool.map(lambda k: boot(qemu, folder, k, initrd, task="verifier"), kernels)
        judges = [Judge(k, *b) for k, b in zip(kernels, booted)]
    if args.write:
        write_counts(judges)
    compare(judges)
    for j in judges:
        print("\n".join(j.lines), flush=True)
    return 1 if any(j.problems for j in judges) else 0


# what kept.c says of many requests; times are us
Long = collections.namedtuple("Long", "given due all unseen slow small large pause")


def judge_long(found):
    """What is said of it, and None or what is wrong: kept.c."""
    loads = [found.get(f"load-{name}") for name in ("before", "long", "after")]
    if any(not load or load.code for load in loads):
        return "", str({name: section.text[-500:] for name, section in found.items()})
    before, given, after = (Long(*map(int, load.text.split())) for load in loads)
    plain = Long(*map(sum, zip(before[:5], after[:5])), *map(max, zip(before[5:], after[5:])))

    def both(what):
        return f"{getattr(given, what) / 1e3:.1f} ms, without {getattr(plain, what) / 1e3:.1f}"
    unseen = unseen_at_most(found["missed-long"])
    said = (f"{given.given} of {given.due} given a line, {given.unseen} connections of which the "
            f"kernel left out the beginning, {given.all} requests in {loads[1].ms / 1e3:.0f} s, "
            f"{given.slow} took over {STALL_US / 1e3:.0f} ms, without "
            f"{plain.slow} of {plain.all}; the longest {both('small')}; of the large the longest "
            f"{both('large')}, nothing was sent for {both('pause')}")
    # how long a large one takes is the machine's; that its bytes go on is not
    stalls = [what for what in ("small", "pause")
              if getattr(given, what) > max(STALL_US, SLOWER * getattr(plain, what))]
    wrong = f"a stall: {stalls}" if stalls else \
        None if (plain.given, given.given) == (0, given.due) and given.given and \
        given.unseen <= unseen else f"not each that was due; {unseen} runs left out"
    return said, wrong


def long(qemu, folder, kernels, initrd, requests):
    """Many requests of all forms, lines put into them, and the same without."""
    failed = 0
    for k in kernels:
        found, seconds = boot(qemu, folder, k, initrd, task=f"long requests={requests}",
                              limit_s=BOOT_S + requests / LONG_RATE)
        said, wrong = judge_long(found)
        failed += wrong is not None
        print(f"{'ok' if wrong is None else 'FAIL'} {k[1]} {said} ({seconds:.0f} s) {wrong or ''}")
    return 1 if failed else 0


def propagate(qemu, folder, kernels, initrd):
    """Lines in requests, and nothing else."""
    failed = 0
    for k in kernels:
        j = Judge(k, *boot(qemu, folder, k, initrd, task="propagate"))
        j.say("propagate", j.propagated() if "end" in j.found else f"no last word: {list(j.found)}")
        print("\n".join(j.lines), f"({j.release}, {j.seconds:.0f} s; {j.lines_in})", flush=True)
        failed += j.problems
    return 1 if failed else 0


def hooks(qemu, folder, kernels, initrd):
    """What each way in adds to a send, in instructions."""
    for k in kernels:
        found, _ = boot(qemu, folder, k, initrd, COUNTING, "hooks")
        said = found.get("hooks")
        print(f"{k[1]}: {', '.join(said.text.split(chr(10))) if said and not said.code else found}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("build")
    p.add_argument("--write", action="store_true")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--verifier", action="store_true",
                   help="count what the verifier walks, and nothing else")
    p.add_argument("--hooks", action="store_true",
                   help="measure tracepoints against functions' entries, and nothing else")
    p.add_argument("--propagate", action="store_true",
                   help="lines put into requests on kept connections, and nothing else")
    p.add_argument("--long", type=int, metavar="REQUESTS",
                   help="as --propagate, with so many requests, and none of them held up")
    p.add_argument("--fetch", action="store_true", help="fetch the kernels, and nothing else")
    p.add_argument("kernels", nargs="*", metavar="KERNEL")
    args = p.parse_intermixed_args()
    names = args.kernels or list(KERNELS)
    folder = os.path.join(args.build, "vm")
    qemu, kernels = fetch(os.path.join(ROOT, "build", "vm"), names)
    if args.fetch:
        return 0
    initrd = initramfs(args.build)
    for old in glob.glob(os.path.join(folder, "*.result")):
        os.unlink(old)
    if args.verifier:
        return verify(qemu, folder, kernels, initrd, args)
    if args.long:
        return long(qemu, folder, kernels, initrd, args.long)
    if args.propagate:
        return propagate(qemu, folder, kernels, initrd)
    if args.hooks:
        hooks(qemu, folder, kernels, initrd)
        return 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        booted = pool.map(lambda k: boot(qemu, folder, k, initrd), kernels)
        judges = [Judge(k, *b) for k, b in zip(kernels, booted)]
    for j in judges:
        j.run()
    if args.write:
        write_counts(judges)
        write_doc(judges)
    compare(judges)
    for j in judges:
        print("\n".join(j.lines), flush=True)
        print(f"-- {j.name}: {j.release}, {j.seconds:.0f} s")
    print(table(judges))
    failed = sum(j.problems for j in judges)
    print(f"{sum(len(j.lines) for j in judges) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
