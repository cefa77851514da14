# SPDX-License-Identifier: Apache-2.0
"""Within TLS: the same counts as in the clear, each request on the connection that carried it."""
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, tool
from harness.expect import Expect, difference
from harness.holdings import held_objects
from harness.proc import Failure, free_port, until
from harness.replay import replay
from harness.sonde import Sonde, ends_in_time

from . import mysql, postgres

MARKED = re.compile(r"/marked/(\d+)/x")
ROUTE = "/marked/{id}/x"


def certificate(e):
    cert, key = e.path("cert.pem"), e.path("key.pem")
    if not os.path.exists(cert):
        e.procs.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                     "2", "-subj", "/CN=localhost"])
    return cert, key


def certificate_of(e, user):
    """The same, its key readable by that user alone."""
    cert, key = certificate(e)
    with open(key, "rb") as f:
        own = e.write("server.key", f.read())
    os.chmod(own, 0o600)
    os.chown(own, pwd.getpwnam(user).pw_uid, -1)
    return cert, own


def nginx(e, protocols="TLSv1.2 TLSv1.3", more=""):
    cert, key = certificate(e)
    return e.nginx(tls=True, server=f"""
        {more}
        ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols {protocols};
        location /marked {{ return 200 "ok\\n"; }}""")


def python_server(e, mode):
    return e.python("secure.py", mode, *certificate(e))


def node_server(e):
    return e.node("secure.js", *certificate(e))


def python_client(e, port, mode, connections, requests, *more):
    return [PYTHON, os.path.join(PROGS, "secureclient.py"), port, mode, connections, requests, *more]


def node_client(e, port, connections, requests):
    return [tool("node"), os.path.join(PROGS, "secureclient.js"), port, connections, requests]


class Watched:
    """run --record: counts and losses from its metrics, single requests from the recording."""

    def __init__(self, e, port):
        self.e, self.port, self.file = e, port, e.path("tls.rec")
        self.sonde = Sonde(e, "run", "--port", port, "--record", self.file).wait_ready()

    def judge(self, expect):
        return self._judge(expect, lambda m, role: m.requests(role))

    def judge_operations(self, expect):
        return self._judge(expect, lambda m, role: expect.counts(role))

    def told(self):
        os.chmod(self.file, 0o644)
        return [json.loads(line) for line in replay(self.e, self.file).stdout().splitlines()]

    def _judge(self, expect, counted):
        m = self.metrics = self.sonde.settled_metrics()
        self.sonde.end()
        lost = {k: v for k, v in m.lost().items() if v}
        seen = self.told()
        found = expect.problems(seen)
        for role, service in expect.services.items():
            if service is not None:
                found += difference("metrics " + role, expect.counts(role), counted(m, role))
        if lost:
            found.insert(0, f"lost {lost}")
        if [t for t in seen if not t["tls"]]:
            found.append("a transaction that is not said to be within TLS")
        if found:
            raise Failure("; ".join(found[:6]))
        return seen


def each_on_its_own(told):
    """No request on a connection of another's: `told` maps the client's port to its mark."""
    def check(seen):
        wrong = Counter()
        for t in seen:
            port = (t["peer"] if t["role"] == "server" else t["local"]).rsplit(":", 1)[1]
            if MARKED.match(t["target"])[1] != told.get(port):
                wrong[t["role"]] += 1
        return [f"{n} requests of the {role} on another's connection" for role, n in wrong.items()]
    return check


def marked(e, port, server, client, argv, connections, requests):
    w = Watched(e, port)
    p = e.procs.run(argv, seconds=e.amount(25, 60))
    told = dict(line.split() for line in p.stdout().splitlines())
    if p.code or len(told) != connections:
        raise Failure(f"the client: {len(told)} connections, exit {p.code}: {p.stderr()[-200:]}")
    seen = w.judge(Expect(port, {("GET", ROUTE, 200): connections * requests}, server, client,
                          check=each_on_its_own(told)))
    e.figures.update(sent=connections * requests, connections=connections, lost={},
                     counted=sum(t["role"] == "server" for t in seen))


