# SPDX-License-Identifier: Apache-2.0
"""
Tables of the kernel that processes and threads fill in their thousands, filled from outside: what
finds no room is counted, once each, and all else goes on.
"""
import json
import signal
import subprocess

from harness.case import case
from harness.env import PYTHON, tool
from harness.holdings import held_objects, listed
from harness.proc import Failure, until
from harness.sonde import Sonde

from .tls import python_client, python_server

NOBODY = 5_000_000  # above the highest number a process or thread can have
NO_SOCKET = 1 << 60  # above any cookie
MANY = 20


class Table:
    """A hash of a running sonde by the numbers of processes, threads or sockets, which others
    fill."""

    def __init__(self, e, s, name):
        mine = held_objects(s.proc.pid)
        found = next(m for m in listed("map") if ("map", m["id"]) in mine and m["name"] == name)
        self.id, self.room, self.width = found["id"], found["max_entries"], found["bytes_key"]
        self.value = " 0x00" * found["bytes_value"]
        self.file = e.path(f"{name}.batch")

    def batch(self, verb, value):
        with open(self.file, "w", encoding="ascii") as f:
            for n in range(self.room):
                n += NOBODY if self.width == 4 else NO_SOCKET
                key = " ".join(f"0x{b:02x}" for b in n.to_bytes(self.width, "little"))
                f.write(f"map {verb} id {self.id} key {key}{value}\n")
        return subprocess.run([tool("bpftool"), "batch", "file", self.file], capture_output=True,
                              timeout=20, check=False).returncode == 0

    def keys(self):
        out = subprocess.run([tool("bpftool"), "-j", "map", "dump", "id", str(self.id)],
                             capture_output=True, timeout=10, check=True).stdout
        return {int.from_bytes(bytes(int(b, 16) for b in x["key"]), "little")
                for x in json.loads(out)}

    def fill(self):
        """With nobody's alone: those that are in it by right leave it as they end."""
        until(lambda: self.batch("update", f" value{self.value}"), 20, "room for nobody's alone")

    def clear(self):
        if not self.batch("delete", ""):
            raise Failure("not all of what was put in is there")


