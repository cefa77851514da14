# SPDX-License-Identifier: Apache-2.0
"""Name servers asked by datagram: dig, the C library's resolver, bare sockets of every kind."""
import os
import re
import socket
import subprocess
import time
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.expect import difference, key_of
from harness.proc import Failure, free_port, until
from harness.sonde import Sonde

from .dns import Dnsmasq, expect, message, questions, truth_of
from .load import fail_if
from .namespaces import netns, within
from .plain import same

ASKED = Counter({("A", "www.example", "NOERROR"): 4, ("AAAA", "six.example", "NOERROR"): 3,
                 ("A", "nobody.example", "NXDOMAIN"): 3, ("MX", "example", "NOERROR"): 2,
                 ("TXT", "txt.example", "NOERROR"): 2, ("A", "elsewhere.test", "REFUSED"): 2})


def dig(e, port, name, kind, *more, at="127.0.0.1"):
    """The codes of the answers dig was given."""
    p = e.procs.run([tool("dig"), "+tries=1", f"@{at}", "-p", port, name, kind, *more])
    return re.findall(r"status: (\w+)", p.stdout())


def dig_all(e, port, asked, at="127.0.0.1"):
    seen = Counter()
    for (kind, name, _), n in asked.items():
        for _ in range(n):
            seen.update((kind, name, code) for code in dig(e, port, name, kind, at=at))
    same("dig", seen, asked)


@case()
def udp_dig(e):
    d = Dnsmasq(e)
    dig_all(e, d.port, ASKED)
    same("log", d.logged(sum(ASKED.values())), questions(ASKED))
    quiet()
    return expect(d.port, ASKED, "dig")


@case()
def udp_dig_over_ipv6(e):
    d = Dnsmasq(e, "--listen-address=::1")
    dig_all(e, d.port, ASKED, at="::1")
    same("log", d.logged(sum(ASKED.values())), questions(ASKED))
    quiet()

    def families(seen):
        return [f"{t['local']} {t['peer']}" for t in seen
                if not (t["local"].startswith("[::1]:") and t["peer"].startswith("[::1]:"))]
    return expect(d.port, ASKED, "dig", families)


@case()
def udp_truncated_then_tcp(e):
    """An answer that does not fit is an answer; the same question over TCP is another."""
    d = Dnsmasq(e, *[f"--txt-record=long.example,{letter * 200}" for letter in "abcdef"])
    for _ in range(3):
        same("dig", Counter(dig(e, d.port, "long.example", "TXT", "+noedns")), {"NOERROR": 1})
    asked = Counter({("TXT", "long.example", "NOERROR"): 6})
    same("log", d.logged(6), questions(asked))
    quiet()

    def sizes(seen):
        large = sum(t["response_bytes"] > 1200 for t in seen)
        small = sum(t["response_bytes"] <= 512 for t in seen)
        return [] if large == small == 6 else [f"{large} whole, {small} truncated"]
    return expect(d.port, asked, "dig", sizes)


