# SPDX-License-Identifier: Apache-2.0
"""A real MariaDB: what its general log says was asked is what sonde counts."""
import json
import os
import pwd
import re
import signal
from collections import Counter

from harness import node
from harness.case import case
from harness.env import PROGS, quiet, tool
from harness.expect import Expect, waited
from harness.proc import Failure, free_port, until

SERVER = "mariadbd"
LINE = re.compile(r"^(?:\d+\s+[\d:]+)?\s+(\d+) "
                  r"(Connect|Query|Init DB|Quit|Prepare|Execute|Change user|Register Slave|Binlog Dump)"
                  r"\t(.*)")


class Server:
    """A private server: at a port of the loopback and at a unix socket."""

    def __init__(self, e, *options):
        self.e, self.port = e, free_port()
        self.folder, self.socket = e.path("my"), e.path("my/socket")
        os.mkdir(self.folder)
        os.chown(self.folder, pwd.getpwnam("mysql").pw_uid, -1)
        data = os.path.join(self.folder, "data")
        made = e.write("my/made.sql", "CREATE DATABASE shop;\n"
                       "CREATE USER t@'127.0.0.1' IDENTIFIED BY 'geheim';\n"
                       "GRANT ALL ON *.* TO t@'127.0.0.1', root@localhost;\n")
        if e.procs.run([tool("mariadb-install-db"), "--no-defaults", "--user=mysql",
                        "--datadir=" + data, "--auth-root-authentication-method=normal",
                        "--skip-test-db"]).code:
            raise Failure("mariadb-install-db failed")
        e.serve([tool("mariadbd"), "--no-defaults", "--user=mysql", "--datadir=" + data,
                 "--socket=" + self.socket, f"--port={self.port}", "--bind-address=127.0.0.1",
                 "--pid-file=" + self.folder + "/pid", "--innodb-buffer-pool-size=8M",
                 "--skip-name-resolve", "--init-file=" + made, "--general-log", "--general-log-file=" + self.log,
                 *options],
                self.port)
        until(lambda: os.path.exists(self.socket), 5, "socket of MariaDB")

    @property
    def log(self):
        return os.path.join(self.folder, "general.log")

    def run(self, name, is_tcp, *args):
        at = ["-h", "127.0.0.1", "-P", self.port, "-u", "t", "-pgeheim"] if is_tcp else \
             ["-S", self.socket, "-u", "root"]
        return self.e.procs.run([tool(name), "--no-defaults", *at, *args], cwd=self.folder)

    def asked(self, is_tcp, is_tls=False):
        """First words of what came over one kind of connection, as the log has it."""
        way = "SSL/TLS" if is_tls else "TCP/IP" if is_tcp else "Socket"
        mine, out = set(), Counter()
        with open(self.log, errors="replace") as f:
            for m in filter(None, map(LINE.match, f)):
                if m[2] == "Connect" and m[3].endswith("using " + way):
                    mine.add(m[1])
                elif m[1] in mine and m[2] in ("Query", "Execute"):
                    out[m[3].split(" ")[0].rstrip(";")] += 1
                elif m[1] in mine and m[2] == "Prepare":
                    out["PREPARE"] += 1
                elif m[1] in mine and m[2] in ("Init DB", "Change user", "Register Slave", "Binlog Dump"):
                    out[m[2].upper().replace(" ", "_")] += 1
        return out


def told(transactions):
    found = []
    for t in transactions:
        if "geheim" in str(t):
            found.append(f"a literal is told: {t['query']}")
        if t["system"] != "mariadb":
            found.append(f"system {t['system']}")
    return found


def slept(transactions, took_ms):
    return told(transactions) + waited([t for t in transactions if t["operation"] == "SELECT" and
                                        t["query"].startswith("SELECT SLEEP(?)")], 50, took_ms)


def slap(e, is_tcp):
    s = Server(e)
    p = s.run("mysqlslap", is_tcp, "--concurrency=4", "--iterations=2", "--number-of-queries=200",
              "--auto-generate-sql", "--auto-generate-sql-load-type=mixed", "--create-schema=slap")
    if p.code:
        raise Failure(f"mysqlslap: {p.stderr()[-200:]}")
    quiet()
    truth = Counter({(word, None, None): n for word, n in s.asked(is_tcp).items()})
    if sum(truth.values()) < 400:
        raise Failure(f"the log has {truth}")
    return Expect(s.port if is_tcp else s.socket, truth, SERVER,
                  "mariadb-slap", check=told, kind="database")


@case()
def mysql_slap(e):
    return slap(e, True)


@case()
def mysql_slap_unix(e):
    return slap(e, False)


