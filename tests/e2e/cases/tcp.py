# SPDX-License-Identifier: Apache-2.0
"""TCP per service and peer: equal to what the kernel says of the same sockets, and to what was done
to them."""
import os
import re
import time

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.proc import Failure, free_port, until
from harness.sonde import Sonde

from cases.namespaces import ip, joined, netns, within

WALK = 6  # the sockets are looked at every 5 s
LIMIT = 60

# `told` is a file the case waits for, `until` one that the case makes
SINK = """
import os, socket, sys, time
port, told, until = int(sys.argv[1]), sys.argv[2], sys.argv[3]
s = socket.create_server(("", port))
c, _ = s.accept()
got = 0
while got < 400000: got += len(c.recv(65536))
c.sendall(b"done")
open(told, "w").close()
while not os.path.exists(until): time.sleep(0.05)
"""
PUMP = """
import os, socket, sys, time
host, port, until, took = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
began = time.monotonic()
c = socket.create_connection((host, port))
with open(took, "w") as f: f.write(str(time.monotonic() - began))
c.sendall(b"x" * 400000)
c.recv(4)
while not os.path.exists(until): time.sleep(0.05)
"""


def total(m, name, service, **labels):
    return sum(v for have, v in m.of(name) if have.get("service_name") == service and
               all(have.get(k) == str(x) for k, x in labels.items()))


def same(what, got, truth):
    if got != truth:
        raise Failure(f"{what}: {got}, in truth {truth}")


def same_when_walked(s, what, figure, truth):
    """figure(metrics) is the truth; on a busy host a walk may come late."""
    end = time.monotonic() + 3 * WALK
    while (got := figure(s.metrics())) != truth and time.monotonic() < end:
        quiet(0.3)
    same(what, got, truth)


def ss(prefix, port):
    """What the kernel says of the one established connection at this port."""
    out = os.popen(" ".join([*prefix, tool("ss"), "-tinH", "state", "established",
                             f"'( sport = :{port} or dport = :{port} )'"])).read()
    found = {k: float(v) for k, v in re.findall(r"\b(bytes_\w+|rtt):([\d.]+)", out)}
    again = re.search(r" retrans:\d+/(\d+)", out)
    if "rtt" not in found:
        raise Failure(f"ss says {out!r}")
    return {"retransmits": int(again[1]) if again else 0, "rtt": found["rtt"] / 1000,
            "transmit": found.get("bytes_sent", 0) - found.get("bytes_retrans", 0),
            "receive": found.get("bytes_received", 0)}


def wired(e, delay_ms, lose_every):
    """Two namespaces, and between them a third with a cable that is slow and loses."""
    server, client, wire = netns(e, "a"), netns(e, "b"), netns(e, "w")
    for name, host, end in ((client, 2, "w0"), (server, 1, "w1")):
        ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", wire)
        ip("-n", name, "address", "add", f"198.51.100.{host}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", wire, "link", "set", end, "up")
        e.procs.run([*within(name), PYTHON, os.path.join(PROGS, "wire.py"), "plain", "eth0"])
    e.procs.start([*within(wire), PYTHON, os.path.join(PROGS, "wire.py"), delay_ms, lose_every,
                   "w0", "w1"])
    return server, client


def round_trips(m, service, port=None):
    where = {"server_address": "198.51.100.1", "server_port": port} if port else {}
    return (total(m, "sonde_tcp_rtt_seconds_sum", service, **where),
            total(m, "sonde_tcp_rtt_seconds_count", service, **where))


