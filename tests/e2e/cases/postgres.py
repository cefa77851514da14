# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL: every statement that a client has it execute, counted by what the client says."""
import glob
import os
import pwd
import re
import signal
import time
from collections import Counter

from harness.case import case
from harness.env import quiet
from harness.expect import Expect, waited
from harness.proc import Failure, free_port, until

SERVER = "postgres"
TURNS = 40


def program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    if not found:
        raise Failure(f"{name} of PostgreSQL is not installed")
    return found[-1]


class Server:
    """A private cluster: at a port of the loopback and, in its folder, at a unix socket."""

    def __init__(self, e, *options):
        self.e, self.port = e, free_port()
        self.folder = e.path("pg")
        os.mkdir(self.folder)
        os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = os.path.join(self.folder, "data")
        if e.procs.run([program("initdb"), "-D", data, "-A", "trust", "-N"], user="postgres",
                       cwd="/", group="postgres", extra_groups=[]).code:
            raise Failure("initdb failed")
        argv = [program("postgres"), "-D", data, "-p", self.port, "-k", self.folder, "-F",
                "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB", *options]
        self.proc = e.serve(argv, self.port, user="postgres", group="postgres", extra_groups=[],
                            cwd="/")
        until(lambda: self.run("pg_isready", self.folder, "-q").code == 0, 15, "PostgreSQL")

    @property
    def socket(self):
        return os.path.join(self.folder, f".s.PGSQL.{self.port}")

    def run(self, name, host, *args):
        return self.e.procs.run([program(name), "-h", host, "-p", self.port, "-U", "postgres",
                                 *args], cwd=self.folder)


def pgbench(e, mode, is_unix):
    """TPC-B in one mode of its protocol; its log says how many transactions there were."""
    s = Server(e)
    here, there = ("127.0.0.1", s.folder) if not is_unix else (s.folder, "127.0.0.1")
    if s.run("pgbench", there, "-i", "-q", "postgres").code:
        raise Failure("pgbench -i failed")
    p = s.run("pgbench", here, "-n", "-M", mode, "-c", 2, "-t", TURNS, "--log",
              "--log-prefix=" + e.path("pg/turns"), "postgres")
    lines = sum(len(open(f).readlines()) for f in glob.glob(e.path("pg/turns.*")))
    if p.code or lines != 2 * TURNS:
        raise Failure(f"pgbench: {lines} turns, {p.stderr().strip()[-200:]}")
    quiet()
    # before it begins it asks for the scale and the partitions
    truth = Counter({("BEGIN", None, None): lines, ("UPDATE", None, None): 3 * lines,
                     ("SELECT", None, None): lines, ("INSERT", None, None): lines,
                     ("END", None, None): lines, ("select", None, None): 2})
    return Expect(s.socket if is_unix else s.port, truth, SERVER, "pgbench", kind="database")


@case()
def postgres_simple(e):
    return pgbench(e, "simple", False)


@case()
def postgres_extended(e):
    return pgbench(e, "extended", False)


@case()
def postgres_prepared(e):
    return pgbench(e, "prepared", False)


@case()
def postgres_unix(e):
    return pgbench(e, "prepared", True)


def words(s, what):
    """pg_stat_statements by the first word of the statement, asked for at the socket."""
    p = s.run("psql", s.folder, "-X", "-A", "-t", "-F", " ", "-c",
              f"SELECT split_part(query, ' ', 1), sum({what}) FROM pg_stat_statements "
              "WHERE query !~ 'pg_stat' GROUP BY 1", "postgres")
    out = Counter()
    for word, n in (line.split() for line in p.stdout().splitlines()):
        # what begins with WITH is told by what it does
        out["SELECT" if word == "WITH" else word.rstrip(";")] += int(n)
    return out