def proc_comm(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
        return f.read().strip()


def left_out(s, table):
    return sum(v for labels, v in s.metrics().of("sonde_table_full_total")
               if labels["table"] == table)


def ends(s):
    return sum(v for labels, v in s.metrics().of("sonde_process_exits_total")
               if labels["service_name"] == "brief" and labels["reason"] == "exit")


@case(group=None, limit=60)
def full_of_processes_nobody_waits_for(e):
    """Their ends are told all the same; what an end takes is not, and that is counted."""
    ng = e.nginx("location = /brief { return 200; }")
    s = Sonde(e, "run", "--comm", "brief").wait_ready()
    table = Table(e, s, "parting")

    def more(n):
        before = ends(s)
        for _ in range(n):
            e.procs.run([e.program("brief"), ng.port])
        until(lambda: ends(s) >= before + n, 10, f"{n} ends, beyond {before}")
    more(MANY)
    if left_out(s, "process_ends"):
        raise Failure("counted where there was room")
    table.fill()
    more(MANY)
    # of the host's others, not known yet, some may have ended as well
    until(lambda: left_out(s, "process_ends") >= MANY, 10, "those without room")
    table.clear()
    s.settled_metrics()
    counted = left_out(s, "process_ends")
    more(MANY)
    if left_out(s, "process_ends") >= counted + MANY:
        raise Failure(f"counted where there is room again: {left_out(s, 'process_ends')}")
    if ends(s) != 3 * MANY:
        raise Failure(f"{ends(s)} ends of {3 * MANY}")
    s.end()


MAKER = """
import http.client, signal, sys, threading
port, n = map(int, sys.argv[1:])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
conn = http.client.HTTPConnection("127.0.0.1", port)
print("ready", flush=True)
while True:
    signal.sigwait([signal.SIGUSR1])
    conn.request("GET", "/brief")
    conn.getresponse().read()
    for _ in range(n):
        t = threading.Thread(target=lambda: None)
        t.start()
        t.join()
    print("made", flush=True)
"""


@case(group=None, limit=60)
def full_of_threads_that_were_made(e):
    """Each thread that a request may have been handed to, and whose end cannot be told, counts."""
    ng = e.nginx("location = /brief { return 200; }")
    maker = e.procs.start([PYTHON, e.write("maker.py", MAKER), ng.port, MANY])
    until(lambda: maker.stdout(), 10, "a program that makes threads")
    s = Sonde(e, "run", "--pid", maker.pid).wait_ready()
    table = Table(e, s, "made")

    def more(rounds):
        maker.signal(signal.SIGUSR1)
        until(lambda: maker.stdout().count("made") == rounds, 10, "threads made")
    more(1)
    if left_out(s, "trace_threads_made"):
        raise Failure("counted where there was room")
    table.fill()
    more(2)
    until(lambda: left_out(s, "trace_threads_made") >= MANY, 10, "those without room")
    table.clear()
    more(3)
    s.settled_metrics()
    if left_out(s, "trace_threads_made") != MANY:
        raise Failure(f"{left_out(s, 'trace_threads_made')} of {MANY} counted")
    s.end()


TURNER = """
import http.client, os, signal, sys, threading
port = int(sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
conn = http.client.HTTPConnection("127.0.0.1", port)

def turn():
    print(threading.get_native_id(), flush=True)
    signal.sigwait([signal.SIGUSR2])
    os.execv("/bin/sleep", ["sleep", "50"])
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
conn.request("GET", "/brief")
conn.getresponse().read()
threading.Thread(target=turn).start()
"""
TURNERS = 8


@case(group=None, limit=60)
def threads_that_become_another_program(e):
    """A thread that is not its process's first and begins a program is the first from then on: its
    own number is nobody's, and takes no room any more."""
    ng = e.nginx("location = /brief { return 200; }")
    script = e.write("turner.py", TURNER)
    made = [e.procs.start([PYTHON, script, ng.port]) for _ in range(TURNERS)]
    until(lambda: all(p.stdout() for p in made), 10, "programs that make threads")
    s = Sonde(e, "run", *[a for p in made for a in ("--pid", p.pid)]).wait_ready()
    table = Table(e, s, "made")
    for p in made:
        p.signal(signal.SIGUSR1)
    until(lambda: all(p.stdout().count("\n") == 2 for p in made), 10, "threads")
    threads = {int(p.stdout().split()[1]) for p in made}
    until(lambda: threads <= table.keys(), 10, "the threads in the table")
    for p in made:
        p.signal(signal.SIGUSR2)
    until(lambda: all(proc_comm(p.pid) == "sleep" for p in made), 10, "other programs")
    if threads & table.keys():
        raise Failure(f"{len(threads & table.keys())} of {TURNERS} threads that are no more "
                      "are still in the table")
    s.end()


LEAVERS = """
import socket, ssl, struct, sys
hello = ssl.MemoryBIO()
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), hello,
                                                     server_hostname="localhost").do_handshake()
except ssl.SSLWantReadError:
    hello = hello.read()
for _ in range(int(sys.argv[2])):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(hello)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
"""


@case(group=None, limit=60)
def full_of_handshakes_in_memory(e):
    """A connection whose handshake finds no room is counted, and learns of its object when it is
    read from; one that is gone is remembered by nobody, however it went."""
    port, rounds = python_server(e, "asyncio"), 0
    s = Sonde(e, "run", "--port", port).wait_ready()
    table = Table(e, s, "tls_shaken")

    def load():
        nonlocal rounds
        rounds += 1
        e.procs.run(python_client(e, port, "thread", MANY, 2), seconds=20)
        want = 2 * MANY * rounds
        until(lambda: s.metrics().requests("server").total() == want, 10, f"{want} requests told")
    load()
    e.procs.run([PYTHON, e.write("leavers.py", LEAVERS), port, MANY])
    until(lambda: not table.keys(), 10, "what is gone to be forgotten")
    if left_out(s, "tls_handshakes"):
        raise Failure("counted where there was room")
    table.fill()
    load()
    until(lambda: left_out(s, "tls_handshakes") >= MANY, 10, "those without room")
    table.clear()
    counted = left_out(s, "tls_handshakes")
    load()
    lost = {k: v for k, v in s.settled_metrics().lost().items() if v}
    if left_out(s, "tls_handshakes") != counted or lost:
        raise Failure(f"{counted} counted, and more where there was room again; lost {lost}")
    s.end()
