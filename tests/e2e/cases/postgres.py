# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL: every statement that a client has it execute, counted by what the client says."""
import glob
import os
import pwd
import statistics
from collections import Counter

from harness.case import case
from harness.env import quiet
from harness.expect import Expect
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

    def __init__(self, e):
        self.e, self.port = e, free_port()
        self.folder = e.path("pg")
        os.mkdir(self.folder)
        os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = os.path.join(self.folder, "data")
        if e.procs.run([program("initdb"), "-D", data, "-A", "trust", "-N"], user="postgres",
                       cwd="/", group="postgres", extra_groups=[]).code:
            raise Failure("initdb failed")
        e.serve([program("postgres"), "-D", data, "-p", self.port, "-k", self.folder, "-F",
                 "-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB"], self.port,
                user="postgres", group="postgres", extra_groups=[], cwd="/")
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


def told(transactions):
    """Literals and what was copied in never come out; times are those asked for."""
    found = []
    for t in transactions:
        if "geheim" in str(t):
            found.append(f"a literal is told: {t['query']}")
        if t["namespace"] != "postgres":
            found.append(f"namespace {t['namespace']}")
    slept = [t["duration_ns"] / 1e6 for t in transactions if t["query"].startswith("SELECT pg_sleep(?)")]
    for role in ("server", "client"):
        times = [t["duration_ns"] / 1e6 for t in transactions
                 if t["query"].startswith("SELECT pg_sleep(?)") and t["role"] == role]
        if len(times) != 5 or not 50 <= statistics.median(times) <= 52:
            found.append(f"{role}: pg_sleep(0.05) took {slept}")
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
""" + "SELECT pg_sleep(0.05);\n" * 5)
    p = s.run("psql", "127.0.0.1", "-X", "-q", "-f", script, "-o", "/dev/null", "postgres")
    if p.stderr().count("ERROR:") != 4:
        raise Failure(f"psql: {p.stderr()[-300:]}")
    quiet()
    truth = Counter({("CREATE", None, None): 2, ("COPY", None, None): 2,
                     ("INSERT", None, "23505", "23505"): 1, ("SELECT", None, "42P01", "42P01"): 1,
                     ("SELECT", None, "22012", "22012"): 1, ("SELEC", None, "42601", "42601"): 1,
                     ("SELECT", None, None): 7, ("DO", None, None): 1, ("LISTEN", None, None): 1,
                     ("NOTIFY", None, None): 1})
    return Expect(s.port, truth, SERVER, "psql", check=told, kind="database")