@case()
def postgres_statistics(e):
    """pg_stat_statements counts the same calls and rows, by pgbench and psql, at the port."""
    s = Server(e, "-c", "shared_preload_libraries=pg_stat_statements")
    made = s.run("psql", s.folder, "-X", "-c", "CREATE EXTENSION pg_stat_statements", "postgres")
    if made.code or s.run("pgbench", s.folder, "-i", "-q", "postgres").code:
        raise Failure(f"the database could not be made: {made.stderr()[-300:]}")
    rows = e.write("rows", "".join(f"{n}\tx\n" for n in range(500)))
    script = e.write("script.sql", f"""
CREATE TABLE t (a int PRIMARY KEY, b text);
\\copy t from '{rows}'
UPDATE t SET b = 'y' WHERE a % 3 = 0;
DELETE FROM t WHERE a % 5 = 0 RETURNING a;
WITH w AS (SELECT a FROM t LIMIT 7) SELECT * FROM w, generate_series(1, 3);
INSERT INTO t SELECT n, 'z' FROM generate_series(1000, 1099) AS n;
COPY t TO STDOUT;
TRUNCATE t;
""")
    s.run("psql", s.folder, "-X", "-c", "SELECT pg_stat_statements_reset()", "postgres")
    # of a prepared BEGIN it counts the first execution only: pgbench's own log is about those
    for mode in ("simple", "extended"):
        p = s.run("pgbench", "127.0.0.1", "-n", "-M", mode, "-c", 2, "-t", TURNS, "postgres")
        if p.code:
            raise Failure(f"pgbench: {p.stderr()[-300:]}")
    p = s.run("psql", "127.0.0.1", "-X", "-q", "-f", script, "-o", "/dev/null", "postgres")
    if p.stderr():
        raise Failure(f"psql: {p.stderr()[-300:]}")
    quiet()
    calls, given = words(s, "calls"), words(s, "rows")
    if calls["UPDATE"] != 2 * 3 * 2 * TURNS + 1:
        raise Failure(f"pg_stat_statements has {calls}")

    def same_rows(transactions):
        found = []
        for role in ("server", "client"):
            seen = Counter()
            for t in transactions:
                if t["role"] == role:
                    seen[t["operation"]] += t["rows"] or 0
            if +seen != +given:
                found.append(f"{role}: rows {+seen}, the server says {+given}")
        return found
    # two programs at the client's end, judged apart only by the server's end
    truth = {(w, None, None): n for w, n in calls.items()}
    return Expect(s.port, truth, SERVER, check=same_rows, kind="database")


def told(transactions, took_ms):
    """Literals and what was copied in never come out; times are those asked for."""
    found = waited([t for t in transactions if t["query"].startswith("SELECT pg_sleep(?)")], 50,
                   took_ms)
    for t in transactions:
        if "geheim" in str(t):
            found.append(f"a literal is told: {t['query']}")
        if t["namespace"] != "postgres":
            found.append(f"namespace {t['namespace']}")
    rows = Counter(t["rows"] for t in transactions if t["operation"] == "COPY")
    if rows != Counter({3: 4}):
        found.append(f"rows of COPY: {rows}")
    return found


@case()
def postgres_psql(e):
    """Errors with their SQLSTATE, COPY both ways, many rows, several statements at once, sleeps."""
    s = Server(e)
    rows = e.write("rows", "1\tgeheim\n2\tb\n3\tc\n")
    script = e.write("script.sql", f"""
CREATE TABLE t (a int PRIMARY KEY, b text);
\\copy t from '{rows}'
COPY t TO STDOUT;
INSERT INTO t VALUES (1, 'geheim');
SELECT * FROM nope;
SELECT 1/0;
SELEC 1;
SELECT repeat('geheim', 100) FROM generate_series(1, 20000);
SELECT 'geheim' \\; SELECT 2;
DO $$ BEGIN RAISE NOTICE 'geheim'; END $$;
CREATE ROLE bob PASSWORD 'geheim';
LISTEN x;
NOTIFY x, 'geheim';
\\timing on
""" + "SELECT pg_sleep(0.05);\n" * 5)
    p = s.run("psql", "127.0.0.1", "-X", "-q", "-f", script, "-o", "/dev/null", "postgres")
    took = [float(n) for n in re.findall(r"^Time: (\S+) ms", p.stdout(), re.M)]
    if p.stderr().count("ERROR:") != 4 or len(took) != 5:
        raise Failure(f"psql: {p.stderr()[-300:]}")
    quiet()
    truth = Counter({("CREATE", None, None): 2, ("COPY", None, None): 2,
                     ("INSERT", None, "23505", "23505"): 1, ("SELECT", None, "42P01", "42P01"): 1,
                     ("SELECT", None, "22012", "22012"): 1, ("SELEC", None, "42601", "42601"): 1,
                     ("SELECT", None, None): 7, ("DO", None, None): 1, ("LISTEN", None, None): 1,
                     ("NOTIFY", None, None): 1})
    return Expect(s.port, truth, SERVER, "psql", check=lambda t: told(t, took), kind="database")


