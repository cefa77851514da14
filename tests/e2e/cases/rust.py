# SPDX-License-Identifier: Apache-2.0
"""rustls at both ends: plaintext passes in other calls than records, and on other threads' turns."""
import json
import os
import shutil

from harness.case import case
from harness.env import PROGS, tool
from harness.expect import Expect
from harness.proc import Failure, free_port, until
from harness.replay import replay
from harness.sonde import Sonde

from . import tls

REGISTRY = "/usr/share/cargo/registry"  # where distributions put the sources of crates


def program(e):
    """progs/rust, built as releases are, beside what make builds: not once for each tier."""
    folder = os.path.join(os.path.dirname(PROGS), "..", "..", "build", "e2e-rust")
    shutil.copytree(os.path.join(PROGS, "rust"), folder, dirs_exist_ok=True)
    debian = "/usr/bin/cargo"
    cargo = debian if os.path.exists(debian) else tool("cargo")
    p = e.procs.run([cargo, "build", "--release", "--offline", "--quiet",
                     "--config", 'source.crates-io.replace-with="host"',
                     "--config", f'source.host.directory="{REGISTRY}"'], cwd=folder, seconds=400,
                    env={**os.environ, "PATH": "/usr/bin:/bin", "CARGO_HOME": e.path("cargo"),
                         "RUSTFLAGS": ""})
    if p.code:
        raise Failure(f"progs/rust: {p.stderr().strip()[-300:]}")
    path = e.path("secure-rust")
    shutil.copy(os.path.join(folder, "target", "release", "secure-rust"), path)
    return path


build = program


def certificate(e):
    """In DER, which rustls takes."""
    cert, key = tls.certificate(e)
    made = e.path("cert.der"), e.path("key.der")
    e.procs.run([tool("openssl"), "x509", "-in", cert, "-outform", "der", "-out", made[0]])
    e.procs.run([tool("openssl"), "pkcs8", "-topk8", "-nocrypt", "-in", key, "-outform", "der", "-out",
                 made[1]])
    return made


def serve(e, path):
    port = free_port()
    e.serve([path, "serve", port, *certificate(e)], port)
    return port


def asked(p, connections):
    told = dict(line.split() for line in p.stdout().splitlines())
    if p.code or len(told) != connections:
        raise Failure(f"the client: {len(told)} connections, exit {p.code}: {p.stderr()[-200:]}")
    return told


@case(group=None, limit=420)
def rust_tls_over_50(e):
    """Threads of a server that each serve many connections in turn, a client with one for each."""
    path, connections, requests = program(e), 50, e.amount(60, 200)
    port = serve(e, path)
    # the program is known: its client is watched before it connects
    w = tls.Watched(e, port)
    p = e.procs.run([path, "ask", port, connections, requests], seconds=60)
    told = asked(p, connections)
    w.judge(Expect(port, {("GET", tls.ROUTE, 200): connections * requests}, "secure-rust",
                   "secure-rust", check=tls.each_on_its_own(told)))
    n = sum(q.stdout().count("GET /marked/") for q in e.procs.all)
    e.figures.update(sent=connections * requests, connections=connections, counted=n, lost={})
    if n != connections * requests:
        raise Failure(f"the server's own log has {n} requests")


@case(group=None, limit=420)
def rust_tls_older_than_sonde(e):
    """Connections that were there before: from where their states are known, none mistaken."""
    path, connections, requests = program(e), 10, 200
    port = serve(e, path)
    p = e.procs.start([path, "ask", port, connections, requests, 12])
    until(lambda: len(p.stdout().splitlines()) == connections, 5, "connections")
    w = tls.Watched(e, port)
    p.code = p.wait(40)
    if p.code:
        raise Failure(f"the client: {p.stderr()[-200:]}")
    m = w.sonde.settled_metrics()
    w.sonde.end()
    os.chmod(w.file, 0o644)
    seen = [json.loads(line) for line in replay(e, w.file).stdout().splitlines()]
    found = tls.each_on_its_own(asked(p, connections))(seen)
    for role in ("server", "client"):
        n = m.requests(role)[("secure-rust", "GET", tls.ROUTE, 200, None)]
        if not 100 <= n < connections * requests:
            found.append(f"{role}: {n} requests")
    if found:
        raise Failure("; ".join(found))


@case(group=None, limit=420)
def rust_tls_check(e):
    """With its symbols it is read; stripped it is dark, and both are said."""
    plain = program(e)
    stripped = e.path("stripped-rust")
    e.procs.run(["strip", "-o", stripped, plain])
    port = serve(e, stripped)
    dark = e.procs.all[-1].pid
    s = Sonde(e, "run", "--port", port).wait_ready()
    p = e.procs.start([stripped, "ask", port, 4, 1, 20000])
    until(lambda: len(p.stdout().splitlines()) == 4, 5, "connections")
    until(lambda: any(labels["library"] == "rustls" and int(n) == 4 for labels, n in
                      s.metrics().of("sonde_dark_connections")), 10, "dark connections of rustls")
    if s.metrics().requests("server"):
        raise Failure("requests of a program without symbols")
    s.end()
    serve(e, plain)
    found = []
    for pid, is_read in ((e.procs.all[-1].pid, True), (dark, False)):
        told = tls.told_of(e, pid)
        if (told["tls"], told["tls_read"], bool(told["tls_why"])) != ("rustls", is_read, not is_read):
            found.append(f"check: {told}")
    if found:
        raise Failure("; ".join(found))