def prepared(e, is_tcp):
    """npm mysql2, which prepares what it executes, keeps some of it, and closes the rest."""
    s = Server(e)
    p = e.procs.run([tool("node"), os.path.join(PROGS, "node", "prepared.js"),
                     s.port if is_tcp else s.socket],
                    env={**os.environ, "NODE_PATH": node.modules(e)})
    if p.code:
        raise Failure(f"prepared.js: {p.stderr()[-300:]}")
    quiet()
    asked, said = s.asked(is_tcp), json.loads(p.stdout())
    did = said["counts"]
    executed = {word: asked[word] for word in did}
    if executed != did:
        raise Failure(f"the log has {executed}, the client {did}")
    truth = Counter({(word, None, None): n for word, n in asked.items()})
    # the log has what was prepared, not what could not be
    truth[("PREPARE", None, "1064", "1064")] = 3
    truth[("INSERT", None, None)] -= 3
    truth[("INSERT", None, "1062", "1062")] = 3
    return Expect(s.port if is_tcp else s.socket, truth, SERVER, "prepared",
                  check=lambda t: slept(t, said["slept"]), kind="database")


@case(before=node.modules, limit=90)
def mysql_prepared(e):
    return prepared(e, True)


@case(before=node.modules, limit=90)
def mysql_prepared_unix(e):
    return prepared(e, False)


@case()
def mysql_client(e):
    """Errors with their number, several results, a local file, many rows, sleeps."""
    s = Server(e)
    rows = e.write("rows", "1\tgeheim\n2\tb\n3\tc\n")
    script = e.write("script.sql", f"""
CREATE TABLE shop.t (a INT PRIMARY KEY, b VARCHAR(20));
USE shop
LOAD DATA LOCAL INFILE '{rows}' INTO TABLE t;
INSERT INTO t VALUES (1, 'geheim');
SELECT * FROM nope;
SELEC 1;
SELECT REPEAT('geheim', 100) FROM seq_1_to_20000;
UPDATE t SET b = "geheim" WHERE a < 3;
delimiter //
CREATE PROCEDURE p() BEGIN SELECT 'geheim'; SELECT 2; END//
delimiter ;
CALL p();
""" + "SELECT SLEEP(0.05);\n" * 5)
    p = s.run("mariadb", True, "--local-infile=1", "--force", "-vvv", "-e", f"source {script}")
    took = [1000 * float(n) for n in re.findall(r"SLEEP\(0.05\)\n--------------\n.*?\((\S+) sec\)",
                                                p.stdout(), re.S)]
    if p.stderr().count("ERROR") != 3:
        raise Failure(f"mariadb: {p.stderr()[-300:]}")
    quiet()
    truth = Counter({(word, None, None): n for word, n in s.asked(True).items()})
    for word, status in (("INSERT", "1062"), ("SELECT", "1146"), ("SELEC", "1064")):
        truth[(word, None, None)] -= 1
        truth[(word, None, status, status)] += 1
    return Expect(s.port, +truth, SERVER, "mariadb", check=lambda t: slept(t, took), kind="database")


@case(before=node.modules, limit=90)
def mysql_change_user(e):
    """A connection that goes on as another user: its database is that user's from then on."""
    s = Server(e)
    p = e.procs.run([tool("node"), os.path.join(PROGS, "node", "users.js"), s.port],
                    env={**os.environ, "NODE_PATH": node.modules(e)})
    if p.code:
        raise Failure(f"users.js: {p.stderr()[-300:]}")
    quiet()
    truth = Counter({(word, None, None): n for word, n in s.asked(True).items()})
    if truth != Counter({("CHANGE_USER", None, None): 20, ("SELECT", None, None): 40}):
        raise Failure(f"the log has {truth}")

    def databases(transactions):
        found = Counter((t["role"], t["operation"], t["namespace"]) for t in transactions)
        want = Counter({(role, *key): 20 for role in ("server", "client") for key in
                        (("SELECT", "shop"), ("CHANGE_USER", "shop"), ("SELECT", "mysql"))})
        return told(transactions) + ([f"{found}"] if found != want else [])
    return Expect(s.port, truth, SERVER, "users", check=databases, kind="database")


@case()
def mysql_compressed(e):
    """What is compressed is never taken for commands."""
    s = Server(e)
    p = s.run("mariadb", True, "--compress", "-e", "SELECT REPEAT('a', 1000);" * 20)
    if p.code or s.asked(True)["SELECT"] < 20:
        raise Failure(f"mariadb: {p.stderr()[-300:]}")
    quiet()
    return Expect(s.port, Counter(), SERVER, "mariadb", kind="database")


@case()
def mysql_replica(e):
    """Events that a replica is sent answer nothing: commands up to them do."""
    s = Server(e, "--log-bin=" + e.path("my/binlog"), "--server-id=1")
    got = e.path("events")
    p = e.procs.start([tool("mariadb-binlog"), "--no-defaults", "-h", "127.0.0.1", "-P", s.port, "-u", "t",
                       "-pgeheim", "--read-from-remote-server", "--stop-never", "--raw",
                       "--result-file=" + got, "binlog.000001"])
    until(lambda: os.path.exists(got + "binlog.000001"), 10, "what is sent to the replica")
    for i in range(20):
        s.run("mariadb", False, "-e", f"CREATE TABLE shop.t{i} (a INT)")
    p.signal(signal.SIGTERM)
    p.wait(10)
    quiet()
    truth = Counter({(word, None, None): n for word, n in s.asked(True).items()})
    if truth[("BINLOG_DUMP", None, None)] != 1:
        raise Failure(f"the log has {truth}")
    return Expect(s.port, truth, SERVER, "mariadb-binlog", check=told, kind="database")