@case()
def postgres_cancel_and_functions(e):
    """What is cancelled has ended with 57014, and who asked for that is no exchange; functions called
    by the protocol's own message, as large objects are."""
    s = Server(e, "-c", "log_statement=all")
    p = e.procs.start([program("psql"), "-X", "-h", "127.0.0.1", "-p", s.port, "-U", "postgres", "-c",
                       "SELECT pg_sleep(20)"])
    busy = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    until(lambda: s.run("psql", s.folder, "-X", "-At", "-c", busy).stdout().strip() == "1", 10,
          "a query that sleeps")
    p.signal(signal.SIGINT)
    if p.wait(10) == 0 or "canceling statement" not in p.stderr():
        raise Failure(f"psql: {p.stderr()[-200:]}")
    rows = e.write("object", "x" * 20000)
    script = e.write("script.sql", f"\\lo_import '{rows}'\n\\lo_unlink :LASTOID\n")
    p = s.run("psql", "127.0.0.1", "-X", "-q", "-f", script, "postgres")
    calls = s.proc.stderr().count("fastpath function call")
    if p.code or calls < 4:
        raise Failure(f"psql: {p.stderr()[-300:]}, {calls} calls")
    quiet()
    # libpq asks once for the functions' numbers
    truth = Counter({("SELECT", None, "57014", "57014"): 1, ("FunctionCall", None, None): calls,
                     ("select", None, None): 1,
                     ("BEGIN", None, None): 2, ("COMMIT", None, None): 2})
    return Expect(s.port, truth, SERVER, "psql", kind="database")


@case()
def postgres_replica(e):
    """What a replica is sent answers nothing, however long it stays: commands up to it do."""
    s = Server(e, "-c", "log_replication_commands=on")
    folder = e.path("pg/wal")
    os.mkdir(folder)
    p = e.procs.start([program("pg_receivewal"), "-h", "127.0.0.1", "-p", s.port, "-U", "postgres",
                       "-D", folder, "--no-loop", "--synchronous"])
    until(lambda: glob.glob(folder + "/*.partial"), 10, "what is sent to the replica")
    streams = time.time_ns()
    for _ in range(20):
        s.run("psql", s.folder, "-X", "-q", "-c", "CREATE TABLE t AS SELECT 1; DROP TABLE t", "postgres")
    p.signal(signal.SIGINT)
    p.wait(10)
    quiet()
    asked = Counter(re.findall(r"received replication command: (\w+)", s.proc.stderr()))
    if asked["START_REPLICATION"] != 1:
        raise Failure(f"the log has {asked}")

    def commands(transactions):
        """All but SHOW are not SQL: their words are the text, and no operation."""
        found = Counter((t["role"], t["query"].split(" ")[0]) for t in transactions)
        want = Counter({(role, word): n for word, n in asked.items() for role in ("server", "client")})
        late = [t["query"] for t in transactions if t["time_unix_nano"] + t["duration_ns"] > streams]
        return [f"{found}"] * (found != want) + [f"ended with the stream: {late}"] * bool(late)
    truth = Counter({("SHOW", None, None): asked["SHOW"],
                     (None, None, None): sum(asked.values()) - asked["SHOW"]})
    return Expect(s.port, truth, SERVER, "pg_receivewal", check=commands, kind="database")