@case(group=None)
def tls_nginx_of_both_versions(e):
    """curl (OpenSSL) and wget (GnuTLS) within TLS 1.2 and 1.3; a 5 MB file; 404; POST."""
    ng = nginx(e)
    w = Watched(e, ng.port)
    url, truth = f"https://127.0.0.1:{ng.port}", Counter()
    for version in ("1.2", "1.3"):
        e.curl("-k", "--tls-max", version, "--tlsv" + version, f"{url}/hello", f"{url}/missing",
               f"{url}/big", f"{url}/hello")
        e.curl("-k", "--tls-max", version, "--tlsv" + version, "-d", "a=1", f"{url}/hello")
        truth.update({("GET", "/hello", 200): 2, ("GET", "/missing", 404): 1,
                      ("GET", "/big", 200): 1, ("POST", "/hello", 405): 1})
    curls = Counter(truth)
    for version in ("TLSv1_2", "TLSv1_3"):
        e.procs.run([tool("wget"), "-q", "-O", "/dev/null", "--no-check-certificate",
                     "--secure-protocol=" + version, f"{url}/hello", f"{url}/big"])
        truth.update({("GET", "/hello", 200): 1, ("GET", "/big", 200): 1})
    if ng.log(sum(truth.values())) != truth:
        raise Failure(f"access log {dict(ng.log())}, asked {dict(truth)}")
    expect = Expect(ng.port, truth, "nginx")
    seen = w.judge(expect)
    for service, asked in (("curl", curls), ("wget", truth - curls)):
        found = difference(service, asked, Counter(
            (t["method"], t["route"], t["status"]) for t in seen if t["service"] == service))
        if found:
            raise Failure("; ".join(found))
    # a connection for each time curl and wget were called; TLS 1.3 says what is spoken encrypted
    shaken = Counter()
    for labels, n in w.metrics.of("sonde_tls_handshake_duration_seconds_count"):
        shaken[labels["service_name"], labels.get("tls_next_protocol")] += int(n)
    same = {("nginx", "http/1.1"): 2, ("nginx", None): 4, ("curl", "http/1.1"): 2,
            ("curl", None): 2, ("wget", None): 2}
    if shaken != same:
        raise Failure(f"handshakes {dict(shaken)}")


@case(group=None)
def tls_nginx_10000_over_50(e):
    """10,000 requests over 50 connections; nginx and a client of threads."""
    ng = nginx(e, "TLSv1.3")
    marked(e, ng.port, "nginx", "secureclient", python_client(e, ng.port, "thread", 50, 200), 50,
           200)


@case(group=None)
def tls_of_another_port(e):
    """One process has connections that a filter of ports wants, and others, which it leaves alone
    once it has met them: each of the former is read as a whole, with objects of the library that
    others had before."""
    other, rounds = free_port(), 30
    ng = nginx(e, more=f"listen 127.0.0.1:{other} ssl;")
    w = Watched(e, ng.port)
    p = e.procs.run([PYTHON, os.path.join(PROGS, "twoports.py"), ng.port, other, rounds], seconds=25)
    if p.code:
        raise Failure(f"the client: exit {p.code}: {p.stderr()[-200:]}")
    w.judge(Expect(ng.port, {("GET", ROUTE, 200): 4 * rounds}, "nginx", "twoports"))


@case(group=None, soak_limit=120)
def tls_1_2_over_50(e):
    """The same of a server that speaks TLS 1.2 alone."""
    ng, requests = nginx(e, "TLSv1.2"), e.amount(40, 200)
    marked(e, ng.port, "nginx", "secureclient",
           python_client(e, ng.port, "thread", 50, requests), 50, requests)


def one_mark_each(connections):
    """Of clients that do not say their ports: a connection has one mark, a mark one connection."""
    def check(seen):
        marks = {"server": {}, "client": {}}
        for t in seen:
            port = (t["peer"] if t["role"] == "server" else t["local"]).rsplit(":", 1)[1]
            marks[t["role"]].setdefault(port, set()).add(MARKED.match(t["target"])[1])
        return [f"{role}: {len(of)} connections with marks {sorted(map(sorted, of.values()))[:5]}"
                for role, of in marks.items()
                if len(of) != connections or sorted(map(sorted, of.values())) != sorted(
                    [str(i)] for i in range(connections))]
    return check


