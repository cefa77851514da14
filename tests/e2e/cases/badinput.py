# SPDX-License-Identifier: Apache-2.0
"""What a person gets wrong: one line that says what to do, and the exit code of the contract."""
import os
import re
import socket

from harness.case import case
from harness.env import tool
from harness.proc import Failure
from harness.sonde import Metrics, Sonde, get


def refuses(e, argv, code, *words, **kw):
    """Runs to the end: this exit code, one line on stderr with these words, empty stdout."""
    p = e.procs.run(argv, seconds=10, **kw)
    said = p.stderr().strip()
    what = " ".join(os.path.basename(str(a)) for a in argv)
    if p.code != code:
        raise Failure(f"`{what}`: exit code {p.code}, not {code}: {said[-200:]!r}")
    if len(said.splitlines()) != 1:
        raise Failure(f"`{what}`: {len(said.splitlines())} lines on stderr: {said[-300:]!r}")
    for word in words:
        if not re.search(word, said):
            raise Failure(f"`{what}`: {word!r} is not in {said!r}")
    if p.stdout():
        raise Failure(f"`{what}`: wrote {p.stdout()[:100]!r} on stdout")


@case(group=None)
def wrong_flags_values_and_variables(e):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SONDE_", "OTEL_"))}
    for words, argv in (
                    (("--lisen", "--listen"), ["run", "--lisen", "off"]),
                    (("listen", "nonsense"), ["run", "--listen", "nonsense"]),
                    (("ring-size", "16MiB"), ["run", "--ring-size", "many"]),
                    (("duration",), ["tail", "--duration", "5 parsecs"]),
                    (("capture-tier", "socket"), ["run", "--capture-tier", "sockets"]),
                    (("repley", "replay"), ["repley"]),
                    (("filter",), ["tail", "--filter", "status >>"]),
                    (("FILE",), ["record"]),
                    (("port",), ["tail", "--port", "http"])):
        refuses(e, [e.sonde, *argv], 2, *words, env=env)
    refuses(e, [e.sonde, "run"], 2, "SONDE_LISEN", "SONDE_LISTEN",
            env={**env, "SONDE_LISEN": "off"})
    config = e.write("sonde.yaml", "lisen: off\n")
    refuses(e, [e.sonde, "run", "--config", config], 2, "lisen", "listen", env=env)
    config = e.write("sonde.yaml", "ring-size: [a, b\n")
    refuses(e, [e.sonde, "run", "--config", config], 2, "sonde.yaml", env=env)
    refuses(e, [e.sonde, "run", "--config", e.path("none.yaml")], 2, "none.yaml", env=env)


@case(group=None)
def port_in_use(e):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        refuses(e, [e.sonde, "run", "--listen", f"127.0.0.1:{port}"], 1, str(port), "in use")


@case(group=None)
def foreign_and_missing_recordings(e):
    foreign = e.write("foreign", os.urandom(5000))
    refuses(e, [e.sonde, "replay", foreign], 2, "foreign")
    refuses(e, [e.sonde, "replay", e.path("none")], 2, "none")
    refuses(e, [e.sonde, "replay", e.write("empty", b"")], 2, "empty")


@case(group=None)
def missing_rights(e):
    """Root without capabilities, and nobody: which capability is missing."""
    drop = [tool("setpriv"), "--bounding-set", "-all", "--inh-caps", "-all"]
    refuses(e, [*drop, e.sonde, "run", "--listen", "off"], 1, "CAP_(BPF|SYS_ADMIN)")
    nobody = [tool("setpriv"), "--reuid", 65534, "--regid", 65534, "--clear-groups"]
    for command in (["run", "--listen", "off"], ["tail"], ["top", "--once"]):
        refuses(e, [*nobody, e.sonde, *command], 1, "CAP_(BPF|SYS_ADMIN)")


@case(group=None)
def missing_btf(e):
    """A kernel without BTF, as it looks from a mount namespace that hides it."""
    empty = e.path("empty")
    os.mkdir(empty)
    script = f'mount --bind {empty} /sys/kernel/btf && exec "$0" "$@"'
    hide = [tool("unshare"), "-m", "sh", "-c", script]
    refuses(e, [*hide, e.sonde, "run", "--listen", "off"], 1, "BTF")
    p = e.procs.run([*hide, e.sonde, "check"])
    if p.code != 1 or "BTF" not in p.stdout():
        raise Failure(f"check: exit code {p.code}: {p.stdout()[:200]!r}")


@case(group=None)
def check_says_it_works(e):
    p = e.procs.run([e.sonde, "check"])
    if p.code != 0 or "sock_send_length" not in p.stdout():
        raise Failure(f"exit code {p.code}: {(p.stdout() + p.stderr())[:300]!r}")
    p = e.procs.run([e.sonde, "version"])
    if p.code != 0 or "libbpf" not in p.stdout():
        raise Failure(f"version: {p.stdout()[:200]!r}")


@case(group=None)
def http_answers(e):
    """Accept headers of every kind, wrong paths and methods, oversized requests."""
    s = Sonde(e, "run").wait_ready()
    for accept, kind in (("", "text/plain; version=0.0.4"),
                         (";;;q=,,/garbage\x7f;q=zz", "text/plain; version=0.0.4"),
                         ("*/*", "text/plain; version=0.0.4"),
                         ("application/openmetrics-text; version=1.0.0",
                          "application/openmetrics-text; version=1.0.0"),
                         ("application/openmetrics-text;q=0.1,text/plain;q=0.9", "text/plain")):
        status, head, body = get(s.port, "/metrics", {"Accept": accept})
        if status != 200 or not head["Content-Type"].startswith(kind):
            raise Failure(f"Accept {accept!r}: {status} {head['Content-Type']}")
        if kind.startswith("application") != body.endswith("# EOF\n"):
            raise Failure(f"Accept {accept!r}: wrong end {body[-20:]!r}")
    status, head, body = get(s.port, "/metrics", {"Accept-Encoding": "gzip"})
    if head["Content-Encoding"] != "gzip" or not Metrics(body).lost():
        raise Failure("no gzip when asked")
    for path, wanted in (("/healthz", 200), ("/livez", 200), ("/readyz", 200),
                         ("/api/v1/status", 200), ("/nothing", 404),
                         ("/metrics" + "x" * 70000, (400, 414, 431))):
        status = get(s.port, path)[0]
        if status not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            raise Failure(f"{path[:40]}: {status}, not {wanted}")
    p = e.curl("-X", "POST", "-d", "a=b", f"http://127.0.0.1:{s.port}/metrics")
    if p.status != [405]:
        raise Failure(f"POST /metrics: {p.status}")
    s.end()


@case(group=None)
def metrics_lint(e):
    """promtool has nothing to say, where it is installed."""
    s = Sonde(e, "run").wait_ready()
    ng = e.nginx()
    e.curl(f"http://127.0.0.1:{ng.port}/ok", f"http://127.0.0.1:{ng.port}/missing")
    m = s.settled_metrics()
    s.end()
    path = e.write("metrics", m.text)
    p = e.procs.run(["sh", "-c", 'exec "$0" check metrics < "$1"', tool("promtool"), path])
    said = [l for l in (p.stdout() + p.stderr()).splitlines() if "process_thread_count" not in l
            and "process_unix_file_descriptor_count" not in l]
    if said:
        raise Failure("; ".join(said[:3]))
