# SPDX-License-Identifier: Apache-2.0
"""Both ends of a connection, request by request: the client's time contains the server's."""
from .proc import Failure


def both_ends(transactions):
    """Server and client transactions of the same request, found by connection and order."""
    ends = {}
    for t in transactions:
        if t["protocol"] == "http" and not t["local"].startswith("unix:"):
            server, client = (t["local"], t["peer"])[::1 if t["role"] == "server" else -1]
            ends.setdefault((server, client), {}).setdefault(t["role"], []).append(t)
    for roles in ends.values():
        mine = [sorted(roles.get(r, ()), key=lambda t: (t["time_unix_nano"], t["duration_ns"]))
                for r in ("server", "client")]
        if len(mine[0]) == len(mine[1]):
            yield from zip(*mine)


def client_contains_server(transactions):
    pairs = list(both_ends(transactions))
    found = []
    for server, client in pairs:
        if server.get("error_type") == "client_closed":
            continue  # the client left; the server went on for a while
        late = client["time_unix_nano"] - server["time_unix_nano"]
        short = server["duration_ns"] - client["duration_ns"]
        if server["target"] != client["target"] or late > 0 or short > 0:
            found.append(f"{client['service']} to {server['service']} {client['target'][:40]}: "
                         f"starts {late} ns after the server, lasts {-short} ns longer")
    if not pairs:
        raise Failure("no pairs")
    if found:
        raise Failure(f"{len(found)} of {len(pairs)} pairs: " + "; ".join(found[:3]))