@case(group=None, limit=LIMIT)
def tcp_over_a_wire_that_loses(e):
    """Both ends, open and closed: segments sent again, bytes, round trip, handshake."""
    server, client = wired(e, 20, 25)
    port, told, end = free_port(), e.path("told"), e.path("end")
    s = Sonde(e, "run", "--port", port).wait_ready()
    e.serve([PYTHON, e.write("sink.py", SINK), port, told, end], port, within(server))
    e.procs.start([*within(client), PYTHON, e.write("pump.py", PUMP), "198.51.100.1", port, end,
                   e.path("took")])
    until(lambda: os.path.exists(told), 25, "end of the transfer")
    quiet(2)  # the last acknowledgements
    ends = (("pump", client, port), ("sink", server, None))
    for service, name, _ in ends:
        truth = e.figures[service] = ss(within(name), port)
        same_when_walked(s, f"{service}'s segments sent again",
                         lambda m: total(m, "sonde_tcp_retransmits_total", service),
                         truth["retransmits"])
        for way in ("transmit", "receive"):
            same_when_walked(s, f"{service}'s bytes, {way}", lambda m: total(
                m, "sonde_tcp_bytes_total", service, direction=way), truth[way])
            same_when_walked(s, f"bytes of {service}'s process, {way}", lambda m: total(
                m, "process_network_io_bytes_total", service, network_io_direction=way), truth[way])
    before = s.metrics()
    until(lambda: all(round_trips(s.metrics(), service, peer)[1] >
                      round_trips(before, service, peer)[1] for service, _, peer in ends), WALK, "walk")
    m = s.metrics()
    for service, _, peer in ends:
        truth = e.figures[service]
        a, b = round_trips(before, service, peer), round_trips(m, service, peer)
        rtt = (b[0] - a[0]) / (b[1] - a[1])
        if abs(rtt - truth["rtt"]) > 2e-6 or rtt < 0.04:
            raise Failure(f"{service}'s round trip: {rtt}, in truth {truth['rtt']} of at least 40 ms")
    if not e.figures["pump"]["retransmits"] >= 10:
        raise Failure("every 25th segment was lost, and none was sent again")
    where = {"server_address": "198.51.100.1", "server_port": port}
    same("handshakes", total(m, "sonde_tcp_connect_duration_seconds_count", "pump", **where), 1)
    took = total(m, "sonde_tcp_connect_duration_seconds_sum", "pump", **where)
    with open(e.path("took"), encoding="ascii") as f:
        most = float(f.read())  # the hardware address is asked for first, on the same wire
    if not 0.04 <= took <= most:
        raise Failure(f"a handshake over 40 ms took {took}, for the client {most}")
    for service, role in (("pump", "client"), ("sink", "server")):
        same(f"{service}'s connections", total(m, "sonde_tcp_active_connections", service, role=role), 1)
    e.write("end", "")
    for service, role in (("pump", "client"), ("sink", "server")):
        same_when_walked(s, f"{service}'s connections once closed", lambda m: total(
            m, "sonde_tcp_active_connections", service, role=role), 0)
        for way in ("transmit", "receive"):
            same(f"{service}'s bytes once closed, {way}",
                 total(s.metrics(), "sonde_tcp_bytes_total", service, direction=way),
                 e.figures[service][way])
            same(f"bytes of {service}'s process once it has ended, {way}", total(
                s.metrics(), "process_network_io_bytes_total", service, network_io_direction=way),
                e.figures[service][way])
    s.end()


KNOCK = """
import socket, sys
port = int(sys.argv[1])
def knock(host, port, times, family=socket.AF_INET):
    for _ in range(times):
        s = socket.socket(family)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        s.setsockopt(socket.IPPROTO_TCP, 18, 400)  # TCP_USER_TIMEOUT
        try: s.connect((host, port))
        except OSError: pass
        s.close()
listener = socket.create_server(("127.0.0.1", port + 1))
listener6 = socket.create_server(("::1", port + 1), family=socket.AF_INET6)
full = socket.create_server(("127.0.0.1", port + 2), backlog=0)
filler = socket.create_connection(("127.0.0.1", port + 2))
knock("127.0.0.1", port, 3)
knock("127.0.0.1", port + 1, 4)
knock("::1", port + 1, 2, socket.AF_INET6)
knock("::ffff:127.0.0.1", port, 1, socket.AF_INET6)
knock("::ffff:127.0.0.1", port + 1, 1, socket.AF_INET6)
knock("127.0.0.1", port + 2, 2)
gone = [socket.socket() for _ in range(2)]
for s in gone: s.setblocking(False); s.connect_ex(("198.51.100.9", port))
import select
for s in gone: select.select([], [s], [], 8)
"""


