# SPDX-License-Identifier: Apache-2.0
"""What every measurement stands on: servers to observe, sonde beside them, CPU time, statistics."""

import contextlib
import ctypes
import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = {CPUS[0]}  # the observed server has one processor, all else the others
OTHER_CPUS = set(CPUS[1:]) or SERVER_CPU
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """A measurement that cannot be taken, and why."""


class Row:
    """One line of the table: the figure, what it should be, and what was measured."""

    def __init__(self, figure, unit, values, target=None, note="", digits=2):
        self.figure, self.unit, self.note = figure, unit, note
        self.values, self.target, self.digits = list(values), target, digits

    def as_dict(self):
        return self.__dict__


def cpu_ns(pid):
    """CPU time of a process, threads that are gone included: clock_getcpuclockid(3)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class Watch:
    """How much of the machine programs that are not ours took meanwhile: whatever is not idle,
    less the CPU time of the processes named and of the children that ended."""

    LIMIT = 0.04  # of the machine; more than that and a round says nothing

    def __init__(self, *pids):
        self.pids = pids
        self.start = time.monotonic()
        self.before = self.foreign_s()

    def spent(self, seconds):
        """CPU time of ours that no pid told: of processes that have ended and are not our
        children."""
        self.before += seconds

    def foreign_s(self):
        with open("/proc/stat", encoding="ascii") as f:
            ticks = [int(x) for x in f.readline().split()[1:9]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = sum(cpu_ns(p) for p in (*self.pids, os.getpid())) / 1e9
        return busy - ours - ended.ru_utime - ended.ru_stime

    def share(self):
        machine_s = (time.monotonic() - self.start) * os.cpu_count()
        return (self.foreign_s() - self.before) / machine_s

    def is_quiet(self):
        return self.share() < self.LIMIT


def wait_quiet(patience_s):
    """Waits until nothing else runs for two seconds. False when it never was so."""
    end = time.monotonic() + patience_s
    while True:
        watch = Watch()
        time.sleep(2)
        if watch.is_quiet():
            return True
        if time.monotonic() > end:
            return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def spawn(argv, cpus, **kw):
    """A process on the given CPUs that does not outlive this one."""

    def prepare():
        os.sched_setaffinity(0, cpus)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen(argv, preexec_fn=prepare, stdin=subprocess.DEVNULL, **kw)


def stop(proc, sig=signal.SIGTERM, timeout=5):
    if proc.poll() is None:
        proc.send_signal(sig)
        try:
            proc.wait(timeout)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()
    return proc.returncode


def wait_port(port, proc, timeout=5):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if proc.poll() is not None:
            raise Failed(f"{proc.args[0]} ended with {proc.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise Failed(f"{proc.args[0]} does not listen")


NGINX = """
daemon off; master_process on; worker_processes 1; worker_rlimit_nofile 20000;
pid {dir}/nginx.pid; error_log {dir}/error.log error;
events {{ worker_connections 19000; }}
http {{
	access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
	client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
	uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
	server {{ listen 127.0.0.1:{port} {listen} backlog=4096; {server} location / {{ return 200 "ok\\n"; }} }}
}}
"""


def worker_of(pid, timeout=5):
    """The first child of a server that listens before it has one."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            children = f.read().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise Failed(f"{pid} has no worker")


@contextlib.contextmanager
def nginx(listen="", server=""):
    """(port, pid of the one worker) of an nginx that answers 200; what else its server says."""
    with tempfile.TemporaryDirectory(prefix="sonde-bench-") as folder:
        port = free_port()
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(NGINX.format(dir=folder, port=port, listen=listen, server=server))
        binary = shutil.which("nginx")
        if not binary:
            raise Failed("no nginx: deploy/install-deps test")
        master = spawn([binary, "-c", conf, "-e", folder + "/error.log"], SERVER_CPU)
        try:
            wait_port(port, master)
            yield port, worker_of(master.pid)
        finally:
            stop(master, signal.SIGTERM)


PYTHON = """
import http.server
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", %d), H).serve_forever()
"""

