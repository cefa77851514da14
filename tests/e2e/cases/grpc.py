# SPDX-License-Identifier: Apache-2.0
"""gRPC as npm's @grpc/grpc-js speaks it: every kind of call, every status, deadline, cancelling."""
import json
import os
from collections import Counter

from harness import node
from harness.case import case
from harness.env import PROGS, quiet, tool
from harness.expect import Expect, difference, waited
from harness.proc import Failure, free_port
from harness.sonde import Sonde


build = node.modules


def call(e, *secured):
    """Server and client, within TLS by a certificate and its key; the port and what the client says
    came of its calls."""
    port, env = free_port(), {**os.environ, "NODE_PATH": node.modules(e)}
    e.serve([tool("node"), os.path.join(PROGS, "node", "rpcserver.js"), port, *secured], port, env=env)
    p = e.procs.run([tool("node"), os.path.join(PROGS, "node", "rpcclient.js"), port, *secured[:1]],
                    env=env)
    if p.code:
        raise Failure(f"rpcclient.js: {p.stderr()[-300:]}")
    quiet()
    return port, json.loads(p.stdout())


def truth_of(said):
    truth = Counter()
    for key, n in said["counts"].items():
        method, status = key.split(" ")
        error = None if status == "OK" else status
        truth[("shop.Cart/" + method, None, status, error)] += n
    return truth


# which of the calls that came off were timed, in the order of rpcclient.js: each of them is awaited
TIMED = {"Unary": (50, slice(-3, None)), "Down": (100, slice(3))}


def timed(transactions, said):
    """A call lasts until its last byte, a stream of messages until the last of them."""
    found = []
    for method, (least_ms, which) in TIMED.items():
        for role in ("server", "client"):
            mine = sorted((t for t in transactions if t["role"] == role and t["status"] == "OK" and
                           t["method"] == "shop.Cart/" + method), key=lambda t: t["time_unix_nano"])
            # its timers count whole milliseconds
            found += waited(mine[which], least_ms - 1, said["took"][method], (role,))
    return found


def check(transactions, said):
    found = [f"{t['protocol']} {t['version']} {t['system']}" for t in transactions
             if (t["protocol"], t["version"], t["system"]) != ("grpc", "2", "grpc")]
    return found + timed(transactions, said)


@case(before=node.modules, limit=90)
def grpc_calls(e):
    port, said = call(e)
    return Expect(port, truth_of(said), "rpcserver", "rpcclient",
                  check=lambda t: check(t, said), kind="rpc")


@case(group=None, limit=90)
def grpc_metrics(e):
    """Messages both ways; and no series of HTTP for what is told as a call."""
    node.modules(e)
    s = Sonde(e, "run", "--server-address", "on").wait_ready()
    port, said = call(e)
    m = s.settled_metrics()
    s.end()
    found = [f"HTTP too: {k}" for k in m.requests("server", port)]
    for role, service in (("server", "rpcserver"), ("client", "rpcclient")):
        truth = Counter({(service, *k): n for k, n in truth_of(said).items()})
        found += difference(role, truth, m.calls(role, port))
    messages = Counter({(l["service_name"], l["rpc_method"], l["direction"]): int(v)
                        for l, v in m.of("sonde_rpc_messages_total")})
    for method in ("Up", "Both", "Nope"):
        name = "shop.Cart/" + method
        for service, to in (("rpcserver", "received"), ("rpcclient", "sent")):
            if messages[(service, name, to)] != said["sent"][method]:
                found.append(f"{service} {method} {to}: {messages[(service, name, to)]}")
        for service, to in (("rpcserver", "sent"), ("rpcclient", "received")):
            if messages[(service, name, to)] != said["received"][method]:
                found.append(f"{service} {method} {to}: {messages[(service, name, to)]}")
    if found:
        raise Failure("; ".join(found[:6]))
