# SPDX-License-Identifier: Apache-2.0
"""What it costs a server that its plaintext is read within TLS, in pairs as in cost.py. The client
has a copy of the library of its own, which nobody watches: what it meets is the server's cost."""

import contextlib
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


def runs_per_request(opts, port, pid, env, name):
    theirs = runs(name)  # another sonde's
    with host.Sonde(opts.sonde, [*cost.only(pid), "--probe-stats", "on"]):
        before = runs(name)
        done, _ = h2load(port, env, 1, 2000)
        return sum(n - before[i] for i, n in runs(name).items()
                   if i in before and i not in theirs) / done


def traps_tls(opts):
    """Entries into the kernel that a request and its answer cost nginx within TLS: entries of
    calls (a trap each) and returns (a system call each since Linux 6.11), counted by the runs of
    the programs at them."""
    with nginx() as (port, pid, env):
        values = [runs_per_request(opts, port, pid, env, "sonde_tls") for _ in range(3)]
    return [Row("nginx within TLS, entries and returns watched, a request and its answer", "", values)]


MEASURES = [cost_tls, saturated_tls, traps_tls]
