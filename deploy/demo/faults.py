# SPDX-License-Identifier: Apache-2.0
"""
What can be done to the shop: each fault is put in place and taken away again, and says what sonde's
figures must show of it. A look is (what, before, meanwhile, whether that is the fault).
"""
import contextlib
import json
import os
import signal
import subprocess
import time

import psycopg2

from shop import NOBODY, Trouble, is_listening, state, tool, until
from sight import percent, seconds

FAULTS = {}
SERVER, CLIENT = "http_server_request_duration_seconds", "http_client_request_duration_seconds"
MIB = 1 << 20


class Place:
    """The running demo, as a fault sees it."""

    def __init__(self, base):
        self.base = base
        told = state(base)
        if not told:
            raise Trouble("no demo is running: sudo make demo")
        self.port, self.dir = told["port"], told["dir"]

    def pid(self, name):
        return state(self.base)["pids"][name]

    @contextlib.contextmanager
    def database(self):
        db = psycopg2.connect(host="127.0.0.1", port=self.port["postgres"], user="shop", dbname="shop")
        db.autocommit = True
        with db.cursor() as cursor:
            yield cursor
        db.close()

    @contextlib.contextmanager
    def process(self, *argv):
        # each in a session of its own, as services are: the scheduler shares among sessions first
        p = subprocess.Popen([*NOBODY, *map(str, argv)], cwd=self.dir, stdin=subprocess.DEVNULL,
                             start_new_session=True)
        try:
            yield p
        finally:
            p.kill()
            p.wait()

    def upstreams(self, **ports):
        """Sends the storefront elsewhere."""
        path = os.path.join(self.dir, "upstreams.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({name: self.port[ports.get(name, name)] for name in ("stock", "orders")}, f)
        os.kill(self.pid("storefront"), signal.SIGHUP)


class Fault:
    def __init__(self, name, says, last_s, put, looks):
        self.name, self.says, self.last_s, self.put, self.looks = name, says, last_s, put, looks


def fault(name, says, looks, last_s=4):
    """The decorated function puts it in place, yields, and takes it away."""
    def add(fn):
        FAULTS[name] = Fault(name, says, last_s, contextlib.contextmanager(fn), looks)
        return fn
    return add


def slow_queries(calm, storm):
    name, labels = "db_client_operation_duration_seconds", {"service_name": "orders",
                                                            "db_operation_name": "SELECT"}
    was, now = calm.quantile(0.5, name, **labels), storm.quantile(0.5, name, **labels)
    yield "orders asks PostgreSQL: SELECT, median", seconds(was), seconds(now), \
        was < 0.1 and 0.25 < now < 0.5
    was, now = (b.wait_share("downstream", "orders") for b in (calm, storm))
    yield "orders spends its time in its own calls", percent(was), percent(now), now > 0.8


@fault("slow-database", "PostgreSQL takes 300 ms longer to read an order", slow_queries)
def slow_database(place):
    view = "CREATE OR REPLACE VIEW orders_seen AS SELECT o.* FROM orders o"
    with place.database() as db:
        db.execute(view + ", LATERAL pg_sleep(0.3)")
        try:
            yield
        finally:
            db.execute(view)


def failures(calm, storm):
    posts = {"service_name": "orders", "http_request_method": "POST"}

    def ratio(b):
        failed = b.count(SERVER + "_count", http_response_status_code="500", **posts)
        return failed / max(b.count(SERVER + "_count", **posts), 1)
    was, now = ratio(calm), ratio(storm.meanwhile())
    yield "orders fails POST /orders", percent(was), percent(now), was == 0 and now > 0.8
    was, now = (b.count("db_client_operation_duration_seconds_count", service_name="orders",
                        db_response_status_code="42P01") for b in (calm, storm))
    yield "PostgreSQL said 42P01, undefined table", f"{was:g}", f"{now:g}", was == 0 and now > 0


@fault("errors", "the table of orders is not where it was: writing one fails", failures)
def errors(place):
    with place.database() as db:
        db.execute("ALTER TABLE orders RENAME TO orders_elsewhere")
        try:
            yield
        finally:
            db.execute("ALTER TABLE orders_elsewhere RENAME TO orders")


def no_cpu(calm, storm):
    # on a host that is busy anyway it is so before, too: who takes the CPU tells the two apart
    was, now = (b.wait_share("runqueue", "orders") for b in (calm, storm))
    yield "orders is ready and has no CPU", percent(was), percent(now), now > 0.2
    was, now = (b.count("sonde_service_cpu_seconds_total", service_name="hog") for b in (calm, storm))
    yield "CPU time of hog", seconds(was), seconds(now), was == 0 and now > 0.4 * storm.seconds


@fault("cpu-hog", "six busy neighbours on the one processor that orders is left", no_cpu, last_s=5)
def cpu_hog(place):
    number = max(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(place.process("/usr/bin/python3", "hog.py", "cpu", number))
        everywhere = os.sched_getaffinity(place.pid("orders"))
        bind(place.pid("orders"), {number})
        try:
            yield
        finally:
            bind(place.pid("orders"), everywhere)


def bind(pid, processors):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), processors)


