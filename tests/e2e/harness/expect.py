# SPDX-License-Identifier: Apache-2.0
"""What a case knows to be true, and the comparison of sonde's transactions with it."""
from collections import Counter

KNOWN_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
                 "QUERY"}


def error_of(role, status):
    """error_type as a status alone sets it."""
    if isinstance(status, int) and status >= (500 if role == "server" else 400):
        return str(status)
    return None


class Expect:
    """
    The truth about one server address. `truth` counts (method, route, status) or, where a status
    does not decide error_type, (method, route, status, error_type). `server` and `client` name the
    services expected; None where that end is not observed. `server_truth` and `client_truth`
    replace `truth` for one role. `check(transactions)` may find more to say. Of a database the
    operation stands for the method, of a name server the type and, for the route, the question; a
    status that is a text is no error unless the fourth says so. `kind`: web, database, names,
    rpc (a call has no route).
    """

    def __init__(self, where, truth=(), server=None, client=None, server_truth=None,
                 client_truth=None, check=None, in_metrics=True, kind="web"):
        self.where = where
        self.services = {"server": server, "client": client}
        self.truths = {"server": Counter(truth if server_truth is None else server_truth),
                       "client": Counter(truth if client_truth is None else client_truth)}
        self.check, self.kind = check, kind
        self.in_metrics = in_metrics and isinstance(where, int)

    def counts(self, role):
        out = Counter()
        for key, n in self.truths[role].items():
            error = key[3] if len(key) > 3 else error_of(role, key[2])
            out[(self.services[role], *key[:3], error)] += n
        return out

    def matches(self, t):
        """Is this transaction about the address the case is about?"""
        side = t["local"] if t["role"] == "server" else t["peer"]
        if isinstance(self.where, int):
            return side.rsplit(":", 1)[-1] == str(self.where) and not side.startswith("unix:")
        return side == "unix:" + self.where

    def total(self):
        return sum(sum(self.truths[r].values()) for r in self.truths if self.services[r])

    def problems(self, transactions):
        mine = [t for t in transactions if self.matches(t)]
        found = []
        for role, service in self.services.items():
            if service is None:
                continue
            seen = Counter(key_of(t) for t in mine if t["role"] == role)
            found += difference(role, self.counts(role), seen)
        if self.check and not found:
            found += self.check(mine) or []
        return found


def waited(transactions, least_ms, took_ms, roles=("server", "client")):
    """
    Those that a server was told to delay: each end's duration is at least that, and no more than
    2 ms above what the client itself measured, which on a busy machine is longer.
    """
    found = []
    for role in roles:
        mine = sorted(t["duration_ns"] / 1e6 for t in transactions if t["role"] == role)
        if len(mine) != len(took_ms):
            found.append(f"{role}: {len(mine)} that waited, not {len(took_ms)}")
        for seen, took in zip(mine, sorted(took_ms)):
            if not least_ms <= seen <= took + 2:
                found.append(f"{role}: {seen:.3f} ms, not {least_ms} to {took:.3f}")
    return found


def key_of(t):
    if "question" in t:
        return (t.get("service"), t["type"], t["question"], t["rcode"], t.get("error_type"))
    what = t.get("method", t.get("operation"))
    route = None if what == "CONNECT" else t.get("route")
    return (t.get("service"), what, route, t.get("status"), t.get("error_type"))


def difference(label, expected, seen):
    """Lines that say what is missing and what is too much; none when equal."""
    found = []
    for key in sorted(set(expected) | set(seen), key=str):
        if expected[key] != seen[key]:
            shown = " ".join("-" if k is None else str(k) for k in key)
            found.append(f"{label} {shown}: expected {expected[key]}, saw {seen[key]}")
    return found
