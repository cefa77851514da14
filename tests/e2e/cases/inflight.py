# SPDX-License-Identifier: Apache-2.0
"""What has no answer yet is seen while it waits, beside HTTP (waits.py): operations of databases,
calls of RPC."""
import os
import time

from harness import node
from harness.case import case
from harness.env import PROGS, PYTHON, tool
from harness.proc import Failure, free_port, until
from harness.sonde import Sonde

from cases.redis import Redis

WAITER = """
import socket, sys, time
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.sendall(b"*1\\r\\n$4\\r\\nPING\\r\\n")
c.recv(64)
c.sendall(b"*3\\r\\n$5\\r\\nBLPOP\\r\\n$4\\r\\nnone\\r\\n$1\\r\\n5\\r\\n")
c.recv(64)
time.sleep(1000)
"""


def value(m, name, **labels):
    """Of all series with these labels; None: there is none."""
    found = [v for have, v in m.of(name) if all(have.get(k) == x for k, x in labels.items())]
    return sum(found) if found else None


def stays(s, name, labels, oldest):
    """1 in flight, begun by who is just started, which grows old; then 0."""
    started = time.monotonic()
    until(lambda: value(s.metrics(), name, **labels) == 1, 5, f"{name} {labels}")
    began = time.monotonic()
    time.sleep(1.2)
    m = s.metrics()
    age = value(m, "sonde_oldest_active_request_seconds", **oldest)
    if value(m, name, **labels) != 1 or not 1.1 <= (age or 0) <= time.monotonic() - started + 0.1:
        raise Failure(f"after {time.monotonic() - began} s in flight: "
                      f"{value(m, name, **labels)}, the oldest for {age} s")
    until(lambda: value(s.metrics(), name, **labels) == 0, 5, f"end of {name} {labels}")
    age = value(s.metrics(), "sonde_oldest_active_request_seconds", **oldest)
    if age != 0:
        raise Failure(f"nothing is in flight, the oldest for {age} s")


@case(group=None)
def operation_that_waits_is_in_flight(e):
    r = Redis(e)
    s = Sonde(e, "run", "--port", r.port).wait_ready()
    e.procs.start([PYTHON, e.write("waiter.py", WAITER), r.port])
    stays(s, "sonde_db_client_active_operations",
          {"service_name": "waiter", "db_system_name": "redis"},
          {"service_name": "redis-server", "protocol": "redis"})
    s.end()


@case(group=None, limit=90)
def call_that_waits_is_in_flight(e):
    port, env = free_port(), {**os.environ, "NODE_PATH": node.modules(e)}
    e.serve([tool("node"), os.path.join(PROGS, "node", "rpcserver.js"), port], port, env=env)
    s = Sonde(e, "run", "--port", port).wait_ready()
    message = b"wait 5000"
    body = e.write("message", b"\0" + len(message).to_bytes(4, "big") + message)
    e.procs.start([tool("curl"), "-s", "--http2-prior-knowledge", "-H", "te: trailers",
                   "-H", "content-type: application/grpc", "--data-binary", f"@{body}",
                   f"http://127.0.0.1:{port}/shop.Cart/Unary"])
    stays(s, "sonde_rpc_server_active_requests",
          {"service_name": "rpcserver", "rpc_system_name": "grpc"},
          {"service_name": "rpcserver", "protocol": "grpc"})
    s.end()