def much_memory(_, storm):
    now = storm.during.sum("sonde_service_memory_bytes", service_name="hog")
    yield "memory of hog", "-", f"{now / MIB:.0f} MiB", 256 * MIB < now < 300 * MIB


@fault("memory-hog", "a program takes 256 MiB and keeps them", much_memory, last_s=8)
def memory_hog(place):
    with place.process("/usr/bin/python3", "hog.py", "memory", 256 * MIB):
        yield


def killed_for_memory(calm, storm):
    was, now = (b.count("sonde_oom_kills_total", service_name="hog") for b in (calm, storm))
    yield "hog killed for want of memory", f"{was:g}", f"{now:g}", was == 0 and now == 1


@fault("out-of-memory", "a program wants 256 MiB where 64 are allowed", killed_for_memory)
def out_of_memory(place):
    with limited(64 * MIB) as enter, place.process(
            "/bin/sh", "-c", "sleep 0.5; exec /usr/bin/python3 hog.py memory 268435456") as p:
        enter(p.pid)
        yield


def memory_stalls(calm, storm):
    was, now = (b.count("sonde_pressure_seconds_total", resource="memory", kind="some", scope="host")
                for b in (calm, storm))
    yield "somebody waited for memory", seconds(was), seconds(now), \
        now > 0.05 * storm.seconds and now > 5 * was


@fault("memory-pressure", "a program reads a file of 128 MiB again and again where 32 MiB are allowed",
       memory_stalls)
def memory_pressure(place):
    path = os.path.join(place.dir, "thrash")
    with open(path, "wb") as f:
        f.write(bytes(128 * MIB))
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        with limited(32 * MIB) as enter, place.process(
                "/bin/sh", "-c", "sleep 0.5; exec /usr/bin/python3 hog.py thrash thrash") as p:
            enter(p.pid)
            yield
    finally:
        os.unlink(path)