@case()
def udp_bind9(e):
    """Several threads with a socket each, many messages in one system call."""
    port = free_port()
    e.write("zone", "$TTL 60\n@ SOA ns.example. root.example. 1 60 60 60 60\n@ NS ns\n"
            "ns A 192.0.2.1\nwww A 192.0.2.7\nwww AAAA 2001:db8::7\n")
    conf = e.write("named.conf", f"""
options {{ directory "{e.tmp}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; querylog yes; pid-file "{e.path('pid')}"; session-keyfile "{e.path('key')}"; }};
controls {{ }};
zone "example" {{ type primary; file "{e.path('zone')}"; }};
zone "broken" {{ type primary; file "{e.path('nothing')}"; }};
""")
    server = e.serve([tool("named"), "-g", "-c", conf, "-n", 2, "-U", 2], port)
    until(lambda: "\n" in server.stderr().partition("all zones loaded")[2], 5, "zones of bind")
    asked = Counter({("A", "www.example", "NOERROR"): 30, ("AAAA", "www.example", "NOERROR"): 30,
                     ("A", "no.example", "NXDOMAIN"): 30, ("A", "a.broken", "SERVFAIL"): 30,
                     ("A", "elsewhere.test", "REFUSED"): 30})
    batch = e.write("batch", "".join(f"{name} {kind}\n" for kind, name, _ in list(asked) * 10))
    at_once = [e.procs.start([tool("dig"), "+tries=1", "@127.0.0.1", "-p", port, "-f", batch])
               for _ in range(3)]
    seen = Counter()
    for p in at_once:
        p.wait(20)
        seen.update(re.findall(r"status: (\w+)", p.stdout()))
    same("dig", seen, {"NOERROR": 60, "NXDOMAIN": 30, "SERVFAIL": 30, "REFUSED": 30})

    def logged():
        return re.findall(r"query: (\S+) IN (\w+) ", server.stderr())
    until(lambda: len(logged()) >= 150, 5, "150 questions in bind's log")
    same("log", Counter((kind, name) for name, kind in logged()), questions(asked))
    quiet()
    return expect(port, asked, "dig", server="named")


def resolver_world(e):
    """A network namespace with a name server at port 53, which the C library is told to ask."""
    e.data["world"] = name = netns(e, "u")
    folder = f"/etc/netns/{name}"
    os.makedirs(folder)
    e.undo.append(lambda: subprocess.run(["rm", "-r", folder], check=False))
    with open(folder + "/resolv.conf", "w") as f:
        f.write("nameserver 127.0.0.1\noptions timeout:2\n")
    with open(folder + "/nsswitch.conf", "w") as f:
        f.write("hosts: files dns\n")


def ends_meet(seen):
    """Of each server's span that has a parent that is the client's of the same datagram; most have."""
    spans, met, wrong = {t["span_id"]: t for t in seen}, 0, []
    servers = [t for t in seen if t["role"] == "server"]
    for t in servers:
        above = spans.get(t["parent_span_id"])
        met += t["parent"] == "connection"
        same_ends = above and (above["role"], above["local"], above["peer"], above["question"],
                               above["type"]) == ("client", t["peer"], t["local"], t["question"],
                                                  t["type"])
        if t["parent"] == "connection" and not (
                same_ends and above["time_unix_nano"] <= t["time_unix_nano"]
                and above["trace_id"] == t["trace_id"]):
            wrong.append(f"{t} is no child of {above}")
        elif t["parent"] not in ("connection", "unknown"):
            wrong.append(f"{t['question']} is known by {t['parent']}")
    if 2 * met < len(servers):
        wrong.append(f"{met} of {len(servers)} have a parent")
    return wrong


@case(group=None)
def udp_ends_meet(e):
    """dig, three at once, the same names again and again."""
    d = Dnsmasq(e)
    s = Sonde(e, "tail", "--json", "--port", d.port).wait_ready()
    batch = e.write("batch", "www.example A\nsix.example AAAA\nnobody.example A\n" * 5)
    at_once = [e.procs.start([tool("dig"), "+tries=1", "@127.0.0.1", "-p", d.port, "-f", batch])
               for _ in range(3)]
    for p in at_once:
        p.wait(20)
    d.logged(45)
    s.settle(quiet=1.2)
    s.end()
    same("roles", Counter(t["role"] for t in s.transactions), Counter(client=45, server=45))
    fail_if(ends_meet(s.transactions))


