# SPDX-License-Identifier: Apache-2.0
"""What it costs a server that its plaintext is read within TLS, in pairs as in cost.py. The client
has a copy of the library of its own, which nobody watches: what it meets is the server's cost."""

import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import cost
import host
from host import Row

CONNECTIONS = 16
OFF = ["--tls", "off"]
URETPROBE = 335  # of x86-64 since Linux 6.11; elsewhere a return is a trap
# what arch/x86/kernel/uprobes.c carries out itself: push, jumps and calls that say how far, nop
CARRIED_OUT = re.compile(rb"[\x50-\x57\x70-\x7f\x90\xe8\xe9\xeb]|\x41[\x50-\x57]|\x0f[\x80-\x8f]")


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise host.Failed(f"no {name}: deploy/install-deps test")
    return found


def certificate(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=localhost"], check=True, stderr=subprocess.DEVNULL)
    return cert, key


def own_library(folder):
    """Environment of clients with a copy of OpenSSL in this folder."""
    linked = subprocess.run(["ldd", tool("h2load")], capture_output=True, text=True, check=True)
    library = re.search(r"(libssl\.so\.\S+) => (\S+)", linked.stdout)
    if not library:
        raise host.Failed("h2load is not linked to OpenSSL")
    shutil.copy(library[2], os.path.join(folder, library[1]))
    return {**os.environ, "LD_LIBRARY_PATH": folder}


@contextlib.contextmanager
def nginx():
    """(port, pid, environment of the clients) of an nginx within TLS."""
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        cert, key = certificate(folder)
        env = own_library(folder)
        with host.nginx("ssl", f"ssl_certificate {cert}; ssl_certificate_key {key};") as (port, pid):
            yield port, pid, env


def h2load(port, env, seconds, rate=None, cpus=host.OTHER_CPUS):
    """(requests done, seconds): HTTP/1.1 within TLS, at a fixed rate or as fast as it goes."""
    paced = ["--rps", str(rate / CONNECTIONS)] if rate else []
    proc = host.spawn([tool("h2load"), "--h1", "-c", str(CONNECTIONS), "-D", str(seconds), *paced,
                       f"https://127.0.0.1:{port}/"], cpus, env=env, stdout=subprocess.PIPE, text=True)
    started = time.monotonic()
    out = proc.communicate()[0]
    took = time.monotonic() - started
    m = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", out)
    if not m or int(m[2]) or int(m[3]):
        raise host.Failed(f"h2load: {out[-300:]!r}")
    return int(m[1]), took


def at_rate(opts, port, pid, env, rate):
    """CPU us of a request."""
    before = host.cpu_ns(pid)
    done, _ = h2load(port, env, opts.seconds, rate)
    return (host.cpu_ns(pid) - before) / done / 1e3


def cost_of(what, opts, port, pid, env):
    """CPU per request of a server at half its capacity, its plaintext read and not."""
    rows = []
    rate = int(h2load(port, env, 2)[0] / 2 * 0.5)
    at_rate(opts, port, pid, env, rate)  # warm
    for how, args in (("plaintext read", []), ("--tls off", OFF)):
        got = cost.interleaved(opts, pid, [*cost.only(pid), *args],
                               lambda *_: at_rate(opts, port, pid, env, rate))
        more = [t - u for u, t in got.kept]
        if not args:
            rows.append(Row(f"{what}, CPU per request, untraced, {rate} req/s", "µs",
                            [u for u, _ in got.kept]))
        rows.append(Row(f"{what}, CPU per request, added, {how}", "µs", more, None,
                        cost.notes(host.interval(more), got)))
    host.say(f"  {rate} requests/s")
    return rows


def cost_tls(opts):
    """CPU per request of nginx within TLS at half its capacity, its plaintext read and not."""
    with nginx() as (port, pid, env):
        return cost_of("nginx within TLS", opts, port, pid, env)


def saturated_tls(opts):
    """Throughput of nginx within TLS and a client that fill the machine."""
    rows = []
    with nginx() as (port, pid, env):
        os.sched_setaffinity(pid, host.CPUS)
        for what, args in (("plaintext read", []), ("--tls off", OFF)):
            got = cost.interleaved(
                opts, pid, [*cost.only(pid), *args],
                lambda *_: h2load(port, env, opts.seconds, cpus=host.CPUS)[0] / opts.seconds,
                host.CPUS)
            rows.append(Row(f"nginx within TLS, saturated throughput, traced / untraced, {what}", "",
                            [t / u for u, t in got.kept], note=got.note(), digits=3))
    return rows


def runs(name):
    """Program -> how often it ran, of the programs of that name, or that begin so."""
    out = subprocess.run([tool("bpftool"), "-j", "prog", "show"], capture_output=True, text=True,
                         check=True).stdout
    return {p["id"]: p.get("run_cnt", 0) for p in json.loads(out)
            if p.get("name", "").startswith(name)}


@contextlib.contextmanager
def returns_of(pid):
    """A function: how many times the thread has told the kernel of a return by a system call so far,
    counted by the kernel's own tracing of system calls."""
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as at:
        subprocess.run(["mount", "-t", "tracefs", "nodev", at], check=True)
        own = os.path.join(at, "instances", f"sonde-bench-{os.getpid()}")
        try:
            os.mkdir(own)
            event = os.path.join(own, "events", "raw_syscalls", "sys_enter")
            for name, value in (("filter", f"id == {URETPROBE} && common_pid == {pid}"),
                                ("enable", "1")):
                with open(os.path.join(event, name), "w", encoding="ascii") as f:
                    f.write(value)
            yield lambda: sum(int(n) for file in glob.glob(own + "/per_cpu/*/stats")
                              for n in re.findall(r"^(?:entries|overrun): (\d+)", text(file), re.M))
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(own)
            subprocess.run(["umount", "-l", at], check=False)


def text(file):
    with open(file, encoding="ascii") as f:
        return f.read()


def entered(opts, port, pid, env, name, more=()):
    """(traps, system calls) by which the kernel is entered for a request and its answer, at the
    places that the programs of that name watch: what more requests on as many connections cost."""
    theirs, seen = runs(name), []
    with host.Sonde(opts.sonde, [*cost.only(pid), *more, "--probe-stats", "on"]), \
            returns_of(pid) as returned:
        for seconds in (1, 3):
            before, returns = runs(name), returned()
            done, _ = h2load(port, env, seconds, 2000)
            after = runs(name)
            # a return that another sonde watches would be told by the same system call
            if theirs or set(after) != set(before):
                raise host.Failed("another sonde watches too")
            seen.append((done, sum(after.values()) - sum(before.values()), returned() - returns))
    few, many = seen
    done, ran, returns = (m - f for f, m in zip(few, many))
    return round((ran - returns) / done, 2), round(returns / done, 2)


def aside(pid, sonde_pid):
    """In words: of the places that sonde watches in the files that the process runs, how many lie at
    an instruction that the processor has to execute aside, by one step, which is a second trap. The
    kernel tells of places since Linux 6.17."""
    mapped = set(re.findall(r" r-xp .* (/.*)$", text(f"/proc/{pid}/maps"), re.M))
    places = stepped = 0
    for fd in os.listdir(f"/proc/{sonde_pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError):
            link = text(f"/proc/{sonde_pid}/fdinfo/{fd}")
            path = re.search(r"^path:\t(.*)$", link, re.M)
            if not path or path[1] not in mapped:
                continue
            with open(path[1], "rb") as f:
                code = f.read()
            offsets = [int(at, 16) for at in re.findall(r"^\d+\t (0x[0-9a-f]+)", link, re.M)]
            places += len(offsets)
            stepped += sum(not CARRIED_OUT.match(code, at) for at in offsets)
    return f"{stepped} of {places} places at an instruction that takes a step aside" if places else ""


def traps_tls(opts):
    """Entries into the kernel that a request and its answer cost nginx within TLS: traps, and
    system calls of returns."""
    with nginx() as (port, pid, env):
        values = [entered(opts, port, pid, env, "sonde_tls") for _ in range(3)]
        # port 9: of what is there nothing is asked for
        others = [entered(opts, port, pid, env, "sonde_tls", ["--port", "9"]) for _ in range(3)]
        with host.Sonde(opts.sonde, cost.only(pid)) as s:
            note = aside(pid, s.pid)
    return [Row("nginx within TLS, traps, a request and its answer", "", [t for t, _ in values], 3, note),
            Row("nginx within TLS, returns told by a system call, a request and its answer", "",
                [r for _, r in values]),
            Row("nginx within TLS, traps, on a port that is not observed", "", [t for t, _ in others], 3),
            Row("nginx within TLS, returns told by a system call, on a port that is not observed", "",
                [r for _, r in others])]


MEASURES = [cost_tls, saturated_tls, traps_tls]
