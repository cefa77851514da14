#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
record.py FOLDER [GLOB...]: records the sessions of this folder anew: real clients and real servers,
with a proxy between them that writes down what each says. A session is one connection, its first
few KiB, as a capture PROTOCOL.WHAT.pcap with made-up addresses: every server is at port 80, so that
ports tell nothing. PROTOCOL is what sonde calls it; `unknown` what it must not claim to know,
TLS among it. tests/unit/test_confusion.c is what they are for.

Needs what deploy/install-deps test installs, and for what must stay unknown:
mosquitto mosquitto-clients openssh-server python3-aiosmtpd nats-server python3-pyftpdlib
python3-websockets rabbitmq-server python3-pika
"""
import fnmatch
import grp
import os
import random
import select
import shutil
import socket
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]

from capture import Capture, Tcp  # noqa: E402
from cases import memcached, mysql, postgres, redis  # noqa: E402
from harness import node  # noqa: E402
from harness.env import PROGS, PYTHON, Env, tool  # noqa: E402
from harness.proc import free_port  # noqa: E402
from harness.raw import Raw  # noqa: E402

MOST = 5000  # bytes of a session that are kept
SEGMENT = 1400
SESSIONS = []


def session(name):
    """fn(e, proxy): starts a server, has proxy(port) called with its port, and a client talk to
    the port that this gives."""
    def add(fn):
        SESSIONS.append((name, fn))
        return fn
    return add


class Proxy:
    """Between a client and a server; of all connections the one that says most is kept."""

    def __init__(self):
        self.connections, self.listener, self.lock = [], None, threading.Lock()

    def __call__(self, to):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, args=(to,), daemon=True).start()
        return self.listener.getsockname()[1]

    def accept(self, to):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            said = []
            with self.lock:
                self.connections.append(said)
            threading.Thread(target=self.carry, args=(client, to, said), daemon=True).start()

    def carry(self, client, to, said):
        try:
            ends = [client, socket.create_connection(("127.0.0.1", to))]
        except OSError:
            client.close()
            return
        for s in ends:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            for s in select.select(ends, [], [])[0]:
                end = ends.index(s)
                try:
                    data = s.recv(65536)
                    ends[1 - end].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    for x in ends:
                        x.close()
                    said.append((end, None))
                    return
                said.append((end, data))

    def write(self, path):
        said = max(self.connections, key=lambda s: min(MOST, sum(len(d or b"") for _, d in s)))
        cap = Capture()
        c, n, is_cut = Tcp(cap).syn(), 0, False
        for end, data in said:
            if data is None:
                break
            if n + len(data) > MOST:
                is_cut = True
                break
            n += len(data)
            for at in range(0, len(data), SEGMENT):
                c.send(end, data[at:at + SEGMENT])
        if not n:
            raise RuntimeError(f"{path}: nothing was said")
        if not is_cut:
            c.fin()
        with open(path, "wb") as f:
            f.write(cap.bytes)
        return n


def bytes_of(port, *sends, wait=0.3):
    """Sends these, one after the other, and reads what comes."""
    with socket.create_connection(("127.0.0.1", port)) as s:
        for data in sends:
            s.sendall(data)
            s.settimeout(wait)
            try:
                while s.recv(65536):
                    pass
            except OSError:
                pass


# --- what is known ---

@session("http.curl")
def http_curl(e, proxy):
    port = proxy(e.nginx().port)
    e.curl(f"http://127.0.0.1:{port}/hello", f"http://127.0.0.1:{port}/empty",
           f"http://127.0.0.1:{port}/nope")


@session("http.pipelined")
def http_pipelined(e, proxy):
    bytes_of(proxy(e.nginx().port), b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 3)


@session("http.websocket")
def http_websocket(e, proxy):
    port = free_port()
    e.serve([PYTHON, "-c", f"""
import asyncio, websockets
async def echo(ws):
    async for m in ws: await ws.send(m)
async def main():
    async with websockets.serve(echo, "127.0.0.1", {port}): await asyncio.Future()
asyncio.run(main())"""], port)
    e.procs.run([PYTHON, "-c", f"""