@case(group=None)
def udp_c_library(e):
    """getaddrinfo asks for A and AAAA by one sendmmsg, on one connected socket."""
    resolver_world(e)
    world = within(e.data["world"])
    d = Dnsmasq(e, "--host-record=both.example,192.0.2.8,2001:db8::8", port=53, prefix=world)
    s = Sonde(e, "tail", "--json", "--record", e.path("recording"), "--comm", "getent",
              "--comm", "dnsmasq").wait_ready()
    for _ in range(5):
        for name in ("both.example", "www.example", "nobody.example"):
            e.procs.run([*world, tool("getent"), "ahosts", name])
    asked = Counter()
    for kind in ("A", "AAAA"):
        asked[(kind, "both.example", "NOERROR")] = asked[(kind, "www.example", "NOERROR")] = 5
        asked[(kind, "nobody.example", "NXDOMAIN")] = 5
    same("log", d.logged(30), questions(asked))
    s.settle()
    s.end()
    seen = {role: Counter(key_of(t) for t in s.transactions if t["role"] == role)
            for role in ("client", "server")}
    fail_if(ends_meet(s.transactions) +
            difference("client", Counter({("getent", *k): n for k, n in truth_of(asked).items()}),
                       seen["client"]) +
            difference("server", Counter({("dnsmasq", *k): n for k, n in truth_of(asked).items()}),
                       seen["server"]))


