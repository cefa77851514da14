# SPDX-License-Identifier: Apache-2.0
"""A real redis-server: what sonde says of each command is what INFO commandstats counts."""
import socket
import threading
import time
from collections import Counter

from harness.case import case
from harness.env import quiet, tool
from harness.expect import Expect
from harness.proc import Failure, free_port, until

from .plain import same

MS = 1_000_000
SERVER, CLI, BENCH = "redis-server", "redis-cli", "redis-benchmark"


class Redis:
    """A private server, at a port and at a unix socket: one is observed, the other is asked for
    the truth."""

    def __init__(self, e):
        self.e, self.port, self.path = e, free_port(), e.path("redis.sock")
        e.serve([tool("redis-server"), "--port", self.port, "--unixsocket", self.path, "--save", "",
                 "--appendonly", "no", "--dir", e.tmp, "--enable-debug-command", "yes",
                 "--bind", "127.0.0.1"], self.port)

    def info(self, section, at=None):
        with Resp(at or self.path) as c:
            text = c.ask("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def truth(self, at=None):
        """Every command since the server began, as commandstats counts them; none has failed."""
        out = Counter()
        for key, value in self.info("commandstats", at).items():
            field = dict(f.split("=") for f in value.split(","))
            if int(field["failed_calls"]) or int(field["rejected_calls"]):
                raise Failure(f"{key} {value}")
            op = key[len("cmdstat_"):].replace("|", " ").upper()
            if op != "INFO":
                out[(op, None, None, None)] = int(field["calls"])
        return +out


class Resp:
    """A client that says what it is told to, in one send, and reads as many replies."""

    def __init__(self, where):
        if isinstance(where, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(where)
        else:
            self.sock = socket.create_connection(("127.0.0.1", where))
        self.sock.settimeout(10)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def send(self, *commands):
        out = b""
        for words in commands:
            words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            out += b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
        self.sock.sendall(out)

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"*~>%":
            return [self.reply() for _ in range(int(rest) * (2 if kind == b"%" else 1))]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if not line:
            raise Failure("the server hung up")
        return rest

    def ask(self, *words):
        self.send(words)
        return self.reply()


def expect(where, truth, client, check=None):
    return Expect(where, truth, SERVER, client, check=check, kind="database")


def bench(e, *args):
    p = e.procs.run([tool("redis-benchmark"), "-q", *args])
    if p.code or "requests per second" not in p.stdout():
        raise Failure(f"redis-benchmark: {p.stdout()[-200:]} {p.stderr()[-200:]}")


@case()
def redis_benchmark(e):
    """One command after the other on each of five connections."""
    r = Redis(e)
    bench(e, "-p", r.port, "-c", 5, "-n", 1500, "-t", "set,get,incr,lpush,lrange_100,mset", "-r",
          1000)
    quiet()
    return expect(r.port, r.truth(), BENCH)


@case()
def redis_benchmark_pipelined(e):
    """Sixteen commands in each send, values that do not fit in one read."""
    r = Redis(e)
    bench(e, "-p", r.port, "-P", 16, "-c", 5, "-n", 4000, "-t", "set,get,incr,sadd,hset,spop")
    bench(e, "-p", r.port, "-P", 16, "-c", 2, "-n", 640, "-d", 1500, "-t", "set,get")
    quiet()
    return expect(r.port, r.truth(), BENCH)


@case()
def redis_benchmark_unix(e):
    r = Redis(e)
    bench(e, "-s", r.path, "-c", 4, "-n", 1000, "-t", "set,get,lpush,lpop")
    bench(e, "-s", r.path, "-P", 16, "-c", 4, "-n", 1600, "-t", "set,get")
    quiet()
    return expect(r.path, r.truth(at=r.port), BENCH)


@case()
def redis_errors(e):
    """Wrong types, unknown commands, wrong arity, and a script that is not there."""
    r = Redis(e)
    with Resp(r.port) as c:
        for _ in range(3):
            c.ask("LPUSH", "list", "x")
            c.ask("GET", "list")
        c.ask("SET", "text", "no number")
        c.ask("INCR", "text")
        c.ask("NOSUCHCOMMAND", "a", "b")
        c.ask("GET")
        c.ask("EVALSHA", "0" * 40, 0)
        c.ask("OBJECT", "NOSUCH")
        c.send(("GET", "list"), ("PING",), ("GET", "list"))
        replies = [c.reply() for _ in range(3)]
    if replies[1] != b"PONG":
        raise Failure(f"replies {replies}")
    quiet()
    truth = Counter({("LPUSH", None, None, None): 3, ("GET", None, "WRONGTYPE", "WRONGTYPE"): 5,
                     ("SET", None, None, None): 1, ("INCR", None, "ERR", "ERR"): 1,
                     ("NOSUCHCOMMAND", None, "ERR", "ERR"): 1, ("GET", None, "ERR", "ERR"): 1,
                     ("EVALSHA", None, "NOSCRIPT", "NOSCRIPT"): 1,
                     ("OBJECT NOSUCH", None, "ERR", "ERR"): 1, ("PING", None, None, None): 1})
    prefixes = Counter()
    for (_, _, status, _), n in truth.items():
        if status:
            prefixes["errorstat_" + status] += n
    same("errorstats", prefixes, Counter({k: int(v.split("=")[1])
                                          for k, v in r.info("errorstats").items()}))
    return expect(r.port, truth, "run")


@case()
def redis_transactions_and_databases(e):
    """MULTI queues, EXEC and DISCARD end it; SELECT says which database the next ones are about;
    a password is not shown."""
    r = Redis(e)
    with Resp(r.port) as c:
        c.send(("MULTI",), ("SET", "a", "1"), ("INCR", "a"), ("EXEC",))
        if c.reply() != b"OK" or [c.reply() for _ in range(3)][-1] != [b"OK", b"2"]:
            raise Failure("EXEC did not answer")
        c.ask("MULTI")
        c.ask("GET", "a")
        c.ask("DISCARD")
        c.ask("SELECT", 3)
        c.ask("SET", "b", "x" * 200_000)
        c.ask("GET", "b")
        c.ask("CONFIG", "SET", "requirepass", "Sesame")
        c.ask("AUTH", "Sesame")
        c.ask("CONFIG", "SET", "requirepass", "")
    quiet()
    # what DISCARD threw away was queued, which is an answer, but never a call
    truth = r.truth() + Counter({("GET", None, None, None): 1})

    def say(seen):
        found = []
        for t in seen:
            after = t["operation"] in ("CONFIG SET", "AUTH") or (t["request_bytes"] > 200_000) or \
                t["response_bytes"] > 200_000
            if after and t["namespace"] != "3":
                found.append(f"{t['operation']} is about database {t['namespace']}")
            if "esame" in str(t) or "esame" in t["query"]:
                found.append(f"the password is in {t}")
            if t["system"] != "redis" or not t["query"].startswith(t["operation"]):
                found.append(f"{t['operation']}: {t['system']} {t['query']}")
        return found
    return expect(r.port, truth, "run", say)


@case()
def redis_cli_resp3(e):
    """HELLO 3, maps and nulls, by redis-cli."""
    r = Redis(e)
    for words in (("SET", "k", "v"), ("HSET", "h", "a", "1", "b", "2"), ("HGETALL", "h"),
                  ("GET", "nothing"), ("CONFIG", "GET", "maxmemory*")):
        p = e.procs.run([tool("redis-cli"), "-3", "-p", r.port, *words])
        if p.code:
            raise Failure(f"redis-cli: {p.stderr()}")
    quiet()
    return expect(r.port, r.truth(), CLI)


@case()
def redis_cli_command_docs(e):
    """More than is copied of a connection that has not shown yet that it needs it: redis-cli asks for
    it by itself when it starts, and is then told to again, amid other commands."""
    r = Redis(e)
    words = "COMMAND DOCS\nGET a\nCOMMAND DOCS\n" + "".join(f"SET k{i} v\nGET k{i}\n"
                                                           for i in range(100))
    with open(e.path("words"), "w") as f:
        f.write(words)
    for _ in range(2):
        p = e.procs.run(["sh", "-c", f"exec {tool('redis-cli')} -p {r.port} <{f.name}"])
        if p.code:
            raise Failure(f"redis-cli: {p.stderr()}")
    quiet()

    def whole(seen):
        long = {t["response_bytes"] for t in seen if t["operation"] == "COMMAND DOCS"}
        return [] if len(long) == 1 and min(long) > 100_000 else [f"COMMAND DOCS of {long} bytes"]
    return expect(r.port, r.truth(), CLI, whole)


@case()
def redis_long_lists(e):
    """Lists longer than what is copied end where they end, though nobody sees where, and not where
    the next command shows that they have."""
    r = Redis(e)
    with Resp(r.path) as c:
        for i in range(50):
            c.ask("RPUSH", "list", *(f"value {n:04d} of a list" for n in range(100 * i, 100 * i + 100)))
    told = len("*5000\r\n") + 5000 * len("$20\r\nvalue 0000 of a list\r\n")
    waited = []
    for after in (("PING",), ("GET", "list"), None):
        with Resp(r.port) as c:
            waited.append(timed(0, c.ask, "LRANGE", "list", 0, -1))
            time.sleep(0.3)
            if after:
                c.ask(*after)
    truth = Counter({("LRANGE", None, None, None): 3, ("PING", None, None, None): 1,
                     ("GET", None, "WRONGTYPE", "WRONGTYPE"): 1})
    quiet()

    def ends(seen):
        lists = [t for t in seen if t["operation"] == "LRANGE"]
        return near(waited, "LRANGE")(seen) + \
            [f"{t['role']} LRANGE of {t['response_bytes']} bytes, not {told}" for t in lists
             if t["response_bytes"] != told]
    return expect(r.port, truth, "run", ends)


@case()
def redis_publish_and_subscribe(e):
    """What is pushed answers nothing; several channels in one SUBSCRIBE are one command."""
    r = Redis(e)
    with Resp(r.port) as sub, Resp(r.port) as pub, Resp(r.port) as three:
        sub.send(("SUBSCRIBE", "a", "b"))
        first = [sub.reply(), sub.reply()]
        three.ask("HELLO", 3)
        three.send(("SUBSCRIBE", "a"))
        three.reply()
        for n in range(20):
            if pub.ask("PUBLISH", "a", f"message {n}") != b"2":
                raise Failure(f"nobody listens: {first}")
        for _ in range(20):
            sub.reply()
            three.reply()
        three.ask("PING")
        sub.send(("UNSUBSCRIBE", "a", "b"))
        sub.reply(), sub.reply()
        sub.ask("PING")
    quiet()
    return expect(r.port, r.truth(), "run")


def near(waited, op):
    """Every duration is at least what the server was told to wait, and no more than 2 ms above
    what the client measured."""
    def check(seen):
        found = []
        for role in ("server", "client"):
            mine = sorted((t["time_unix_nano"], t["duration_ns"]) for t in seen
                          if t["role"] == role and t["operation"] == op)
            for (least, most), (_, took) in zip(waited, mine):
                if not least - 2 * MS <= took <= most + 2 * MS:
                    found.append(f"{role} {op}: {took / MS:.3f} ms, not {least / MS:.3f} to "
                                 f"{most / MS:.3f}")
        return found
    return check


def timed(least_ns, fn, *args):
    began = time.monotonic_ns()
    fn(*args)
    return least_ns, time.monotonic_ns() - began


@case()
def redis_debug_sleep(e):
    """The server sleeps: both ends measure how long."""
    r = Redis(e)
    with Resp(r.port) as c:
        waited = [timed(30 * MS, c.ask, "DEBUG", "SLEEP", "0.03") for _ in range(10)]
    quiet()
    # DEBUG is counted without its second word, and told with it
    same("commandstats", r.truth(), {("DEBUG", None, None, None): 10})
    return expect(r.port, {("DEBUG SLEEP", None, None, None): 10}, "run",
                  near(waited, "DEBUG SLEEP"))


def push_later(r, pusher):
    """50 ms after the server has somebody wait."""
    until(lambda: r.info("clients")["blocked_clients"] == "1", 4, "client that is blocked")
    time.sleep(0.05)
    pusher.ask("RPUSH", "queue", "x")


@case()
def redis_blpop(e):
    """A blocking command lasts until somebody pushes, or its time is up."""
    r = Redis(e)
    waited = []
    with Resp(r.port) as c, Resp(r.port) as pusher:
        for _ in range(5):
            push = threading.Thread(target=push_later, args=(r, pusher))
            began = time.monotonic_ns()
            push.start()
            if c.ask("BLPOP", "queue", 5) != [b"queue", b"x"]:
                raise Failure("BLPOP got nothing")
            waited.append((50 * MS, time.monotonic_ns() - began))
            push.join()
        waited.append(timed(100 * MS, c.ask, "BLPOP", "queue", "0.1"))
    quiet()
    return expect(r.port, r.truth(), "run", near(waited, "BLPOP"))
