# SPDX-License-Identifier: Apache-2.0
"""Namespaces, of the network and of pids, and a connection whose owner becomes another program."""
import os
import subprocess
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.expect import Expect, difference, key_of
from harness.proc import free_port
from harness.raw import Raw
from harness.sonde import Sonde

from cases.load import fail_if
from cases.plain import same


def ip(*args, check=True):
    subprocess.run([tool("ip"), *map(str, args)], timeout=10, check=check)


def netns(e, letter):
    """A new network namespace with its loopback up; it ends with the case."""
    name = f"sonde-{os.getpid()}-{letter}"
    ip("netns", "add", name)
    e.undo.append(lambda: ip("netns", "del", name, check=False))
    ip("-n", name, "link", "set", "lo", "up")
    return name


def within(name):
    return tool("ip"), "netns", "exec", name


def joined(e):
    """Two of them, joined by a cable between devices that are not up yet."""
    first, second = netns(e, "a"), netns(e, "b")
    ip("-n", first, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", second)
    return first, second


def two_namespaces(e):
    """A server's namespace and a client's, joined by a cable."""
    e.data["server"], e.data["client"] = joined(e)
    for side, host in (("server", 1), ("client", 2)):
        ip("-n", e.data[side], "address", "add", f"198.51.100.{host}/24", "dev", "eth0")
        ip("-n", e.data[side], "link", "set", "eth0", "up")


@case(before=two_namespaces)
def server_and_client_in_namespaces(e):
    """Neither end is in sonde's own namespace: both are exact, with the addresses they see."""
    port = free_port()
    ng = e.nginx(listen=f"198.51.100.1:{port}", prefix=within(e.data["server"]))
    url = f"http://198.51.100.1:{port}"
    e.curl(*[f"{url}/{('ok', 'hello', 'missing')[n % 3]}" for n in range(30)],
           prefix=within(e.data["client"]))
    e.procs.run([*within(e.data["client"]), tool("ab"), "-q", "-c", 4, "-n", 200, url + "/empty"])
    truth = ng.log(230)
    same("access log", truth, {("GET", "/ok", 200): 10, ("GET", "/hello", 200): 10,
                               ("GET", "/missing", 404): 10, ("GET", "/empty", 204): 200})

    def addresses(seen):
        found = {(t["role"], t["local" if t["role"] == "server" else "peer"].rsplit(":", 1)[0],
                  t["peer" if t["role"] == "server" else "local"].rsplit(":", 1)[0])
                 for t in seen}
        good = {(role, "198.51.100.1", "198.51.100.2") for role in ("server", "client")}
        return [] if found == good else [f"addresses {found}"]
    by_curl = Counter({k: v for k, v in truth.items() if k[1] != "/empty"})
    clients = Counter({("curl", *k, str(k[2]) if k[2] >= 400 else None): v
                       for k, v in by_curl.items()})
    clients[("ab", "GET", "/empty", 204, None)] = 200

    def both(seen):
        return addresses(seen) + difference(
                "client", clients, Counter(key_of(t) for t in seen if t["role"] == "client"))
    return Expect(port, truth, "nginx", None, check=both)


# as kube-proxy does it for a ClusterIP
TRANSLATE = """
add table ip nat
add chain ip nat out {{ type nat hook output priority -100; }}
add rule ip nat out ip daddr 198.51.100.50 tcp dport {asked} dnat to 198.51.100.1:{given}
"""


@case(group=None)
def address_that_is_translated(e):
    """A client's peer is the address it asked for, the server's own is another: they are known to be
    each other's ends all the same, and each says what it sees itself."""
    two_namespaces(e)
    asked, port = free_port(), free_port()
    e.nginx(listen=f"198.51.100.1:{port}", prefix=within(e.data["server"]))
    rules = e.write("translate", TRANSLATE.format(asked=asked, given=port))
    subprocess.run([*within(e.data["client"]), tool("nft"), "-f", rules], timeout=10, check=True)
    s = Sonde(e, "tail", "--json", "--port", f"{port},{asked}").wait_ready()
    e.curl(*[f"http://198.51.100.50:{asked}/ok"] * 30, prefix=within(e.data["client"]))
    s.settle()
    s.end()
    calls = {t["span_id"]: t for t in s.transactions if t["role"] == "client"}
    found = Counter()
    for t in s.transactions:
        if t["role"] == "server":
            call = calls.get(t["parent_span_id"], {"peer": None, "local": None})
            found[(t["local"], call["peer"], call["local"] == t["peer"], t["parent"])] += 1
    same("ends", Counter({(f"198.51.100.1:{port}", f"198.51.100.50:{asked}", True,
                           "connection"): 30}), found)


@case(group=None)
def same_addresses_in_two_namespaces(e):
    """Two connections with the same four numbers, at the same time, in two worlds."""
    port, own = free_port(), 41000
    worlds = [netns(e, letter) for letter in "cd"]
    ng = e.nginx(listen=f"127.0.0.1:{port}", prefix=within(worlds[0]))
    e.serve([PYTHON, os.path.join(PROGS, "raw.py"), port, "plain"], port, within(worlds[1]))
    s = Sonde(e, "tail", "--json", "--port", port).wait_ready()
    paths = (["/ok"] * 20, ["/other"] * 30)
    for turn in range(2):
        at_once = [e.procs.start([*within(w), tool("curl"), "-sS", "-o", "/dev/null",
                                  "--limit-rate", "1M", "--local-port", own + turn,
                                  *sum((["-o", "/dev/null", f"http://127.0.0.1:{port}{p}"]
                                        for p in some), [])])
                   for w, some in zip(worlds, paths)]
        for p in at_once:
            fail_if([f"curl: {p.stderr()[-200:]}"] if p.wait(10) else [])
    ng.log(40)
    s.settle()
    s.end()
    truth = Counter({("server", "nginx", "GET", "/ok", 200, None): 40,
                     ("server", "raw", "GET", "/other", 200, None): 60,
                     ("client", "curl", "GET", "/ok", 200, None): 40,
                     ("client", "curl", "GET", "/other", 200, None): 60})
    seen = Counter((t["role"], *key_of(t)) for t in s.transactions)
    e.figures.update(sent=100, counted=sum(n for k, n in seen.items() if k[0] == "server"), lost={})
    found = difference("transactions", truth, seen)
    ends = {t["peer"] for t in s.transactions if t["role"] == "server"}
    if ends != {f"127.0.0.1:{own}", f"127.0.0.1:{own + 1}"}:
        found.append(f"the clients' addresses are {ends}")
    fail_if(found)


@case()
def server_in_a_pid_namespace(e):
    """It is the first process of its own world; its pid is the root namespace's all the same."""
    port = free_port()
    e.serve([PYTHON, os.path.join(PROGS, "raw.py"), port, "plain"], port,
            (tool("unshare"), "--pid", "--fork", "--kill-child"))
    pid = e.workers(e.procs.all[-1].pid, 1)[0]
    e.curl(*[f"http://127.0.0.1:{port}/world"] * 10)

    def pids(seen):
        found = {t["pid"] for t in seen if t["role"] == "server"}
        return [] if found == {pid} else [f"pids {found}, not {pid}"]
    return Expect(port, {("GET", "/world", 200): 10}, "raw", "curl", check=pids)


@case()
def connection_of_two_programs(e):
    """Its first requests are answered by one program, the others by one that inherited it."""
    port = e.python("handover.py")
    for _ in range(3):
        with Raw(port) as c:
            pids = [c.ask("GET", "/owner").body for _ in range(7)]
        if len(set(pids[:3])) != 1 or len(set(pids[3:])) != 1 or pids[0] == pids[3]:
            fail_if([f"answered by {pids}"])
    quiet()

    def owners(seen):
        truth = Counter({("handover", "GET", "/owner", 200, None): 9,
                         ("handed", "GET", "/owner", 200, None): 12})
        return difference("server", truth,
                          Counter(key_of(t) for t in seen if t["role"] == "server"))
    return Expect(port, {("GET", "/owner", 200): 21}, None, "run", check=owners)
