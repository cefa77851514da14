# SPDX-License-Identifier: Apache-2.0
"""Both ends of a connection, request by request: the client's time contains the server's."""
from .proc import Failure


def by_connection(transactions):
    """The servers' and the clients' transactions of each connection of which both ends are whole."""
    ends = {}
    for t in transactions:
        if t["protocol"] == "http" and not t["local"].startswith("unix:"):
            server, client = (t["local"], t["peer"])[::1 if t["role"] == "server" else -1]
            ends.setdefault((server, client), {}).setdefault(t["role"], []).append(t)
    for roles in ends.values():
        mine = [sorted(roles.get(r, ()), key=lambda t: t["time_unix_nano"])
                for r in ("server", "client")]
        if len(mine[0]) == len(mine[1]):
            yield mine


def together(servers, clients):
    """
    (servers, clients) in the order they were asked. Those that were sent by one operation, or read by
    one, began at the same moment: which is which only what was asked for tells.
    """
    first = 0
    for n in range(1, len(clients) + 1):
        if n == len(clients) or all(side[n]["time_unix_nano"] != side[n - 1]["time_unix_nano"]
                                    for side in (servers, clients)):
            yield servers[first:n], clients[first:n]
            first = n


def both_ends(transactions):
    """
    Server and client transactions of the same request, found by connection and order. Of several that
    asked for the same at the same moment the shorter is the shorter at the other end too: if each
    contains its own, so do these.
    """
    for servers, clients in by_connection(transactions):
        for some in together(servers, clients):
            ordered = [sorted(side, key=lambda t: (t["target"], t["duration_ns"])) for side in some]
            yield from zip(*ordered)


def client_contains_server(transactions):
    pairs = list(both_ends(transactions))
    found = []
    for server, client in pairs:
        if server.get("error_type") == "client_closed":
            continue  # the client left; the server went on for a while
        late = client["time_unix_nano"] - server["time_unix_nano"]
        short = server["duration_ns"] - client["duration_ns"]
        if server["target"] != client["target"]:
            found.append(f"{client['target'][:40]} was answered as {server['target'][:40]}")
        elif late > 0 or short > 0:
            found.append(f"{client['service']} to {server['service']} {client['target'][:40]}: "
                         f"starts {late} ns after the server, lasts {-short} ns longer")
    if not pairs:
        raise Failure("no pairs")
    if found:
        raise Failure(f"{len(found)} of {len(pairs)} pairs: " + "; ".join(found[:3]))
