# SPDX-License-Identifier: Apache-2.0
"""Within TLS: the same counts as in the clear, each request on the connection that carried it."""
import json
import os
import re
from collections import Counter

from harness.case import case
from harness.env import PROGS, PYTHON, tool
from harness.expect import Expect, difference
from harness.proc import Failure, free_port, until
from harness.replay import replay
from harness.sonde import Sonde

MARKED = re.compile(r"/marked/(\d+)/x")
ROUTE = "/marked/{id}/x"


def certificate(e):
    cert, key = e.path("cert.pem"), e.path("key.pem")
    if not os.path.exists(cert):
        e.procs.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                     "2", "-subj", "/CN=localhost"])
    return cert, key


def nginx(e, protocols="TLSv1.2 TLSv1.3"):
    cert, key = certificate(e)
    return e.nginx(tls=True, server=f"""
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
        m = self.sonde.settled_metrics()
        self.sonde.end()
        lost = {k: v for k, v in m.lost().items() if v}
        os.chmod(self.file, 0o644)
        p = replay(self.e, self.file)
        seen = [json.loads(line) for line in p.stdout().splitlines()]
        found = expect.problems(seen)
        for role, service in expect.services.items():
            if service is not None:
                found += difference("metrics " + role, expect.counts(role), m.requests(role))
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
    p = e.procs.run(argv, seconds=25)
    told = dict(line.split() for line in p.stdout().splitlines())
    if p.code or len(told) != connections:
        raise Failure(f"the client: {len(told)} connections, exit {p.code}: {p.stderr()[-200:]}")
    w.judge(Expect(port, {("GET", ROUTE, 200): connections * requests}, server, client,
                   check=each_on_its_own(told)))


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


@case(group=None)
def tls_nginx_10000_over_50(e):
    """10,000 requests over 50 connections; nginx and a client of threads."""
    ng = nginx(e)
    marked(e, ng.port, "nginx", "secureclient", python_client(e, ng.port, "thread", 50, 200), 50,
           200)


@case(group=None)
def tls_python_both_ends(e):
    port = python_server(e, "thread")
    marked(e, port, "secure", "secureclient", python_client(e, port, "thread", 20, 50), 20, 50)


@case(group=None)
def tls_asyncio_both_ends(e):
    """Records in memory: no socket operation nests in a call."""
    port = python_server(e, "asyncio")
    marked(e, port, "secure", "secureclient", python_client(e, port, "asyncio", 50, 40), 50, 40)


@case(group=None)
def tls_node_both_ends(e):
    """OpenSSL within the program, records in memory."""
    port = node_server(e)
    marked(e, port, "secure", "secureclient", node_client(e, port, 50, 40), 50, 40)