@case(group=None, limit=LIMIT)
def tcp_connects_by_what_came_of_them(e):
    server, client = joined(e)
    ip("-n", client, "address", "add", "198.51.100.2/24", "dev", "eth0")
    for name in (server, client):
        ip("-n", name, "link", "set", "eth0", "up")
    port = free_port()
    s = Sonde(e, "run", "--port", f"{port},{port + 1},{port + 2}").wait_ready()
    e.procs.run([*within(client), PYTHON, e.write("knock.py", KNOCK), port])
    quiet(0.5)
    m = s.metrics()
    got = {(h["result"], h["server_address"], int(h["server_port"]) - port): v
           for h, v in m.of("sonde_tcp_connects_total") if h["service_name"] == "knock"}
    same("connects", got, {("refused", "127.0.0.1", 0): 4, ("ok", "127.0.0.1", 1): 5,
                           ("ok", "::1", 1): 2, ("ok", "127.0.0.1", 2): 1, ("timeout", "127.0.0.1", 2): 2,
                           ("unreachable", "198.51.100.9", 0): 2})
    same("handshakes", total(m, "sonde_tcp_connect_duration_seconds_count", "knock"), 8)
    s.end()


AT_ONCE = """
import errno, socket, sys
came = []
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.settimeout(5)
    came.append(s.connect_ex(("198.51.100.1", int(sys.argv[1]))))
    s.close()
print(*(errno.errorcode.get(n, "ok") for n in came))
"""


@case(group=None, limit=LIMIT)
def tcp_connects_that_are_reset(e):
    """Both ends begin at once: the only way in which a connect can end by a reset. One that is not
    reset stays a client's."""
    (far, client), port = joined(e), free_port()
    ip("-n", client, "address", "add", "198.51.100.2/24", "dev", "eth0")
    for name in (far, client):
        ip("-n", name, "link", "set", "eth0", "up")
    # nobody there answers but the program
    ip("-n", client, "neighbour", "add", "198.51.100.1", "lladdr", "02:00:00:00:00:01", "dev", "eth0")
    ip("-n", far, "link", "set", "eth0", "promisc", "on")
    e.procs.start([*within(far), PYTHON, os.path.join(PROGS, "peer.py"), "eth0", 7])
    s = Sonde(e, "run", "--port", port).wait_ready()
    told = e.procs.run([*within(client), PYTHON, e.write("atonce.py", AT_ONCE), port, 10]).stdout()
    same("what the client was told", told.split(), ["ECONNRESET"] * 7 + ["ok"] * 3)

    def connects(m):
        return {h["result"]: v for h, v in m.of("sonde_tcp_connects_total")
                if h["service_name"] == "atonce" and h["server_port"] == str(port)}
    same_when_walked(s, "connects", connects, {"reset": 7, "ok": 3})
    m = s.metrics()
    same("resets", total(m, "sonde_tcp_resets_total", "atonce", direction="receive"), 7)
    same("handshakes", total(m, "sonde_tcp_connect_duration_seconds_count", "atonce"), 3)
    s.end()


LAZY = """
import socket, sys, time
s = socket.create_server(("", int(sys.argv[1])), backlog=1)
time.sleep(1000)
"""
EAGER = """
import socket, sys, time
held = [socket.socket() for _ in range(6)]
for s in held: s.setblocking(False); s.connect_ex(("127.0.0.1", int(sys.argv[1])))
time.sleep(3.5)
"""


@case(group=None, limit=LIMIT)
def tcp_accept_queue_that_overflows(e):
    """Who does not accept: how many wait, and how many were let go."""
    world, port = netns(e, "a"), free_port()
    s = Sonde(e, "run", "--port", port).wait_ready()
    lazy = e.serve([PYTHON, e.write("lazy.py", LAZY), port], port, within(world))
    quiet(WALK)
    eager = e.procs.start([*within(world), PYTHON, e.write("eager.py", EAGER), port])
    eager.wait(10)

    def overflows():
        with open(f"/proc/{lazy.pid}/net/netstat", encoding="ascii") as f:
            names, values = [line.split() for line in f][:2]
        return int(values[names.index("ListenOverflows")])
    quiet(1)
    same_when_walked(s, "let go beyond the kernel's count", lambda m: total(
        m, "sonde_tcp_accept_overflows_total", "lazy") - overflows(), 0)
    e.figures["overflows"] = truth = overflows()
    if truth < 8:
        raise Failure(f"only {truth} overflows")
    same_when_walked(s, "waiting", lambda m: total(m, "sonde_tcp_accept_queue_length", "lazy",
                                                   role="server"), 2)
    s.end()