def crowd(e, service, argv):
    """A client for each connection, all at a time: argv(version, mark, its URLs). In the long form
    50 of either version of TLS, which is the only one that its client speaks."""
    connections, requests = e.amount((10, 30), (100, 200))
    ng = nginx(e)
    w = Watched(e, ng.port)
    procs = [e.procs.start(argv(("1.2", "1.3")[i % 2], i, [
        f"https://127.0.0.1:{ng.port}/marked/{i}/x?n={n}" for n in range(requests)]))
        for i in range(connections)]
    for p in procs:
        if p.wait(60):
            raise Failure(f"{service}: {p.stderr()[-200:]}")
    truth = {("GET", ROUTE, 200): connections * requests}
    e.figures.update(sent=connections * requests, connections=connections)
    seen = w.judge(Expect(ng.port, truth, "nginx", service, check=one_mark_each(connections)))
    e.figures.update(counted=sum(t["role"] == "server" for t in seen), lost={})


@case(group=None, soak_limit=120)
def tls_crowd_of_curl(e):
    """OpenSSL: kept connections, each request with its connection's mark."""
    def argv(version, i, urls):
        config = e.write(f"urls{i}", "".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls))
        return [tool("curl"), "-sSk", "--http1.1", "--tls-max", version, "--tlsv" + version, "-K",
                config]
    crowd(e, "curl", argv)


@case(group=None, soak_limit=120)
def tls_crowd_of_wget(e):
    """GnuTLS: the same."""
    def argv(version, i, urls):
        return [tool("wget"), "-q", "-O", "/dev/null", "--no-check-certificate",
                "--secure-protocol=TLSv" + version.replace(".", "_"), "-i",
                e.write(f"urls{i}", "\n".join(urls))]
    crowd(e, "wget", argv)


@case(group=None, soak_limit=120)
def tls_python_both_ends(e):
    port, (connections, requests) = python_server(e, "thread"), e.amount((20, 50), (50, 200))
    marked(e, port, "secure", "secureclient",
           python_client(e, port, "thread", connections, requests), connections, requests)


@case(group=None, soak_limit=120)
def tls_asyncio_both_ends(e):
    """Records in memory: no socket operation nests in a call."""
    port, requests = python_server(e, "asyncio"), e.amount(40, 200)
    marked(e, port, "secure", "secureclient", python_client(e, port, "asyncio", 50, requests), 50,
           requests)


@case(group=None, soak_limit=120)
def tls_node_both_ends(e):
    """OpenSSL within the program, records in memory."""
    port, requests = node_server(e), e.amount(40, 200)
    marked(e, port, "secure", "secureclient", node_client(e, port, 50, requests), 50, requests)


@case(group=None, soak_limit=120)
def tls_read_after_all_shook_hands(e):
    """Records in memory, and what came with a handshake's end is read when the thread has received
    on all the other connections: the first request of each is of its own."""
    port, requests = python_server(e, "gather:50"), e.amount(10, 50)
    marked(e, port, "secure", "secureclient", node_client(e, port, 50, requests), 50, requests)


@case(group=None)
def tls_records_held_back(e):
    """What is received waits until the other connections have sent something as well: which receive
    a call is for is not certain, and none is given another's request."""
    held_back(e, "hold:2")


@case(group=None)
def tls_requests_held_back(e):
    """The same of each request: a read is no more certain than a handshake is."""
    held_back(e, "keep:2")


def held_back(e, mode):
    rounds, port = 8, python_server(e, mode)
    w, n, told = Watched(e, port), 2 * rounds, {}
    for _ in range(rounds):
        p = e.procs.run(python_client(e, port, "asyncio", 2, 4), seconds=25)
        told.update(line.split() for line in p.stdout().splitlines())
    m = w.sonde.settled_metrics()
    w.sonde.end()
    seen = w.told()
    servers = sum(t["role"] == "server" for t in seen)
    found = each_on_its_own(told)(seen)
    if len(told) != n or len(seen) - servers != 4 * n:
        found.append(f"the clients: {len(told)} connections, {len(seen) - servers} requests")
    if servers + m.lost()["tls_unbound"] != 4 * n:
        found.append(f"{servers} told by the server, {m.lost()['tls_unbound']} counted, of {4 * n}")
    if found:
        raise Failure("; ".join(found))