NODE = """
require("http").createServer((req, res) => {
    res.setHeader("Content-Length", 3);
    res.end("ok\\n");
}).listen(%d, "127.0.0.1");
"""


@contextlib.contextmanager
def script_server(argv, source):
    port = free_port()
    proc = spawn(argv + [source % port], SERVER_CPU, stderr=subprocess.DEVNULL)
    try:
        wait_port(port, proc)
        yield port, proc.pid
    finally:
        stop(proc)


def python_server():
    return script_server(["/usr/bin/python3", "-c"], PYTHON)


def node_server():
    return script_server([shutil.which("node") or "nodejs", "-e"], NODE)


@contextlib.contextmanager
def environment(variables):
    """What is started within has them as well."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Sonde:
    """A running sonde: `with Sonde(binary, ["--pid", "1"]) as s`. Ready when entered."""

    def __init__(self, binary, args=(), command="run", cpus=OTHER_CPUS):
        self.port, self.cpus = free_port(), cpus
        self.argv = [binary, command, *args]
        if command == "run":
            self.argv += ["--listen", f"127.0.0.1:{self.port}"]

    def __enter__(self):
        self.stderr = tempfile.TemporaryFile("w+")
        start = time.monotonic()
        self.proc = spawn(self.argv, self.cpus, stdout=subprocess.DEVNULL, stderr=self.stderr)
        while "sonde: observing" not in self.said():
            if self.proc.poll() is not None:
                raise Failed(f"{' '.join(self.argv)}: exit {self.proc.returncode}: {self.said()}")
            if time.monotonic() - start > 20:
                stop(self.proc, signal.SIGKILL)
                raise Failed("sonde is not observing after 20 s")
            time.sleep(0.002)
        self.ready_s = time.monotonic() - start
        self.pid = self.proc.pid
        return self

    def __exit__(self, *exc):
        stop(self.proc)
        self.stderr.close()

    def said(self):
        return os.pread(self.stderr.fileno(), 65536, 0).decode("utf-8", "replace")

    def get(self, path="/metrics"):
        """(seconds, body) of one request to sonde's own server."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        start = time.monotonic()
        conn.request("GET", path)
        body = conn.getresponse().read()
        took = time.monotonic() - start
        conn.close()
        return took, body.decode("utf-8")

    def metric(self, name, **labels):
        """Sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self.get()[1].splitlines():
            if line.startswith((name + " ", name + "{")) and all(
                    f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def anonymous_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
        raise Failed("no RssAnon")


def pace(binary, port, rate, seconds, conns=16, hold=0, targets=None, more=()):
    """Requests at a fixed rate: starts the client, gives the process; its result is JSON."""
    argv = [binary, "-c", str(conns), "-r", str(rate), "-d", str(seconds), "-k", str(hold)]
    argv += ["-t", targets] if targets else []
    argv += more
    return spawn(argv + ["127.0.0.1", str(port)], OTHER_CPUS, stdout=subprocess.PIPE, text=True)


def pace_result(proc):
    out = proc.communicate()[0]
    if not out:
        raise Failed("pace failed")
    return json.loads(out)


def wrk(port, seconds, conns=32, cpus=OTHER_CPUS):
    """Requests per second of a saturated server."""
    proc = spawn(["wrk", "-t1", f"-c{conns}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"],
                 cpus, stdout=subprocess.PIPE, text=True)
    for line in proc.communicate()[0].splitlines():
        if line.startswith("Requests/sec:"):
            return float(line.split()[1])
    raise Failed("wrk gave no rate")


def iqr(values):
    if len(values) < 2:
        return (values[0], values[0]) if values else (0, 0)
    q = statistics.quantiles(values, n=4, method="inclusive")
    return q[0], q[2]


def interval(values, rounds=2000):
    """95 % confidence interval of the median, by bootstrap; the same for the same values."""
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(rounds))
    return medians[rounds // 40], medians[-rounds // 40 - 1]


def say(text):
    print(text, file=sys.stderr, flush=True)