@contextlib.contextmanager
def limited(size):
    """A cgroup with so much memory, v1 or v2; yields a function that puts a process into it."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                        ("/sys/fs/cgroup", "memory.max")):
        folder = os.path.join(root, f"sonde-demo-{os.getpid()}")
        if os.path.exists(os.path.join(root, "cgroup.procs")):
            break
    else:
        raise Trouble("no cgroup here limits memory")
    os.mkdir(folder)

    def write(name, value):
        try:
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write(str(value))
        except OSError as e:
            raise Trouble(f"{folder}/{name}: {e.strerror}") from e
    try:
        write(limit, size)
        yield lambda pid: write("cgroup.procs", pid)
    finally:
        # what was in it may still be on its way out
        for _ in range(100):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
                break
            time.sleep(0.05)


def waits_for_lock(calm, storm):
    was, now = (b.count("sonde_offcpu_seconds_total", service_name="orders", reason="lock") / b.seconds
                for b in (calm, storm))
    yield "threads of orders asleep for a lock", f"{was:.2f}", f"{now:.2f}", now > 0.5 and now > 3 * was


@fault("lock", "orders serves one request at a time, for 100 ms", waits_for_lock)
def lock(place):
    path = os.path.join(place.dir, "faults", "lock")
    with open(path, "wb"):
        pass
    try:
        yield
    finally:
        os.unlink(path)


def stuck(_, storm):
    now = storm.during.max("sonde_oldest_active_request_seconds", service_name="orders")
    yield "oldest request in flight at orders", "-", seconds(now), \
        storm.seconds - 2 < now < storm.seconds + 2


@fault("table-lock", "somebody locks the table of orders and does not commit", stuck)
def table_lock(place):
    with place.database() as db:
        db.execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


def died(calm, storm):
    for what, name, labels in (
            ("stock ended by signal 9", "sonde_process_exits_total", {"reason": "signal", "code": "9"}),
            ("stock was there again", "sonde_service_restarts_total", {})):
        was, now = (b.count(name, service_name="stock", **labels) for b in (calm, storm))
        yield what, f"{was:g}", f"{now:g}", was == 0 and now == 1
    was, now = (b.count(SERVER + "_count", service_name="storefront", http_response_status_code="502")
                for b in (calm, storm))
    yield "storefront answered 502", f"{was:g}", f"{now:g}", was == 0 and now > 0
    was, now = (b.count("sonde_tcp_connects_total", server_port=str(b.place.port["stock"]), result="refused")
                for b in (calm, storm))
    yield "connections to the stock refused", f"{was:g}", f"{now:g}", was == 0 and now > 0


@fault("kill", "the stock is killed, and started again a second later", died)
def kill(place):
    old = place.pid("stock")
    os.kill(old, signal.SIGKILL)
    until(lambda: place.pid("stock") != old, 5, "stock started again")
    yield


def stood_still(calm, storm):
    name = "sonde_request_time_seconds_total"
    was, now = (b.count(name, service_name="orders", state="receive_queue") for b in (calm, storm))
    yield "requests unread in the sockets of orders", seconds(was), seconds(now), \
        now > storm.seconds / 2 > was
    was, now = (b.count(CLIENT + "_count", service_name="storefront") * b.above(1.0, CLIENT,
                service_name="storefront") for b in (calm, storm))
    yield "calls of storefront of over 1 s", f"{was:.0f}", f"{now:.0f}", was < 1 <= now


@fault("stall", "orders is stopped, and goes on", stood_still, last_s=3)
def stall(place):
    pid = place.pid("orders")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def far_away(calm, storm):
    was, now = (b.quantile(0.5, CLIENT, service_name="storefront", server_port=str(b.place.port[port]))
                for b, port in ((calm, "orders"), (storm, "relay")))
    yield "calls of storefront to orders, median", seconds(was), seconds(now), \
        was + 0.08 < now < was + 0.25
    was, now = (b.quantile(0.5, SERVER, service_name="orders") for b in (calm, storm))
    yield "orders takes itself, median", seconds(was), seconds(now), 0 < now < was + 0.05


@fault("delay", "50 ms each way between storefront and orders", far_away)
def delay(place):
    with place.process("/usr/bin/python3", "relay.py", place.port["relay"], place.port["orders"],
                       0.05) as p:
        until(lambda: p.poll() is not None or is_listening(place.port["relay"]), 5, "relay")
        place.upstreams(orders="relay")
        try:
            yield
        finally:
            place.upstreams()
            time.sleep(1.2)  # the storefront's last answers through it


def sent_again(calm, storm):
    was, now = (b.above(0.1, CLIENT, service_name="storefront") for b in (calm, storm))
    yield "calls of storefront of over 100 ms", percent(was), percent(now), \
        was + 0.03 < now < was + 0.6
    was, now = (b.quantile(0.95, SERVER, service_name="stock") for b in (calm, storm))
    yield "stock takes itself, p95", seconds(was), seconds(now), 0 < now < was + 0.05
    was, now = (b.count("sonde_tcp_retransmits_total", service_name="storefront") for b in (calm, storm))
    yield "segments that storefront sent again", f"{was:g}", f"{now:g}", now > 2 and now > 2 * was


@fault("loss", "one packet in five to the stock is lost", sent_again, last_s=7)
def loss(place):
    nft = tool("nft")

    def say(text):
        p = subprocess.run([nft, "-f", "-"], input=text.encode(), capture_output=True, timeout=10, check=False)
        if p.returncode:
            raise Trouble(f"nft: {p.stderr.decode(errors='replace').strip().splitlines()[0]}")
    table = f"inet sonde_demo_{place.base}"
    say(f"""table {table} {{
        chain input {{
            type filter hook input priority 0
            tcp dport {place.port['stock']} numgen random mod 100 < 20 drop
        }}
    }}""")
    try:
        yield
    finally:
        say(f"delete table {table}")