@case(group=None, soak_limit=120)
def tls_redis(e):
    """redis-server and redis-cli, by what INFO commandstats counts."""
    cert, key = certificate(e)
    port, path = free_port(), e.path("redis.sock")
    e.serve([tool("redis-server"), "--port", 0, "--tls-port", port, "--bind", "127.0.0.1",
             "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
             "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", e.tmp], port)
    w = Watched(e, port)
    clients, each = e.amount((1, 200), (50, 70))
    for words in (("SET", "a", "1"), ("GET", "a"), ("INCR", "b")):
        asking = [e.procs.start([tool("redis-cli"), "--tls", "--insecure", "-p", port, "-r", each,
                                 *words]) for _ in range(clients)]
        for p in asking:
            p.wait(30)
    stats = e.procs.run([tool("redis-cli"), "-s", path, "INFO", "commandstats"]).stdout()
    truth = Counter({(m[1].upper(), None, None): int(m[2]) for m in re.finditer(
        r"cmdstat_(get|set|incr):calls=(\d+)", stats)})
    if sum(truth.values()) != 3 * clients * each:
        raise Failure(f"commandstats {dict(truth)}")
    w.judge_operations(Expect(port, truth, "redis-server", "redis-cli", kind="database"))
    n = sum(truth.values())
    e.figures.update(sent=n, counted=n, connections=3 * clients, lost={})


@case(group=None, soak_limit=120)
def tls_postgres(e):
    """pgbench with sslmode=require: PostgreSQL is asked for TLS in its own words first."""
    cert, own = certificate_of(e, "postgres")
    s = postgres.Server(e, "-c", "ssl=on", "-c", f"ssl_cert_file={cert}", "-c",
                        f"ssl_key_file={own}")
    if s.run("pgbench", s.folder, "-i", "-q", "postgres").code:
        raise Failure("pgbench -i failed")
    w = Watched(e, s.port)
    clients, each = e.amount((2, 50), (50, 30))
    p = s.run("pgbench", "127.0.0.1", "-n", "-M", "prepared", "-c", clients, "-t", each,
              "sslmode=require dbname=postgres")
    if p.code:
        raise Failure(f"pgbench: {p.stderr()[-200:]}")
    n = clients * each
    truth = Counter({("BEGIN", None, None): n, ("UPDATE", None, None): 3 * n,
                     ("SELECT", None, None): n, ("INSERT", None, None): n,
                     ("END", None, None): n, ("select", None, None): 2})
    w.judge_operations(Expect(s.port, truth, "postgres", "pgbench", kind="database"))
    e.figures.update(sent=7 * n + 2, counted=7 * n + 2, connections=clients, lost={})


@case(group=None, soak_limit=120)
def tls_mysql(e):
    """The greeting is in the clear; behind TLS a connection begins with the answer to it."""
    cert, own = certificate_of(e, "mysql")
    s = mysql.Server(e, "--ssl-cert=" + cert, "--ssl-key=" + own)
    w = Watched(e, s.port)
    clients, each = e.amount((2, 50), (50, 30))
    for _ in range(clients):
        p = s.run("mariadb", True, "--ssl", "shop", "-e", "SELECT 1; DO 2;" * each)
        if p.code:
            raise Failure(f"mariadb: {p.stderr()[-200:]}")
    truth = Counter({(word, None, None): n for word, n in s.asked(True, True).items()})
    if (truth[("SELECT", None, None)], truth[("DO", None, None)]) != (clients * each,) * 2:
        raise Failure(f"the log has {truth}")
    w.judge_operations(Expect(s.port, truth, mysql.SERVER, "mariadb", kind="database",
                              check=lambda ts: mysql.told(ts) + [
                                  t["namespace"] for t in ts if t["namespace"] != "shop"]))
    n = sum(truth.values())
    e.figures.update(sent=n, counted=n, connections=clients, lost={})


