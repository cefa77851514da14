# SPDX-License-Identifier: Apache-2.0
"""What a case has at hand: processes, real servers, real clients. All of it ends with the case."""
import contextlib
import os
import shutil
import tempfile
import time
from collections import Counter

from .proc import Failure, Procs, free_port, is_listening, until

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGS = os.path.join(HERE, "progs")
PYTHON = "/usr/bin/python3"

NGINX = """
user root;
worker_processes 2;
daemon off;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 512; }}
http {{
    sendfile on;
    keepalive_requests 1000000;
    # what is opened before sonde waits for its turn
    keepalive_timeout 600s;
    client_header_timeout 600s;
    client_max_body_size 64m;
    large_client_header_buffers 4 64k;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    log_format truth '$request_method $uri $status';
    access_log {dir}/access.log truth;
    {http}
    server {{
        listen {listen};
        root {root};
        location = /empty {{ return 204; }}
        location = /ok {{ return 200 "ok\\n"; }}
        {server}
    }}
}}
"""


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Failure(f"{name} is not installed")
    return found


class Nginx:
    def __init__(self, proc, folder, port):
        self.proc, self.folder, self.port = proc, folder, port

    def log(self, n=None):
        """The access log as a Counter of (method, path, status), once it has n lines."""
        def lines():
            with open(os.path.join(self.folder, "access.log")) as f:
                return f.read().splitlines()
        if n is not None:
            until(lambda: len(lines()) >= n, 5, f"{n} lines in nginx's access log")
        fields = (line.split(" ") for line in lines())
        return Counter((f[0], f[1], int(f[2])) for f in fields)


class Env:
    def __init__(self, top, name, sonde, tier, programs, cgroup=None):
        self.tmp = tempfile.mkdtemp(prefix=name + "-", dir=top)
        os.chmod(self.tmp, 0o755)
        self.procs = Procs(self.tmp)
        self.sonde, self.tier, self.programs, self.cgroup = sonde, tier, programs, cgroup
        self.data = {}
        self.soak = False  # the longer form of a case
        self.figures = {}  # what a case tells of how many and how fast
        self.undo = []     # called at the end, last first

    def amount(self, check, soak):
        return soak if self.soak else check

    def path(self, name):
        return os.path.join(self.tmp, name)

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def program(self, name):
        if name not in self.programs:
            raise Failure(f"the test program {name} did not build")
        return self.programs[name]

    def serve(self, argv, port, prefix=(), **kw):
        """
        Starts a server and waits until it listens, at a port or a unix socket's path. prefix: a
        command that becomes the server, in another network namespace perhaps.
        """
        p = self.procs.start([*prefix, *argv], **kw)

        def listens():
            if not p.is_running():
                raise Failure(f"{argv[0]} ended: {p.stderr().strip()[-200:]}")
            if isinstance(port, str):
                return os.path.exists(port)
            return is_listening(port, p.pid)
        until(listens, 10, f"listener of {argv[0]}")
        return p

    def nginx(self, server="", http="", listen=None, root=None, prefix=(), tls=False):
        port = free_port() if listen is None else None
        n = len(self.procs.all)
        folder = os.path.join(self.tmp, f"nginx{n}")
        os.mkdir(folder)
        conf = NGINX.format(dir=folder, listen=(listen or f"127.0.0.1:{port}") + (" ssl" if tls else ""),
                            server=server,
                            http=http, root=root or self.site())
        config = self.write(f"nginx{n}/nginx.conf", conf)
        where = listen[5:] if listen and listen.startswith("unix:") else port
        if where is None:
            where = int(listen.rsplit(":", 1)[1])
        proc = self.serve([tool("nginx"), "-p", folder, "-c", config, "-e",
                           folder + "/error.log"], where, prefix)
        until(lambda: os.path.exists(folder + "/pid"), 5, "pid file of nginx")
        self.workers(proc.pid, 2)
        return Nginx(proc, folder, where)

    def workers(self, pid, n):
        """Waits until a prefork server has its n children."""
        def children():
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                found = f.read().split()
            return found if len(found) >= n else None
        return [int(c) for c in until(children, 5, f"{n} children of {pid}")]

    def site(self):
        """A folder with files to serve."""
        folder = self.path("site")
        if not os.path.isdir(folder):
            os.mkdir(folder)
            self.write("site/hello", "hello\n")
            self.write("site/big", os.urandom(1 << 16) * 80)
        return folder

    def http_server(self, *args, cwd=None, port=None, host="127.0.0.1"):
        """Python's own http.server, speaking 1.1."""
        port = port or free_port()
        self.serve([PYTHON, "-m", "http.server", "-p", "HTTP/1.1", "-b", host, *args, port],
                   port, cwd=cwd or self.site())
        return port

    def node(self, script, *args, port=None):
        port = port or free_port()
        self.serve([tool("node"), "--max-http-header-size=65536",
                    os.path.join(PROGS, script), port, *args], port)
        return port

    def python(self, script, *args, port=None):
        """A server of ours in Python; its first argument is the port or path."""
        port = port or free_port()
        self.serve([PYTHON, os.path.join(PROGS, script), port, *args], port)
        return port

    def c(self, name, *args):
        """A server of ours in C."""
        port = free_port()
        self.serve([self.program(name), port, *args], port)
        return port

    def curl(self, *args, prefix=()):
        """Runs curl; the Proc, with the statuses it saw in .status."""
        drop = ["-o", "/dev/null"] * sum("://" in str(a) for a in args)
        p = self.procs.run([*prefix, tool("curl"), "-sS", *drop, "-w", "%{http_code}\\n",
                            "--max-time", "45", *args])
        p.status = [int(s) for s in p.stdout().split()]
        return p

    def close(self):
        self.procs.stop()
        while self.undo:
            self.undo.pop()()


@contextlib.contextmanager
def place(name, sonde=None):
    """An Env for a test that is no case; its folder goes with it."""
    top = tempfile.mkdtemp(prefix=f"sonde-{name}-")
    e = Env(top, name, sonde, None, {})
    try:
        yield e
    finally:
        e.close()
        shutil.rmtree(top, ignore_errors=True)


def quiet(seconds=0.05):
    """Lets the other side's last operation complete."""
    time.sleep(seconds)