def udp_socket(family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(5)
    return s


@case()
def udp_many_in_flight(e):
    """Sixty questions from one socket before the first answer is read."""
    d = Dnsmasq(e, "--dns-forward-max=500")
    asked = Counter()
    with udp_socket() as s:
        for n in range(30):
            for kind in ("A", "AAAA"):
                name = f"h{n}.example"
                s.sendto(message(name.upper() if n % 2 else name, kind, 2 * n + (kind == "A")),
                         ("127.0.0.1", d.port))
                asked[(kind, name, "NXDOMAIN")] += 1
        ids = Counter(int.from_bytes(s.recvfrom(512)[0][:2], "big") for _ in range(60))
    same("ids", ids, Counter(range(60)))
    same("log", d.logged(60)[("A", "h0.example")], 1)
    quiet()
    return expect(d.port, asked, "run")


@case()
def udp_every_call(e):
    """Each pair of system calls that can move a datagram; one buffer, several, with a hole."""
    d = Dnsmasq(e)
    to, asked, n = ("127.0.0.1", d.port), Counter(), 0

    def vectors(m):
        return [m[:2], b"", m[2:13], m[13:]]

    def received(s):
        parts = [bytearray(2), bytearray(10), bytearray(500)]
        size, _, _, peer = s.recvmsg_into(parts)
        return b"".join(parts)[:size]

    def read_vector(s):
        parts = [bytearray(12), bytearray(500)]
        size = os.readv(s.fileno(), parts)
        return b"".join(parts)[:size]
    sends = {"sendto": lambda s, m: s.sendto(m, to), "sendmsg": lambda s, m: s.sendmsg(
            vectors(m), [], 0, to), "send": lambda s, m: s.send(m),
            "write": lambda s, m: os.write(s.fileno(), m),
            "writev": lambda s, m: os.writev(s.fileno(), vectors(m)),
            "sendmsg-connected": lambda s, m: s.sendmsg([m])}
    receives = {"recvfrom": lambda s: s.recvfrom(512)[0], "recv": lambda s: s.recv(512),
                "recvmsg": received, "read": lambda s: os.read(s.fileno(), 512),
                "readv": read_vector,
                "peek": lambda s: (s.recv(512, socket.MSG_PEEK), s.recv(512))[1]}
    for send, put in sends.items():
        for receive, get in receives.items():
            n += 1
            with udp_socket() as s:
                if send not in ("sendto", "sendmsg"):
                    s.connect(to)
                put(s, message("www.example", "A", n))
                s.settimeout(None)  # a time-out would have it poll, and not block, in C
                got = get(s)
            if got[:2] != n.to_bytes(2, "big") or got[3] & 15:
                raise Failure(f"{send}, {receive}: {got[:12]}")
            asked[("A", "www.example", "NOERROR")] += 1
    same("log", d.logged(n), questions(asked))
    quiet()

    def peers(seen):
        return [f"{t['role']} {t['peer']}" for t in seen if t["peer"] is None or
                (t["role"] == "client" and t["peer"] != f"127.0.0.1:{d.port}")]
    return expect(d.port, asked, "run", peers)


@case()
def udp_nobody_listens(e):
    """The peer's host says so at once; the socket is told with its next operation."""
    port = free_port()
    with udp_socket() as s:
        s.connect(("127.0.0.1", port))
        for n in range(5):
            s.send(message("www.example", "A", n))
            try:
                s.recv(512)
            except ConnectionRefusedError:
                continue
            raise Failure("nobody refused")
    quiet()
    found = expect(port, {}, "run", server=None)
    found.truths["client"] = Counter({("A", "www.example", None, "refused"): 5})
    return found


def names(e):
    """Our own name server; its port and its process."""
    port = free_port()
    p = e.procs.start([PYTHON, os.path.join(PROGS, "names.py"), port])
    until(lambda: p.stdout(), 5, "name server")
    return port, p


@case(group=None)
def udp_no_answer(e):
    """A question that nobody answers; one that is answered when asked again; one answered late."""
    s = Sonde(e, "tail", "--json", "--record", e.path("recording"))
    port, server = names(e)
    s.wait_ready()
    s.only = re.compile(f":{port}\"".encode())
    with udp_socket() as c:
        c.connect(("127.0.0.1", port))
        asked, slow_ms = [], 0
        for name in ("silent0", "slow0", "fail0", "second0", "second0"):
            asked.append(time.monotonic())
            c.send(message(name + ".example", "A", ord(name[1])))
            if name == "slow0":
                c.recv(512)
                slow_ms = (time.monotonic() - asked[-1]) * 1000
            time.sleep(0.1)
        again_ms = (asked[-1] - asked[-2]) * 1000
        same("answers", Counter(c.recv(512)[3] & 15 for _ in range(2)), {2: 1, 0: 1})
    server.popen.terminate()
    same("server", server.wait(5) or server.stdout().split()[1:], ["5", "3"])
    # 15 s until the last of them is given up
    until(lambda: s.read() is not None and len(s.transactions) >= 10, 18, "end of all questions, at both ends")
    s.settle()
    s.end()
    client = Counter({("A", "silent0.example", None, "timeout"): 1,
                      ("A", "slow0.example", "NOERROR", None): 1,
                      ("A", "fail0.example", "SERVFAIL", "SERVFAIL"): 1,
                      ("A", "second0.example", None, "timeout"): 1,
                      ("A", "second0.example", "NOERROR", None): 1})
    seen = {role: [t for t in s.transactions if t["role"] == role] for role in ("client", "server")}
    found = []
    for role, service in (("client", "run"), ("server", "names")):
        found += difference(role, Counter({(service, *k): n for k, n in client.items()}),
                            Counter(key_of(t) for t in seen[role]))
    for t in s.transactions:
        took, name = t["duration_ns"] / 1e6, t["question"].split(".")[0]
        least, most = {"slow0": (200, slow_ms + 2), "silent0": (15000, 15000)}.get(name, (0, 15000))
        if name == "second0" and t["role"] == "client" and t.get("error_type"):
            least, most = 100, again_ms + 2  # until it was asked again
        if not least <= took <= most:
            found.append(f"{t['role']} {name} took {took} ms")
    fail_if(found)


@case(group=None)
def udp_others_are_ignored(e):
    """What is nothing known is turned away in the kernel after a few datagrams."""
    s = Sonde(e, "run", "--pid", os.getpid()).wait_ready()

    def records():
        return sum(v for labels, v in s.metrics().of("sonde_events_total") if labels["kind"] == "datagram")
    with udp_socket() as a, udp_socket() as b:
        a.bind(("127.0.0.1", 0))
        for n in range(3000):
            b.sendto(b"<13>not a question at all %d" % n, a.getsockname())
            a.recv(512)
            if n in (10, 20, 30):
                until(lambda: records() >= 8, 5, "record of datagrams")
                time.sleep(0.2)  # for the verdict to arrive
    time.sleep(0.3)
    m, seen = s.metrics(), records()
    s.end()
    lost = {k: v for k, v in m.lost().items() if v}
    if not 8 <= seen <= 100 or lost:
        raise Failure(f"{seen:g} records of 6,000 datagrams, lost {lost}")
