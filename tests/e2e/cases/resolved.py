# SPDX-License-Identifier: Apache-2.0
"""What a client's server is called: as it asked for it, else as it was seen to resolve it."""
from harness.case import case
from harness.env import PYTHON, quiet
from harness.proc import Failure, free_port
from harness.sonde import Sonde

from .dns import Dnsmasq
from .namespaces import two_namespaces, within

SERVE = """
import socket, sys
s = socket.create_server(("", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    while c.recv(65536): c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    c.close()
"""
ASK = """
import socket, struct, sys
name, server, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((server, 53))
labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
s.send(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\\0\\0\\1\\0\\1")
address = socket.inet_ntoa(s.recv(512)[-4:])
for host, times in (("", 3), ("Host: other.example\\r\\n", 2), (f"Host: {address}:{port}\\r\\n", 4)):
    c = socket.create_connection((address, port))
    for _ in range(times):
        c.sendall(f"GET / HTTP/1.1\\r\\n{host}\\r\\n".encode())
        c.recv(4096)
    c.close()
"""


def called(m, name):
    out = {}
    for labels, v in m.of(name):
        if labels["service_name"] == "ask":
            out[labels["server_address"]] = out.get(labels["server_address"], 0) + v
    return out


@case(group=None, limit=60)
def server_is_called_as_it_was_resolved(e):
    """In requests that name no server, in TCP's figures, and in a replay; a name that was asked for
    comes first."""
    two_namespaces(e)
    port, recording = free_port(), e.path("recording")
    Dnsmasq(e, "--listen-address=198.51.100.1", "--host-record=shop.example,198.51.100.1", port=53,
            prefix=within(e.data["server"]))
    e.serve([PYTHON, e.write("serve.py", SERVE), port], port, within(e.data["server"]))
    s = Sonde(e, "run", "--port", f"{port},53", "--record", recording).wait_ready()
    e.procs.run([*within(e.data["client"]), PYTHON, e.write("ask.py", ASK), "shop.example",
                 "198.51.100.1", port])
    quiet(1.2)
    m = s.settled_metrics()
    requests = called(m, "http_client_request_duration_seconds_count")
    if requests != {"shop.example": 7, "other.example": 2}:
        raise Failure(f"requests are said to be of {requests}")
    connects = called(m, "sonde_tcp_connects_total")
    if connects != {"shop.example": 3}:
        raise Failure(f"connects are said to be to {connects}")
    s.end()
    again = e.procs.run([e.sonde, "replay", "--metrics", recording]).stdout()
    for server, n in requests.items():
        if not any(line.startswith("http_client_request_duration_seconds_count") and
                   f'server_address="{server}"' in line and line.endswith(f" {n:g}")
                   for line in again.splitlines()):
            raise Failure(f"a replay says nothing of {n} requests of {server}")
