# SPDX-License-Identifier: Apache-2.0
"""A real memcached: what sonde says of each command is what `stats` counts."""
import os
import socket
import struct
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, quiet, tool
from harness.expect import Expect
from harness.proc import Failure, free_port

from .plain import same

SERVER = "memcached"


def serve(e, *args, where=None):
    """A private server at a port or a unix socket."""
    where = where or free_port()
    at = ["-s", where] if isinstance(where, str) else ["-l", "127.0.0.1", "-p", where, "-U", 0]
    e.serve([tool("memcached"), "-u", "nobody" if not isinstance(where, str) else "root", "-m", 32,
             "-t", 2, *at, *args], where)
    return where


class Client:
    """Sends what it is told to, in one send, and reads until the replies end as they should."""

    def __init__(self, where):
        if isinstance(where, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(where)
        else:
            self.sock = socket.create_connection(("127.0.0.1", where))
        self.sock.settimeout(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, data, end=b"\r\n"):
        self.sock.sendall(data)
        out = b""
        while not out.endswith(end):
            more = self.sock.recv(65536)
            if not more:
                raise Failure(f"the server hung up after {out[-100:]!r}")
            out += more
        return out

    def stats(self):
        lines = self.ask(b"stats\r\n", b"END\r\n").decode().splitlines()[:-1]
        return {k: v for _, k, v in (line.split(" ", 2) for line in lines)}


def expect(where, truth, client, check=None):
    return Expect(where, truth, SERVER, client, check=check, kind="database")


def plain(**counts):
    """get_HIT=3 -> Counter of (get, HIT); what is answered by nothing has no status."""
    out = Counter()
    for key, n in counts.items():
        op, _, status = key.partition("_")
        out[(op, None, status or None, status if status.endswith("ERROR") else None)] = n
    return out


def classic(where):
    """Every classic command, with what answers it, some of it pipelined."""
    with Client(where) as c:
        for n in range(50):
            c.ask(b"set k%d 0 0 4\r\nwxyz\r\n" % n)
            c.ask(b"get k%d\r\n" % n, b"END\r\n")
        c.ask(b"get nothing\r\n")
        c.ask(b"gets k1 k2 nothing k3\r\n", b"END\r\n")
        c.ask(b"add k1 0 0 1\r\nx\r\n")
        c.ask(b"replace k1 0 0 1\r\n1\r\nincr k1 5\r\ndecr k1 2\r\nincr nothing 1\r\n",
              b"NOT_FOUND\r\n")
        c.ask(b"append k2 0 0 1\r\nx\r\nprepend nothing 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        c.ask(b"cas k3 0 0 1 999999\r\nx\r\n")
        c.ask(b"touch k3 100\r\ntouch nothing 100\r\n", b"NOT_FOUND\r\n")
        c.ask(b"delete k3\r\ndelete k3\r\n", b"NOT_FOUND\r\n")
        c.ask(b"incr k2 1\r\n")
        c.ask(b"nonsense\r\n")
        c.ask(b"set big 0 0 300000\r\n" + b"x" * 300000 + b"\r\n")
        c.ask(b"get big\r\n", b"END\r\n")
        c.ask(b"get k4 k6\r\n", b"END\r\n")
        c.ask(b"set k5 0 0 3 noreply\r\nxyz\r\ndelete k6 noreply\r\nget k5\r\n", b"END\r\n")
        stats = c.stats()
    same("stats", Counter({k: int(stats[k]) for k in ("cmd_get", "get_hits", "get_misses",
                                                      "cmd_set", "cmd_touch")}),
         Counter(cmd_get=59, get_hits=57, get_misses=2, cmd_set=57, cmd_touch=2))
    return plain(set_STORED=51, set=1, get_HIT=53, get_MISS=1, gets_HIT=1, add_NOT_STORED=1,
                 replace_STORED=1, incr_OK=1, decr_OK=1, incr_NOT_FOUND=1, append_STORED=1,
                 prepend_NOT_STORED=1, cas_EXISTS=1, touch_TOUCHED=1, touch_NOT_FOUND=1,
                 delete_DELETED=1, delete_NOT_FOUND=1, delete=1, incr_CLIENT_ERROR=1,
                 stats_OK=1) + Counter({("_OTHER", None, "ERROR", "ERROR"): 1})


def rows(seen):
    """Values that gets have found; memcached counts keys."""
    found = []
    for role in ("server", "client"):
        mine = [t for t in seen if t["role"] == role and t["operation"] in ("get", "gets")]
        if sum(t["rows"] for t in mine) != 57:
            found.append(f"{role}: {sum(t['rows'] for t in mine)} rows, not 57")
        asked = sum(t["query"].count("?") for t in mine)
        if asked != 59:
            found.append(f"{role}: {asked} keys, not 59")
    secrets = [t for t in seen if "k1" in str(t["query"]) or "wxyz" in str(t)]
    return found + [f"a key is told: {t['query']}" for t in secrets]


@case()
def memcached_text(e):
    where = serve(e)
    truth = classic(where)
    quiet()
    return expect(where, truth, "run", rows)


@case()
def memcached_unix(e):
    where = serve(e, where=e.path("memcached.sock"))
    truth = classic(where)
    quiet()
    return expect(where, truth, "run", rows)


@case()
def memcached_meta(e):
    """Quiet commands: what was passed over in silence is known by what came after it."""
    where = serve(e)
    with Client(where) as c:
        for n in range(20):
            c.ask(b"ms k%d 3\r\nabc\r\n" % n)
        keys = b"".join(b"mg k%d v k q\r\n" % n for n in range(0, 40, 2))
        reply = c.ask(keys + b"mn\r\n", b"MN\r\n")
        if reply.count(b"VA ") != 10:
            raise Failure(f"{reply!r}")
        c.ask(b"mg k1 t\r\nmg nothing v\r\nms k1 2 q\r\nxy\r\nmd k1 q\r\nmn\r\n", b"MN\r\n")
        c.ask(b"ma k1\r\n")
        c.ask(b"ms k2 1 C999 q k\r\nx\r\nme k2\r\nme nothing\r\nmn\r\n", b"MN\r\n")
    quiet()
    return expect(where, plain(ms_STORED=21, mg_HIT=11, mg_MISS=11, mn_OK=3, md=1, ma_NOT_FOUND=1,
                               ms_EXISTS=1, me_HIT=1, me_MISS=1), "run")


def packet(op, key=b"", extras=b"", value=b"", opaque=0):
    return struct.pack(">BBHBBHIIQ", 0x80, op, len(key), len(extras), 0, 0,
                       len(key) + len(extras) + len(value), opaque, 0) + extras + key + value


@case()
def memcached_binary(e):
    """Headers, quiet commands, statistics of many messages."""
    where = serve(e)
    end = packet(0x0a, opaque=0xdead)
    done = b"\x81\x0a" + b"\0" * 10 + b"\0\0\xde\xad" + b"\0" * 8
    with Client(where) as c:
        for n in range(30):
            c.ask(packet(1, b"k%d" % n, b"\0" * 8, b"v" * 100, n) + packet(0, b"k%d" % n) + end,
                  done)
        many = b"".join(packet(0x0d, b"k%d" % n, opaque=n) for n in range(20, 40))
        c.ask(many + end, done)
        c.ask(packet(0x11, b"k1", b"\0" * 8, b"w") + packet(0x14, b"nothing") + packet(0x10) +
              packet(0x0b) + packet(0x55) + end, done)
    quiet()
    truth = plain(set_STORED=31, get_HIT=40, get_MISS=10, noop_OK=32, delete_NOT_FOUND=1,
                  stats_OK=1, version_OK=1)
    truth[("_OTHER", None, "UNKNOWN_COMMAND", "UNKNOWN_COMMAND")] = 1
    return expect(where, truth, "run")


@case()
def memcached_client(e):
    """pymemcache as people use it: noreply wherever it can."""
    where = serve(e)
    p = e.procs.run([PYTHON, os.path.join(PROGS, "memcache.py"), where, 200])
    if p.code:
        raise Failure(f"memcache.py: {p.stderr()[-300:]}")
    quiet()
    stats = dict(line.split(" ") for line in p.stdout().splitlines())
    same("stats", Counter({k: int(n) for k, n in stats.items()}),
         Counter(cmd_set=400, cmd_get=1000, get_misses=200))
    return expect(where, plain(set=200, set_STORED=200, get_HIT=400, get_MISS=200, incr_OK=200,
                               delete=200, stats_OK=1, quit=1), "memcache")
