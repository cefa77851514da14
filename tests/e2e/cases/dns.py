# SPDX-License-Identifier: Apache-2.0
"""A real name server, asked over TCP: what sonde says of each question is what the server logs."""
import re
import socket
import struct
from collections import Counter

from harness.case import case
from harness.env import quiet, tool
from harness.expect import Expect
from harness.proc import Failure, free_port, until

from .plain import same

TYPES = {"A": 1, "MX": 15, "TXT": 16, "AAAA": 28}
ERRORS = {"NXDOMAIN": "host_not_found", "NOERROR": None}


class Dnsmasq:
    """A private server that knows what it is told here and asks nobody else."""

    def __init__(self, e, *more, port=None, prefix=()):
        self.e, self.port, self.log = e, port or free_port(), e.path("queries.log")
        e.write("queries.log", "")
        e.serve([tool("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                 "--no-hosts", "--port", self.port, "--listen-address=127.0.0.1",
                 "--bind-interfaces", "--user=root", "--group=root", "--pid-file", "--log-queries",
                 f"--log-facility={self.log}", "--host-record=www.example,192.0.2.7",
                 "--host-record=six.example,2001:db8::7", "--txt-record=txt.example," + "x" * 200,
                 "--mx-host=example,mail.example,10", "--local=/example/", *more],
                self.port, prefix)

    def logged(self, n):
        """Questions by (type, name) as the server wrote them down, once there are n."""
        def found():
            with open(self.log) as f:
                return re.findall(r"query\[(\w+)\] (\S+) from", f.read())
        until(lambda: len(found()) >= n, 5, f"{n} questions in dnsmasq's log")
        return Counter(found())


def truth_of(asked):
    return Counter({(kind, name, code, ERRORS.get(code, code)): n
                    for (kind, name, code), n in asked.items()})


def questions(asked):
    out = Counter()
    for (kind, name, _), n in asked.items():
        out[(kind, name)] += n
    return out


def expect(port, asked, client, check=None, server="dnsmasq"):
    return Expect(port, truth_of(asked), server, client, kind="names", check=check)


@case()
def dns_dig_over_tcp(e):
    """One connection for each question, and one for many."""
    d = Dnsmasq(e)
    asked = Counter({("A", "www.example", "NOERROR"): 4, ("AAAA", "six.example", "NOERROR"): 3,
                     ("A", "nobody.example", "NXDOMAIN"): 3, ("MX", "example", "NOERROR"): 2,
                     ("TXT", "txt.example", "NOERROR"): 2, ("A", "elsewhere.test", "REFUSED"): 2})
    seen = Counter()
    lines = []
    for (kind, name, _), n in asked.items():
        p = e.procs.run([tool("dig"), "+tcp", "+tries=1", "@127.0.0.1", "-p", d.port, name, kind])
        seen.update((kind, name, s) for s in re.findall(r"status: (\w+)", p.stdout()))
        lines += [f"{name} {kind}\n"] * (n - 1)
    p = e.procs.run([tool("dig"), "+tcp", "+keepopen", "+tries=1", "@127.0.0.1", "-p", d.port,
                     "-f", e.write("batch", "".join(lines))])
    codes = re.findall(r"status: (\w+)", p.stdout())
    if len(codes) != len(lines):
        raise Failure(f"dig was answered {len(codes)} of {len(lines)} times: {p.stdout()[-300:]}")
    for line, code in zip(lines, codes):
        name, kind = line.split()
        seen[(kind, name, code)] += 1
    same("dig", seen, asked)
    same("log", d.logged(sum(asked.values())), questions(asked))
    quiet()
    return expect(d.port, asked, "dig")


def message(name, kind, n):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    return struct.pack(">HHHHHH", n, 0x100, 1, 0, 0, 0) + labels + b"\0" + \
        struct.pack(">HH", TYPES[kind], 1)


def question(name, kind, n):
    """As TCP has it."""
    return struct.pack(">H", len(message(name, kind, n))) + message(name, kind, n)


@case()
def dns_many_in_flight(e):
    """A and AAAA of thirty names in one send; letters of both cases are one name."""
    d = Dnsmasq(e)
    asked, data = Counter(), b""
    for n in range(30):
        name = f"h{n}.example"
        for kind in ("A", "AAAA"):
            data += question(name.upper() if n % 2 else name, kind, 2 * n + (kind == "A"))
            asked[(kind, name, "NXDOMAIN")] += 1
    with socket.create_connection(("127.0.0.1", d.port), 10) as s:
        s.sendall(data)
        got = s.makefile("rb")
        ids = set()
        for _ in range(60):
            size, number, flags = struct.unpack(">HHH", got.read(6))
            got.read(size - 4)
            ids.add(number)
            if flags & 15 != 3:
                raise Failure(f"flags {flags:#x}")
    same("ids", Counter(len(ids) for _ in "x"), Counter({60: 1}))
    quiet()

    def fields(found):
        for t in found:
            if t["protocol"] != "dns" or t["request_bytes"] < 20 or t["response_bytes"] < 20:
                return [f"{t}"]
        return []
    return expect(d.port, asked, "run", fields)