def mapping(e, argv, libraries):
    """A process that has mapped the code of these libraries, which are not its own."""
    p = e.procs.start(argv, env={**os.environ, "LD_PRELOAD": ":".join(libraries)})

    def is_mapped():
        with open(f"/proc/{p.pid}/maps", encoding="ascii", errors="replace") as f:
            code = [line.rstrip() for line in f if " r-xp " in line]
        return all(any(line.endswith("/" + name.lstrip("/")) for line in code) for name in libraries)
    until(is_mapped, 10, "mappings of " + ", ".join(libraries))
    return p


@case(group=None)
def tls_nss(e):
    """A client of NSS, by the functions of NSPR, through which it reads and writes files as well."""
    ng, asking = nginx(e), e.write("request", "GET /ok HTTP/1.1\r\nHost: h\r\n"
                                              "Connection: close\r\n\r\n")
    # found when a program that maps it is there, or speaks TLS
    libraries = ["libnspr4.so", "libssl3.so"]
    mapping(e, ["sleep", 300], libraries)
    w = Watched(e, ng.port)
    for version in ("tls1.2", "tls1.3"):
        p = e.procs.run([tool("tstclnt"), "-h", "127.0.0.1", "-p", ng.port, "-D", "-o", "-o", "-a",
                         "localhost", "-V", f"{version}:{version}", "-A", asking, "-L", 10])
        if p.stdout().count("200 OK") != 10:
            raise Failure(f"tstclnt: {(p.stdout() + p.stderr())[-300:]!r}")
    w.judge(Expect(ng.port, {("GET", "/ok", 200): 20}, "nginx", "tstclnt"))


@case(group=None)
def tls_client_older_than_sonde(e):
    """Connections that were there before: counted from where they were joined, none mistaken."""
    ng = nginx(e)
    p = e.procs.start(python_client(e, ng.port, "thread", 10, 60, 8))
    until(lambda: len(p.stdout().splitlines()) == 10, 5, "connections")
    w = Watched(e, ng.port)
    if p.wait(15):
        raise Failure(f"the client: {p.stderr()[-200:]}")
    m = w.sonde.settled_metrics()
    w.sonde.end()
    seen = w.told()
    told = dict(line.split() for line in p.stdout().splitlines())
    found = each_on_its_own(told)(seen)
    for role, service in (("server", "nginx"), ("client", "secureclient")):
        n = m.requests(role)[(service, "GET", ROUTE, 200, None)]
        if not 100 <= n < 600:
            found.append(f"{role}: {n} requests")
    if found:
        raise Failure("; ".join(found))