RESETTER = """
import socket, struct, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    c, _ = s.accept()
    if c.recv(4) == b"slam":
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        continue
    c.sendall(b"here")
    try: c.recv(4096)
    except ConnectionResetError: pass
"""
VISITOR = """
import socket, struct, sys
for word in (b"slam", b"slam", b"slam", b"wait", b"wait"):
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    c.sendall(word)
    if word == b"wait":
        c.recv(4)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        continue
    try: c.recv(1)
    except ConnectionResetError: pass
    c.close()
"""


@case(group=None)
def tcp_resets_both_ways(e):
    port = free_port()
    s = Sonde(e, "run", "--port", port).wait_ready()
    e.serve([PYTHON, e.write("slammer.py", RESETTER), port], port)
    e.procs.run([PYTHON, e.write("visitor.py", VISITOR), port])
    quiet(0.3)
    for service, way, n in (("slammer", "transmit", 3), ("slammer", "receive", 2),
                            ("visitor", "transmit", 2), ("visitor", "receive", 3)):
        same_when_walked(s, f"{service}'s resets, {way}", lambda m: total(
            m, "sonde_tcp_resets_total", service, direction=way), n)
    s.end()


DEAF = """
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c, _ = s.accept()
c.recv(1)
time.sleep(1000)
"""
TALKER = """
import socket, sys, time
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
c.sendall(b"x")
c.setblocking(False)
try:
    while True: c.send(b"x" * 65536)
except BlockingIOError: pass
time.sleep(1000)
"""


@case(group=None, limit=LIMIT)
def tcp_windows_that_close(e):
    """Who does not read closes the window once; who writes finds it closed."""
    port = free_port()
    s = Sonde(e, "run", "--port", port).wait_ready()
    e.serve([PYTHON, e.write("deaf.py", DEAF), port], port)
    e.procs.start([PYTHON, e.write("talker.py", TALKER), port])
    quiet(2 * WALK)
    for service, way, n in (("deaf", "transmit", 1), ("deaf", "receive", 0),
                            ("talker", "transmit", 0), ("talker", "receive", 1)):
        same_when_walked(s, f"{service}'s windows closed, {way}", lambda m: total(
            m, "sonde_tcp_zero_windows_total", service, direction=way), n)
    s.end()


HOST = """
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
held = []
while True: held.append(s.accept()[0])
"""
GUEST = """
import os, socket, sys, time
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
open(sys.argv[3], "w").close()
time.sleep(1000)
"""


@case(group=None, limit=LIMIT)
def tcp_connections_that_are_idle(e):
    """Those that nobody has ever used count, also the ones that are older than sonde where that can
    be known; of a process that the filter leaves out none do."""
    port, known = free_port(), 0 if e.tier == "syscall" else 5
    guest = e.write("guest.py", GUEST)

    def visit(n, name):
        told = e.path(f"told-{name}")
        p = e.procs.start([PYTHON, guest, port, n, told])
        until(lambda: os.path.exists(told), 5, f"connections of {name}")
        return p
    e.serve([PYTHON, e.write("host.py", HOST), port], port)
    old = visit(5, "old")
    s = Sonde(e, "run", "--port", port).wait_ready()
    since = time.monotonic()
    other = Sonde(e, "run", "--pid", old.pid).wait_ready()
    quiet(WALK)
    since = since if known else time.monotonic()
    young = visit(2, "young")
    quiet(WALK)
    for service, role in (("guest", "client"), ("host", "server")):
        same_when_walked(s, f"{service}'s connections", lambda m: total(
            m, "sonde_tcp_active_connections", service, role=role), 2 + known)
        age = total(s.metrics(), "sonde_tcp_oldest_connection_seconds", service, role=role)
        seen = time.monotonic() - since
        if not seen - 2 <= age <= seen + 4:
            raise Failure(f"the oldest of {service}'s is {age} s old, seen for {seen} s")
    same_when_walked(other, "connections of one process",
                     lambda m: total(m, "sonde_tcp_active_connections", "guest"), known)
    same("and of its server", total(other.metrics(), "sonde_tcp_active_connections", "host"), 0)
    old.stop()
    young.stop()
    for service in ("guest", "host"):
        same_when_walked(s, f"{service}'s connections once closed",
                         lambda m: total(m, "sonde_tcp_active_connections", service), 0)
    s.end()
