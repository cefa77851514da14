# SPDX-License-Identifier: Apache-2.0
"""Captures of real traffic, replayed without rights: both ends' transactions are the server's log."""
import json
import os
import signal
from collections import Counter

from harness.case import case
from harness.env import quiet, tool
from harness.proc import Failure, until
from harness.replay import replay

from .dns import Dnsmasq, questions
from .plain import same
from .udp import ASKED, dig_all


class Tcpdump:
    """Captures what one port says on the loopback interface."""

    def __init__(self, e, port, *flags, of="tcp"):
        self.path = e.path("lo.pcap")
        self.proc = e.procs.start([tool("tcpdump"), "-i", "lo", "-n", "-U", "-B", "65536", "-w",
                                   self.path, *flags, of, "port", port])
        until(lambda: "listening on" in self.proc.stderr(), 5, "listening tcpdump")

    def end(self):
        sizes = [-2, -1]  # what its ring still holds when it ends is not in the file
        while sizes[-1] != sizes[-2]:
            quiet(0.7)
            sizes.append(os.path.getsize(self.path))
        self.proc.signal(signal.SIGINT)
        self.proc.wait(10)
        if "\n0 packets dropped by kernel" not in self.proc.stderr():
            raise Failure(f"tcpdump lost packets: {self.proc.stderr()[-200:]}")
        os.chmod(self.path, 0o644)


def load(e):
    """200 requests over kept and over fresh connections, some large."""
    ng = e.nginx()
    url = f"http://127.0.0.1:{ng.port}"
    dump = Tcpdump(e, ng.port)
    e.procs.run([tool("ab"), "-q", "-k", "-c", 5, "-n", 100, url + "/ok"])
    e.procs.run([tool("ab"), "-q", "-c", 3, "-n", 80, url + "/missing"])
    e.curl(*[url + "/hello"] * 10, *[url + "/big"] * 5, *[url + "/empty"] * 5)
    dump.end()
    return ng, dump.path


def seen(p, role):
    rows = (json.loads(line) for line in p.stdout().splitlines())
    return Counter((t["method"], t["target"], t["status"]) for t in rows if t["role"] == role)


@case(group=None)
def capture_of_two_hundred(e):
    ng, path = load(e)
    truth = ng.log(200)
    if sum(truth.values()) != 200:
        raise Failure(f"nginx logged {dict(truth)}")
    p = replay(e, path)
    if p.code or p.stderr():
        raise Failure(f"replay: exit code {p.code}, {p.stderr().strip()[-300:]}")
    for role in ("server", "client"):
        if seen(p, role) != truth:
            raise Failure(f"{role}: {dict(seen(p, role))}, truth {dict(truth)}")
    if replay(e, path).stdout() != p.stdout():
        raise Failure("a second replay says something else")


@case(group=None)
def capture_of_names(e):
    """Over UDP; on every interface each datagram is there twice."""
    d = Dnsmasq(e)
    dump = Tcpdump(e, d.port, "-i", "any", of="udp")
    dig_all(e, d.port, ASKED)
    dump.end()
    same("log", d.logged(sum(ASKED.values())), questions(ASKED))
    p = replay(e, dump.path)
    if p.code or p.stderr():
        raise Failure(f"replay: exit code {p.code}, {p.stderr().strip()[-300:]}")
    found = [json.loads(line) for line in p.stdout().splitlines()]
    for role in ("server", "client"):
        same(role, Counter((t["type"], t["question"], t["rcode"]) for t in found
                           if t["role"] == role), ASKED)


@case(group=None)
def capture_cut_short(e):
    """Half of the file: only what is there, and what is there is right."""
    ng, path = load(e)
    truth = ng.log(200)
    with open(path, "rb") as f:
        data = f.read()
    p = replay(e, e.write("half.pcap", data[:len(data) // 2 + 7]))
    if p.code or "cut short" not in p.stderr():
        raise Failure(f"exit code {p.code}, {p.stderr().strip()[-300:]}")
    for role in ("server", "client"):
        part = seen(p, role)
        if not part or part - truth:
            raise Failure(f"{role}: {dict(part)}, truth {dict(truth)}")
