# SPDX-License-Identifier: Apache-2.0
"""What it costs a Go server that its plaintext is read within TLS, as in tls.py."""

import contextlib
import os
import subprocess
import tempfile

import cost
import host
import tls
from host import Row

SOURCE = os.path.join(os.path.dirname(__file__), "..", "e2e", "progs", "secure.go")


def build(folder):
    path = os.path.join(folder, "secure")
    env = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "HOME": folder,
           "GOCACHE": os.path.join(folder, "cache"), "CGO_ENABLED": "0"}
    done = subprocess.run([tls.tool("go"), "build", "-ldflags=-s -w", "-o", path, SOURCE], env=env,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise host.Failed(f"secure.go: {done.stderr[-200:]}")
    return path


@contextlib.contextmanager
def server():
    """(port, pid, environment of the clients) of net/http within TLS, stripped."""
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        cert, key = tls.certificate(folder)
        env, port = tls.own_library(folder), host.free_port()
        proc = host.spawn([build(folder), "serve", str(port), cert, key], host.SERVER_CPU,
                          stdout=subprocess.DEVNULL)
        try:
            host.wait_port(port, proc)
            yield port, proc.pid, env
        finally:
            host.stop(proc)


def cost_go(opts):
    """CPU per request of a Go server within TLS at half its capacity, its plaintext read and not."""
    with server() as (port, pid, env):
        return tls.cost_of("net/http within TLS", opts, port, pid, env)


def traps_go(opts):
    """Traps that a request and its answer cost net/http within TLS."""
    with server() as (port, pid, env):
        values = [tls.entered(opts, port, pid, env, "sonde_go_tls")[0] for _ in range(3)]
    return [Row("net/http within TLS, traps, a request and its answer", "", values, 3)]


MEASURES = [cost_go, traps_go]