def held_by(s):
    """What the kernel says of each descriptor of a sonde."""
    for fd in os.listdir(f"/proc/{s.proc.pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError), open(  # it was open for the moment
                f"/proc/{s.proc.pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as f:
            yield f.read()


def links_of(e, s):
    """How many links a sonde holds on files of the case: others on this host have theirs. None: the
    kernel does not say which files (before Linux 6.17), or has a link for each function (before 6.6)."""
    held = [re.search(r"^path:\t(.*)$", text, re.M) for text in held_by(s)
            if re.search(r"^link_type:\tuprobe_multi", text, re.M)]
    if None in held or not held:
        return None
    return sum(m[1].startswith(e.tmp + "/") for m in held)


def until_watched(e, s, before):
    """Links that were not there before, those to files of the case if the kernel says which."""
    def is_watched():
        n = links_of(e, s)
        return held_objects(s.proc.pid) - before if n is None else n
    until(is_watched, 10, "probes in what was started")


def image(e, *files):
    """A folder of an image with these files, and mount(): a container's view of it."""
    lower, empty = e.path("image"), e.path("empty")
    os.mkdir(lower)
    os.mkdir(empty)
    for file in files:
        shutil.copy(file, lower)
    e.mounts = 0

    def mount():
        e.mounts += 1
        at = e.path(f"root{e.mounts}")
        os.mkdir(at)
        p = e.procs.run(["mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={empty}:{lower}",
                         at])
        if p.code:
            raise Failure(f"mount: {p.stderr().strip()}")
        e.undo.append(lambda: e.procs.run(["umount", "-l", at]))
        return at
    return mount


def judge_of_both_ends(w, ports, n, server, client, kind=("GET", ROUTE, 200, None)):
    """All ports' requests together, as often as they were made and no more."""
    m = w.sonde.settled_metrics()
    w.sonde.end()
    found = [f"lost {k}: {v}" for k, v in m.lost().items() if v]
    for role, service in (("server", server), ("client", client)):
        found += difference(role, Counter({(service, *kind): n * len(ports)}), m.requests(role))
    if found:
        raise Failure("; ".join(found))


def preloaded(e, library, port=None):
    """A server that maps this file for the library."""
    port = port or free_port()
    e.serve([PYTHON, os.path.join(PROGS, "secure.py"), port, "thread", *certificate(e)], port,
            env={**os.environ, "LD_PRELOAD": library})
    return port


def libssl(e):
    return re.search(r"libssl\.so\.3 => (\S+)", e.procs.run(["ldd", tool("nginx")]).stdout())[1]


@case(group=None)
def tls_library_replaced(e):
    """As an upgrade does: a library that was deleted is still mapped by who began before, and another
    has its name; each is read by those that map it."""
    own = e.path("libssl.so.3")
    shutil.copy(libssl(e), own)
    ports = [preloaded(e, own)]
    os.unlink(own)
    shutil.copy(libssl(e), own)
    ports.append(preloaded(e, own))
    w = Watched(e, f"{ports[0]},{ports[1]}")
    for port in ports:
        if e.procs.run(python_client(e, port, "thread", 5, 20), seconds=25).code:
            raise Failure("a client failed")
    judge_of_both_ends(w, ports, 100, "secure", "secureclient")


@case(group=None)
def tls_library_replaced_meanwhile(e):
    """The same while sonde runs: the file that goes stays watched for who maps it, the one that comes
    is watched before the first connection of who maps that."""
    own = e.path("libssl.so.3")
    ports = [free_port(), free_port()]
    w = Watched(e, f"{ports[0]},{ports[1]}")
    for n, port in enumerate(ports, 1):
        if os.path.exists(own):
            os.unlink(own)
        shutil.copy(libssl(e), own)
        before = held_objects(w.sonde.proc.pid)
        preloaded(e, own, port)
        until(lambda: links_of(e, w.sonde) == n or (links_of(e, w.sonde) is None and
                                                    held_objects(w.sonde.proc.pid) > before),
              10, f"{n} libraries that are watched")
    for port in ports:
        if e.procs.run(python_client(e, port, "thread", 5, 20), seconds=25).code:
            raise Failure("a client failed")
    judge_of_both_ends(w, ports, 100, "secure", "secureclient")


@case(group=None)
def tls_library_of_its_own(e):
    """A process with a library that nobody knew: it is watched before its first connection."""
    own = e.path("libssl.so.3")
    shutil.copy(libssl(e), own)
    port = free_port()
    w = Watched(e, port)
    before = held_objects(w.sonde.proc.pid)
    preloaded(e, own, port)
    until_watched(e, w.sonde, before)
    if e.procs.run(python_client(e, port, "thread", 5, 20), seconds=25).code:
        raise Failure("a client failed")
    judge_of_both_ends(w, [port], 100, "secure", "secureclient")


@case(group=None)
def tls_one_image_in_containers(e):
    """Overlay file systems show one library under several numbers: it is watched once."""
    mount = image(e, libssl(e))
    ports = [preloaded(e, mount() + "/libssl.so.3") for _ in range(2)]
    later = free_port()
    w = Watched(e, f"{ports[0]},{ports[1]},{later}")
    # a container that comes later is watched from its first connection on: the file is known
    preloaded(e, mount() + "/libssl.so.3", later)
    for port in (*ports, later):
        if e.procs.run(python_client(e, port, "thread", 5, 20), seconds=25).code:
            raise Failure("a client failed")
    if links_of(e, w.sonde) not in (1, None):
        raise Failure(f"{links_of(e, w.sonde)} links to one library")
    judge_of_both_ends(w, (*ports, later), 100, "secure", "secureclient")


def millis(word):
    """As wrk writes times."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", word).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def loaded(e, ports, seconds):
    return [e.procs.start([tool("wrk"), "-t1", "-c2", f"-d{seconds}s", "--latency", "--timeout", "20s",
                           f"https://127.0.0.1:{port}/marked/1/x"]) for port in ports]


def complete(p):
    """Ends a load: (requests done, failed, the 99th percentile of their times in ms), as it says."""
    if p.is_running():
        os.kill(p.pid, signal.SIGINT)
    p.wait(5)
    done = re.search(r"(\d+) requests in", p.stdout())
    slow = re.search(r"^ +99% +(\S+) *$", p.stdout(), re.M)
    if not done or not slow:
        raise Failure(f"wrk: {(p.stdout() + p.stderr())[-300:]!r}")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
                       p.stdout())
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", p.stdout())
    bad = [n for m in (errors, other) if m for n in m.groups()]
    return int(done[1]), sum(map(int, bad)), millis(slow[1])


def comes_and_goes(e, ports, rounds):
    """Sonde again and again under the load of these servers: no request of theirs fails, none of
    them ends. In the long form its times are set beside those of the same load alone."""
    alone = []
    if e.soak:
        loads = loaded(e, ports, 10)
        for p in loads:
            p.wait(20)
        alone = [complete(p)[2] for p in loads]
    loads = loaded(e, ports, rounds * 20)
    for _ in range(rounds):
        Sonde(e, "tail", "--json", "--port", ports[0]).wait_ready(20).end(limit=5)
        for p in loads:
            if not p.is_running():
                raise Failure(f"a load ended: {(p.stdout() + p.stderr())[-300:]}")
    done, failed, slow = zip(*(complete(p) for p in loads))
    e.figures.update(rounds=rounds, sent=sum(done), counted=0, failed=sum(failed), lost={},
                     slow_ms=" / ".join(f"{ms:.1f}" for ms in slow),
                     alone_ms=" / ".join(f"{ms:.1f}" for ms in alone))
    if min(done) < 100 or sum(failed):
        raise Failure(f"of {done} requests failed {failed}")


@case(group=None, limit=90, soak_limit=900)
def tls_sonde_comes_and_goes(e):
    """nginx, Node, Python with sockets and with records in memory."""
    comes_and_goes(e, [nginx(e).port, node_server(e), python_server(e, "thread"),
                       python_server(e, "asyncio")], e.amount(10, 200))


@case(group=None)
def tls_lets_go_in_time(e):
    """Programs with libraries of their own, 32 in all: one link each, and all let go at a time."""
    for i in range(4):
        copies = [e.path(f"{i}{k}/libssl.so.3") for k in range(8)]
        for copy in copies:
            os.mkdir(os.path.dirname(copy))
            shutil.copy(libssl(e), copy)
        mapping(e, ["sleep", 300], copies)

    def let_go():
        s = Sonde(e, "run").wait_ready()
        links = links_of(e, s)
        took = s.end()
        if links not in (32, None):
            raise Failure(f"{links} links for 32 files")
        return took
    e.figures["seconds"] = ends_in_time(let_go)


def asks_with_its_own(e, program, port):
    p = e.procs.start([program, port, 20, 20])
    until(lambda: "done" in p.stdout() or not p.is_running(), 5, "the client's end")
    if not p.is_running():
        raise Failure(f"the client ended: {p.stderr()[-200:]}")
    return p


def told_of(e, pid):
    p = e.procs.run([e.sonde, "check", "--json", "--pid", pid])
    return json.loads(p.stdout())["process"]


def records_kept_back(e, program, service, *paths):
    """Each connection asks for all of them, one after another."""
    port, connections = free_port(), e.amount(5, 50)
    e.serve([program, port, *certificate(e)], port)
    w = Watched(e, port)
    truth = Counter()
    for _ in range(connections):
        p = e.procs.run([tool("curl"), "-sSk", "-w", "%{http_code}\\n",
                         *[word for path in paths for word in
                           ("-o", "/dev/null", f"https://localhost:{port}{path}")]])
        if p.stdout().split() != ["200"] * len(paths):
            raise Failure(f"curl: {p.stdout()[-200:]} {p.stderr()[-200:]}")
        truth.update(("GET", path, 200) for path in paths)
    w.judge(Expect(port, truth, service, "curl"))


@case(group=None)
def tls_records_kept_back(e):
    """What is read nests its operation, what is written is sent after the call."""
    records_kept_back(e, e.program("keeps"), "keeps", "/small", "/large", "/small", "/large")


@case(group=None)
def tls_records_kept_back_at_times(e):
    """Those of Apache, which looks at first as if it sent each within its call."""
    copy = e.path("apache2")
    shutil.copy(e.program("keeps"), copy)
    records_kept_back(e, copy, "apache2", "/large", "/small", "/large", "/large")


@case(group=None)
def tls_through_a_tunnel(e):
    """curl reads a proxy's answer to CONNECT byte by byte; what it asks within is seen all the same."""
    ng, port = nginx(e), e.python("tunnel.py")
    s = Sonde(e, "run", "--port", f"{ng.port},{port}").wait_ready()
    for _ in range(5):
        p = e.procs.run([tool("curl"), "-sSk", "-x", f"http://127.0.0.1:{port}",
                         *[f"https://localhost:{ng.port}/ok"] * 2])
        if p.stdout() != "ok\n" * 2:
            raise Failure(f"curl: {p.stdout()[-200:]} {p.stderr()[-200:]}")
    m = s.settled_metrics()
    s.end()
    asked, tunnel = ("GET", "/ok", 200, None), ("CONNECT", None, 200, None)
    found = difference("client", Counter({("curl", *asked): 10, ("curl", *tunnel): 5}),
                       m.requests("client"))
    found += difference("server", Counter({("nginx", *asked): 10, ("tunnel", *tunnel): 5}),
                        m.requests("server"))
    if found or any(m.lost().values()):
        raise Failure("; ".join(found) + f" lost {[k for k, n in m.lost().items() if n]}")


@case(group=None)
def tls_linked_in(e):
    """OpenSSL within a program is read by its symbols; stripped it is dark, and that is said."""
    ng, plain = nginx(e), shutil.copy(e.program("ownssl"), e.path("ownssl"))
    stripped = e.path("stripped")
    e.procs.run(["strip", "-o", stripped, plain])
    os.chmod(stripped, 0o755)
    s = Sonde(e, "run", "--port", ng.port).wait_ready()
    before = held_objects(s.proc.pid)
    first = asks_with_its_own(e, plain, ng.port)
    until_watched(e, s, before)
    then = asks_with_its_own(e, plain, ng.port)
    dark = asks_with_its_own(e, stripped, ng.port)
    m = s.settled_metrics()
    s.end()
    asked = ("GET", "/ok", 200, None)
    found = difference("server", Counter({("nginx", *asked): 60}), m.requests("server"))
    # what a file holds is known when it is first seen to speak TLS: the first connection is joined
    n = m.requests("client")[("ownssl", *asked)]
    if not 20 <= n <= 40:
        found.append(f"{n} requests of the client")
    libraries = {labels["library"]: int(n) for labels, n in m.of("sonde_dark_connections")
                 if labels["service_name"] == "stripped"}
    if libraries != {"stripped-openssl": 1}:
        found.append(f"dark: {libraries}")
    for pid, name, is_read in ((first.pid, "openssl", True), (dark.pid, "stripped-openssl", False),
                               (e.procs.start(["sleep", 20]).pid, None, False)):
        told = told_of(e, pid)
        if (told["tls"], told["tls_read"]) != (name, is_read) or (
                bool(told["tls_why"]) != (name == "stripped-openssl")):
            found.append(f"check: {told}")
    then.signal(signal.SIGKILL)
    if found:
        raise Failure("; ".join(found))