import asyncio, websockets
async def main():
    async with websockets.connect("ws://127.0.0.1:{proxy(port)}/") as ws:
        for n in range(4):
            await ws.send("message %d" % n); await ws.recv()
asyncio.run(main())"""])


@session("redis.commands")
def redis_commands(e, proxy):
    r = redis.Redis(e)
    with redis.Resp(proxy(r.port)) as c:
        for text in ("SET k 5", "GET k", "INCR k", "LPUSH l a b c", "LRANGE l 0 -1", "GET l",
                     "HSET h a 1", "MULTI", "SET a 1", "EXEC", "SELECT 2", "DBSIZE"):
            c.ask(*text.split(" "))


@session("redis.inline")
def redis_inline(e, proxy):
    """As typed by hand: what looks like memcached's commands is not."""
    r = redis.Redis(e)
    bytes_of(proxy(r.port), b"GET k\r\n", b"get k\r\n", b"SET k 5\r\n", b"incr k\r\n",
             b"touch k 1\r\n", wait=0.05)


@session("redis.pipelined")
def redis_pipelined(e, proxy):
    r = redis.Redis(e)
    redis.bench(e, "-p", proxy(r.port), "-P", 16, "-c", 1, "-n", 96, "-t", "set,get,lpush")


@session("redis.subscribed")
def redis_subscribed(e, proxy):
    r = redis.Redis(e)
    with redis.Resp(proxy(r.port)) as c, redis.Resp(r.port) as pub:
        c.ask("HELLO", 3)
        c.ask("SUBSCRIBE", "a")
        for n in range(5):
            pub.ask("PUBLISH", "a", n)
            c.reply()
        c.ask("UNSUBSCRIBE", "a")
        c.ask("PING")


@session("memcached.text")
def memcached_text(e, proxy):
    memcached.classic(proxy(memcached.serve(e)))


@session("memcached.meta")
def memcached_meta(e, proxy):
    with memcached.Client(proxy(memcached.serve(e))) as c:
        for n in range(10):
            c.ask(b"ms k%d 3\r\nabc\r\n" % n)
        c.ask(b"".join(b"mg k%d v k q\r\n" % n for n in range(0, 20, 2)) + b"mn\r\n", b"MN\r\n")
        c.ask(b"md k1\r\n")
        c.ask(b"ma k1\r\n")


@session("memcached.binary")
def memcached_binary(e, proxy):
    with memcached.Client(proxy(memcached.serve(e))) as c:
        for n in range(10):
            c.sock.sendall(memcached.packet(1, b"k%d" % n, b"\0" * 8, b"v" * 20, n))
            c.sock.recv(65536)
            c.sock.sendall(memcached.packet(0, b"k%d" % n))
            c.sock.recv(65536)


@session("memcached.client")
def memcached_client(e, proxy):
    e.procs.run([PYTHON, os.path.join(PROGS, "memcache.py"), proxy(memcached.serve(e)), 10])


def pgbench(e, proxy, mode):
    s = postgres.Server(e)
    s.run("pgbench", s.folder, "-i", "-q", "postgres")
    s.port = proxy(s.port)
    s.run("pgbench", "127.0.0.1", "-n", "-M", mode, "-c", 1, "-t", 3, "postgres")


@session("postgresql.simple")
def postgres_simple(e, proxy):
    pgbench(e, proxy, "simple")


@session("postgresql.extended")
def postgres_extended(e, proxy):
    pgbench(e, proxy, "extended")


@session("postgresql.prepared")
def postgres_prepared(e, proxy):
    pgbench(e, proxy, "prepared")


@session("postgresql.psql")
def postgres_psql(e, proxy):
    s = postgres.Server(e)
    s.port = proxy(s.port)
    script = e.write("script.sql", "CREATE TABLE t (a int PRIMARY KEY, b text);\n"
                     "INSERT INTO t VALUES (1, 'x'), (2, 'y');\nCOPY t TO STDOUT;\nSELEC 1;\n"
                     "SELECT * FROM t;\nSELECT 1/0;\nSELECT 1 \\; SELECT 2;\nLISTEN a;\nNOTIFY a;\n")
    s.run("psql", "127.0.0.1", "-X", "-q", "-f", script, "postgres")


