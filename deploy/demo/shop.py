# SPDX-License-Identifier: Apache-2.0
"""
The shop's processes: configured into a folder of their own, started as nobody, started again when
they end, ended all together. Nothing is installed or changed on the host.
"""
import glob
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.dirname(HERE)
STATES = "/run/sonde-demo"
NAMES = ("nginx", "storefront", "orders", "stock", "relay", "postgres", "redis", "prometheus", "sonde")
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL")
AGAIN_AFTER_S = 1

SCHEMA = """
CREATE TABLE orders (id serial PRIMARY KEY, product int NOT NULL);
CREATE VIEW orders_seen AS SELECT * FROM orders;
INSERT INTO orders (product) SELECT n FROM generate_series(1, 100) n;
"""


class Trouble(Exception):
    """What went wrong, in one line for people."""


def tool(name):
    pattern = f"/usr/lib/postgresql/*/bin/{name}"
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") or \
        next(iter(sorted(glob.glob(pattern), reverse=True)), None)
    if not found:
        raise Trouble(f"{name} is not installed: sudo deploy/install-deps demo")
    return found


def until(condition, limit_s, what):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise Trouble(f"no {what} within {limit_s} s")
        time.sleep(0.05)


def is_listening(port):
    with open("/proc/net/tcp", encoding="ascii") as f:
        return any(f":{port:04X}" in line.split()[1] and line.split()[3] == "0A" for line in list(f)[1:])


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as r:
            return r.status == 200
    except (urllib.error.URLError, OSError):
        return False


def ports_from(base):
    return {name: base + n for n, name in enumerate(NAMES)}