@session("mysql.client")
def mysql_client(e, proxy):
    s = mysql.Server(e)
    s.port = proxy(s.port)
    s.run("mariadb", True, "--skip-ssl", "--force", "shop", "-e",
          "CREATE TABLE t (a INT PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');"
          "SELECT * FROM t; SELEC 1; UPDATE t SET b = 'z'; USE mysql; SELECT 1; SHOW DATABASES")


@session("mysql.prepared")
def mysql_prepared(e, proxy):
    s = mysql.Server(e)
    e.procs.run([tool("node"), os.path.join(PROGS, "node", "prepared.js"), proxy(s.port), 3, 50],
                env={**os.environ, "NODE_PATH": node.modules(e)})


@session("dns.dig")
def dns_dig(e, proxy):
    port = free_port()
    e.serve([tool("dnsmasq"), "-k", "-C", "/dev/null", "-p", port, "-a", "127.0.0.1", "-z", "-R",
             "-h", "--address=/example.org/192.0.2.1", "-u", "root"], port)
    e.procs.run([tool("dig"), "+tcp", "+keepopen", "@127.0.0.1", "-p", proxy(port), "example.org",
                 "a.example.org", "AAAA", "nothing.test"])


# --- what is not ---

def certificate(e):
    key, crt = e.path("key"), e.path("crt")
    e.procs.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt, "-subj",
                 "/CN=localhost", "-days", 2])
    return key, crt


@session("unknown.tls")
def unknown_tls(e, proxy):
    port, (key, crt) = free_port(), certificate(e)
    e.serve([tool("openssl"), "s_server", "-www", "-accept", port, "-key", key, "-cert", crt], port)
    e.curl("-k", f"https://127.0.0.1:{proxy(port)}/")


@session("unknown.postgresql-tls")
def unknown_postgres_tls(e, proxy):
    key, crt = certificate(e)
    os.chmod(key, 0o640)
    os.chown(key, 0, grp.getgrnam("postgres").gr_gid)
    s = postgres.Server(e, "-c", "ssl=on", "-c", "ssl_cert_file=" + crt, "-c",
                        "ssl_key_file=" + key)
    s.port = proxy(s.port)
    s.run("psql", "127.0.0.1", "-X", "-c", "SELECT 1", "postgres")


@session("unknown.smtp")
def unknown_smtp(e, proxy):
    port = free_port()
    e.serve([PYTHON, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}"], port)
    e.procs.run([PYTHON, "-c", f"""
import smtplib
s = smtplib.SMTP("127.0.0.1", {proxy(port)}, local_hostname="client.example")
for n in range(2): s.sendmail("a@example.org", ["b@example.org"], "Subject: x\\r\\n\\r\\nget a\\r\\n")
s.quit()"""])


@session("unknown.ftp")
def unknown_ftp(e, proxy):
    port = free_port()
    e.serve([PYTHON, "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", port, "-d", e.tmp], port)
    bytes_of(proxy(port), b"USER anonymous\r\n", b"PASS x\r\n", b"SYST\r\n", b"PWD\r\n", b"QUIT\r\n")


@session("unknown.ssh")
def unknown_ssh(e, proxy):
    port, key = free_port(), e.path("hostkey")
    e.procs.run([tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key])
    os.makedirs("/run/sshd", exist_ok=True)
    e.serve([tool("sshd"), "-D", "-f", "/dev/null", "-h", key, "-p", port, "-o",
             "ListenAddress=127.0.0.1"], port)
    e.procs.run([tool("ssh"), "-F", "/dev/null", "-p", proxy(port), "-o", "BatchMode=yes", "-o",
                 "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "127.0.0.1"])


@session("unknown.mqtt")
def unknown_mqtt(e, proxy):
    port = free_port()
    e.serve([tool("mosquitto"), "-p", port], port)
    to = proxy(port)
    sub = e.procs.start([tool("mosquitto_sub"), "-p", to, "-t", "a/#", "-q", "1"])
    time.sleep(0.3)
    for n in range(5):
        e.procs.run([tool("mosquitto_pub"), "-p", port, "-t", "a/b", "-q", "1", "-m", f"get {n}"])
    sub.stop()


@session("unknown.amqp")
def unknown_amqp(e, proxy):
    port, folder = free_port(), e.path("rabbit")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    env = {**os.environ, "RABBITMQ_NODENAME": f"record{port}@localhost", "HOME": folder,
           "RABBITMQ_NODE_PORT": str(port), "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
           "RABBITMQ_MNESIA_BASE": folder, "RABBITMQ_LOG_BASE": folder,
           "RABBITMQ_DIST_PORT": str(free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1"}
    p = e.procs.start(["/usr/lib/rabbitmq/bin/rabbitmq-server"], env=env)
    for _ in range(120):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.25)
    time.sleep(1)
    e.procs.run([PYTHON, "-c", f"""
import pika
c = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", {proxy(port)}))
ch = c.channel(); ch.queue_declare("q")
for n in range(5): ch.basic_publish("", "q", b"SELECT %d" % n)
c.close()"""])
    p.stop()


@session("unknown.nats")
def unknown_nats(e, proxy):
    port = free_port()
    e.serve([tool("nats-server"), "-a", "127.0.0.1", "-p", port], port)
    bytes_of(proxy(port), b'CONNECT {"verbose":true}\r\n', b"SUB a 1\r\n", b"PUB a 5\r\nhello\r\n",
             b"PING\r\n")


@session("http2.nghttp")
def http2_nghttp(e, proxy):
    port = free_port()
    e.serve([tool("nghttpd"), "--no-tls", "-d", e.site(), port], port)
    e.procs.run([tool("nghttp"), f"http://127.0.0.1:{proxy(port)}/hello"])




def sink(proxy, answers=()):
    """A server that says these, one at a time, whatever it is told."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        s, _ = listener.accept()
        for data in answers:
            if s.recv(65536):
                s.sendall(data)
        while s.recv(65536):
            pass
    threading.Thread(target=run, daemon=True).start()
    return proxy(listener.getsockname()[1])


@session("unknown.random")
def unknown_random(e, proxy):
    r = random.Random(1)
    bytes_of(sink(proxy, [r.randbytes(n) for n in (100, 7, 900)]),
             *(r.randbytes(n) for n in (4, 300, 1000, 20, 1200)), wait=0.05)


@session("unknown.zeros")
def unknown_zeros(e, proxy):
    bytes_of(sink(proxy, [bytes(8)]), bytes(4), bytes(500), bytes(40), wait=0.05)


@session("unknown.lines")
def unknown_lines(e, proxy):
    bytes_of(sink(proxy, [b"ok\r\n", b"# a comment\r\n", b"*** done\r\n"]), b"hello\r\n",
             b"get the book from the shelf\r\n", b"stats about people\r\n", b"quit smoking\r\n",
             wait=0.05)


@session("unknown.syslog")
def unknown_syslog(e, proxy):
    port = sink(proxy)
    for_all = [f"<{n}>1 2026-11-21T06:15:{n}Z host app {n} - - SELECT {n}\n" for n in range(10, 20)]
    bytes_of(port, *(line.encode() for line in for_all), wait=0.02)


def main():
    folder, globs = sys.argv[1], sys.argv[2:] or ["*"]
    top = tempfile.mkdtemp(prefix="sonde-record-")
    os.chmod(top, 0o755)
    failed = 0
    try:
        for name, fn in SESSIONS:
            if not any(fnmatch.fnmatchcase(name, g) for g in globs):
                continue
            e, proxy = Env(top, "s", None, None, {}), Proxy()
            try:
                fn(e, proxy)
                time.sleep(0.1)
                n = proxy.write(os.path.join(folder, name + ".pcap"))
                print(f"{name}: {n} bytes")
            except Exception as problem:  # the others are recorded
                print(f"{name}: {type(problem).__name__}: {problem}")
                failed += 1
            finally:
                if proxy.listener:
                    proxy.listener.close()
                e.close()
    finally:
        shutil.rmtree(top, ignore_errors=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