class Shop:
    def __init__(self, base, stock):
        self.base, self.port = base, ports_from(base)
        forget_dead(base)
        taken = [str(p) for p in self.port.values() if is_listening(p)]
        if taken:
            raise Trouble(f"port {', '.join(taken)} is in use: PORT=N takes N to N+{len(NAMES) - 1}")
        self.stock = stock
        self.dir = tempfile.mkdtemp(prefix="sonde-demo-")
        os.chmod(self.dir, 0o755)
        self.commands, self.procs, self.due = {}, {}, {}

    def file(self, name, text=""):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def folder(self, name):
        path = os.path.join(self.dir, name)
        os.mkdir(path)
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
        return path

    def launch(self, name):
        with open(os.path.join(self.dir, name + ".log"), "ab") as log:
            self.procs[name] = subprocess.Popen(
                [str(a) for a in self.commands[name]], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=self.dir)
        self.save()

    def start(self, name, argv, as_nobody=True):
        self.commands[name] = [*NOBODY, *argv] if as_nobody else \
            ["setpriv", "--pdeathsig=TERM", *argv]
        self.launch(name)

    def listening(self, name):
        def listens():
            if self.procs[name].poll() is not None:
                raise Trouble(f"{name} ended: {self.last_words(name)}")
            return is_listening(self.port[name])
        until(listens, 15, f"listener of {name}")

    def last_words(self, name):
        with open(os.path.join(self.dir, name + ".log"), encoding="utf-8", errors="replace") as f:
            return " ".join(f.read().split("\n")[-4:]).strip()

    def run(self, *argv):
        p = subprocess.run([*NOBODY, *map(str, argv)], cwd=self.dir, capture_output=True, timeout=60,
                           check=False)
        if p.returncode:
            raise Trouble(f"{os.path.basename(argv[0])}: {p.stderr.decode(errors='replace').strip()[-300:]}")

    def start_databases(self):
        data = self.folder("data")
        self.run(tool("initdb"), "-D", data, "-U", "shop", "-A", "trust", "--no-sync", "--locale=C.UTF-8")
        self.start("postgres", [tool("postgres"), "-D", data, "-p", self.port["postgres"],
                                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                                "-c", "fsync=off", "-c", "shared_buffers=16MB"])
        self.start("redis", [tool("redis-server"), "--port", self.port["redis"], "--bind", "127.0.0.1",
                             "--save", "", "--dir", data])
        self.listening("postgres")
        self.listening("redis")
        psql = [tool("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
                self.port["postgres"], "-U", "shop"]
        until(lambda: not subprocess.run([*map(str, psql), "-d", "postgres", "-c", "CREATE DATABASE shop"],
                                         capture_output=True, timeout=20, check=False).returncode,
              15, "PostgreSQL that takes queries")
        self.run(*psql, "-d", "shop", "-c", SCHEMA)
        self.run(tool("redis-cli"), "-p", self.port["redis"], "MSET",
                 *(w for n in range(1, 101) for w in (f"stock:{n}", "1000000")))

    def start_services(self):
        port = self.port
        upstreams = self.file("upstreams.json", json.dumps(
            {name: port[name] for name in ("stock", "orders")}))
        faults = self.folder("faults")
        for name in ("orders.py", "storefront.js", "hog.py", "relay.py"):
            shutil.copy(os.path.join(HERE, name), self.dir)
        shutil.copy(os.path.join(HERE, "load.py"), os.path.join(self.dir, "visitors.py"))
        shutil.copy(self.stock, os.path.join(self.dir, "stock"))
        with open(os.path.join(HERE, "nginx.conf"), encoding="utf-8") as f:
            conf = f.read().format(dir=self.folder("nginx"), **port)
        self.start("stock", [os.path.join(self.dir, "stock"), port["stock"], port["redis"]])
        self.start("orders", ["/usr/bin/python3", "orders.py", port["orders"], port["postgres"],
                              port["stock"], faults])
        self.start("storefront", [tool("node"), "storefront.js", port["storefront"], upstreams])
        self.start("nginx", [tool("nginx"), "-p", os.path.join(self.dir, "nginx"), "-c",
                             self.file("nginx.conf", conf), "-e", os.path.join(self.dir, "nginx", "error")])
        for name in ("stock", "orders", "storefront", "nginx"):
            self.listening(name)

    def start_visitors(self, rate):
        self.start("visitors", ["/usr/bin/python3", "visitors.py", self.port["nginx"], "steady", rate])

    def start_sonde(self, program, args):
        self.start("sonde", [program, "run", "--listen", f"127.0.0.1:{self.port['sonde']}", *args],
                   as_nobody=False)

        def ready():
            if self.procs["sonde"].poll() is not None:
                raise Trouble(f"sonde ended: {self.last_words('sonde')}")
            return answers(f"http://127.0.0.1:{self.port['sonde']}/readyz")
        until(ready, 20, "sonde that observes")

    def start_prometheus(self):
        for path in glob.glob(os.path.join(DEPLOY, "prometheus", "*.yaml")):
            shutil.copy(path, self.dir)
        with open(os.path.join(self.dir, "prometheus.yaml"), encoding="utf-8") as f:
            text = f.read().replace("127.0.0.1:9464", f"127.0.0.1:{self.port['sonde']}")
        text = re.sub(r"15s", "2s", text)
        # no Alertmanager here: what fires is on Prometheus' own page
        text = re.sub(r"(?ms)^alerting:.*?^(?=scrape_configs)", "", text)
        self.start("prometheus", [tool("prometheus"),
                                  f"--config.file={self.file('prometheus.yaml', text)}",
                                  f"--storage.tsdb.path={self.folder('tsdb')}",
                                  f"--web.listen-address=127.0.0.1:{self.port['prometheus']}"])
        self.listening("prometheus")

    def save(self):
        """What load and chaos need to know, where they find it."""
        os.makedirs(STATES, mode=0o755, exist_ok=True)
        path = state_path(self.base)
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({"pid": os.getpid(), "dir": self.dir, "port": self.port,
                       "pids": {name: p.pid for name, p in self.procs.items()}}, f)
        os.rename(path + ".new", path)

    def revive(self):
        """Starts again what ended, a second later; the names of what ended just now, and how."""
        fallen = []
        for name, p in self.procs.items():
            if p.poll() is None:
                continue
            if name not in self.due:
                self.due[name] = time.monotonic() + AGAIN_AFTER_S
                fallen.append((name, p.returncode))
            elif time.monotonic() > self.due[name]:
                del self.due[name]
                self.launch(name)
        return fallen

    def close(self):
        # PostgreSQL would wait for its clients, were it asked by SIGTERM
        polite = {"postgres": signal.SIGINT}
        for last in (False, True):
            for name, p in self.procs.items():
                if p.poll() is None:
                    os.killpg(p.pid, signal.SIGCONT)
                    os.killpg(p.pid, signal.SIGKILL if last else polite.get(name, signal.SIGTERM))
            end = time.monotonic() + 5
            for p in self.procs.values():
                try:
                    p.wait(max(0.0, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    pass
        forget(self.base, self.dir)


def state_path(base):
    return os.path.join(STATES, f"{base}.json")


def state(base):
    """What save() wrote, of a demo that runs; None."""
    try:
        with open(state_path(base), encoding="utf-8") as f:
            told = json.load(f)
        os.kill(told["pid"], 0)
        return told
    except (FileNotFoundError, ProcessLookupError):
        return None


def forget(base, folder):
    shutil.rmtree(folder, ignore_errors=True)
    for path in (state_path(base), state_path(base) + ".new"):
        if os.path.exists(path):
            os.unlink(path)
    if os.path.isdir(STATES) and not os.listdir(STATES):
        os.rmdir(STATES)


def forget_dead(base):
    """What a demo left behind that was killed; its processes went with it."""
    if state(base) is None and os.path.exists(state_path(base)):
        with open(state_path(base), encoding="utf-8") as f:
            forget(base, json.load(f)["dir"])
