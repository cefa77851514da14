#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
screens.py [SONDE]: what stands in each column of the live view: over an API that says what the test has it
say, at its own clock, figure by figure; and over programs whose memory, open connections, plaintext and
stuck request are known otherwise. Names may be wider than they are long. Needs root.
"""
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from terminal import FAILED, PASSED, SONDE, Terminal, close_all, columns, stands_in, verdict  # noqa: E402

WAITS = ("receive_queue", "runqueue", "cpu", "blocked", "throttled", "downstream", "unknown")
SIZES = ((80, 24), (120, 40), (250, 60))

# what each service has done up to now, and in the last minute: two clocks of the same service
BEGUN = {"cpu_seconds": 100.0, "memory_bytes": 123400000,
         "stalled_seconds": {"cpu": 50.0, "memory": 60.0, "io": 70.0},
         "tcp": {"connections": 17, "retransmits": 1000, "rtt_seconds_sum": 5.0, "rtt_seconds_count": 500}}
NAMES = ("shop", "在庫管理サービスとても長い名前のためここで切れる", "🛒 カート", "naïve-café")


def row(n, name):
    """The figures of a minute, each its own."""
    seconds = 0.001 * (n + 1)
    return {"name": name, "service": name, "role": "server", "protocol": ("http", "grpc", "redis", "mysql")[n],
            "health": ("healthy", "degraded", "unhealthy", "unknown")[n],
            "reason": "p95 2.5 s, over 1 s" if n == 1 else "",
            "rate": 10.5, "rate_now": 1234.5 - n, "count": 1000, "errors": 125, "error_ratio": 0.125,
            "request_bytes": 7650000 + n * 10000, "response_bytes": 8760000000,
            "p50_seconds": seconds, "p95_seconds": 2 * seconds, "p99_seconds": 3 * seconds,
            "max_seconds": 4.5 + n, "total_seconds": 10.0,
            "waits_seconds": dict.fromkeys(WAITS, 0) | {"cpu": 2.5, "blocked": 7.5},
            "per_second": [0] * 58 + [4, 8], "in_flight": 6 + n, "oldest_in_flight_seconds": 12.5 + n,
            "tls": n in (0, 2), "encrypted_connections": (0, 3, 5, 0)[n], **json.loads(json.dumps(BEGUN))}


class Script:
    """A sonde that says what it is told to."""

    def __init__(self):
        self.ns, self.rows = 1_795_000_000 * 10**9, [row(n, name) for n, name in enumerate(NAMES)]
        self.status = {"tier": "socket", "events": {"data": 1000, "skipped": 7},
                       "lost": {"total": 3}, "connections": {"parsed": 15, "undecided": 2, "unknown": 4, "encrypted": 8},
                       "cost": {"cpu_seconds": 50.0, "anonymous_memory_bytes": 9870000}}
        self.lock, self.asked = threading.Lock(), 0
        script = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with script.lock:
                    script.asked += self.path.startswith("/api/v1/status")
                    body = script.status if self.path.startswith("/api/v1/status") else \
                        script.requests() if self.path.startswith("/api/v1/requests") else \
                        {"time_unix_nano": script.ns, "rows": script.rows}
                    text = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def requests(self):
        """One hangs; of the two slowest one is among the latest too."""
        def request(name, duration_ns, ago_ns):
            return {"time_unix_nano": self.ns - ago_ns, "duration_ns": duration_ns, "protocol": "http",
                    "role": "server", "service": "shop", "tid": 7, "request": name, "status": 200}
        both = request("GET /both", 9 * 10**6, 10**9)
        return {"time_unix_nano": self.ns, "in_flight": [request("GET /stuck", 10**9, 10**9)],
                "recent": [request("GET /late", 10**6, 10**8), both],
                "slowest": [both, request("GET /slow", 8 * 10**6, 30 * 10**9)]}

    def seen(self):
        """Waits until the view has asked for all of it once more."""
        with self.lock:
            before = self.asked
        end = time.monotonic() + 30
        while self.asked < before + 2 and time.monotonic() < end:
            time.sleep(0.05)

    def passes(self, seconds, change):
        with self.lock:
            self.ns += seconds * 10**9
            for n, r in enumerate(self.rows):
                change(n, r)
        self.seen()


def rows_of(t, names):
    """The head, and for each name the line that begins with it or with as much of it as is shown."""
    lines = t.screen().splitlines()
    head = next((line for line in lines if line.startswith("SERVICE ")), "")
    return head, [next((line for line in lines if line.startswith(name[:5])), "") for name in names]


def until_cells(t, what, want, seconds=30):
    """want: by title what stands in it, service by service."""
    end = time.monotonic() + seconds
    while True:
        head, lines = rows_of(t, NAMES)
        wrong = [f"{title} of {name}: not {v}" for title, values in want.items()
                 for name, line, v in zip(NAMES, lines, values) if not stands_in(head, line, title, v)]
        if not wrong or time.monotonic() > end:
            verdict(what, not wrong, f"{wrong} in\n{t.screen()}")
            return
        time.sleep(0.2)


def advance(n, r):
    """What five seconds bring: each service waits most for something else, and sends on its own."""
    r["cpu_seconds"] += 1.25 + n
    r["stalled_seconds"][("cpu", "memory", "io", "io")[n]] += (0.25, 1.5, 5.0, 0.0)[n]
    r["stalled_seconds"]["memory"] += 0.05
    r["tcp"]["retransmits"] += 42 + n
    r["tcp"]["rtt_seconds_sum"] += 0.0777 * (n + 1)
    r["tcp"]["rtt_seconds_count"] += 10


def scripted(folder):
    """Every column, of four services, at its exact value; and what has left the minute is gone."""
    api = Script()
    t = Terminal((250, 60), folder, "--connect", api.url)
    t.until("four services", "shop", "カート", "naïve-café")
    api.seen()
    api.passes(5, advance)
    until_cells(t, "columns of requests", {
        "ROLE": ["server"] * 4, "REQ/S": ["1234.5", "1233.5", "1232.5", "1231.5"], "ERR%": ["12.5"] * 4,
        "P50": ["1.00 ms", "2.00 ms", "3.00 ms", "4.00 ms"], "P95": ["2.00 ms", "4.00 ms", "6.00 ms", "8.00 ms"],
        "P99": ["3.00 ms", "6.00 ms", "9.00 ms", "12.0 ms"], "MAX": ["4.50 s", "5.50 s", "6.50 s", "7.50 s"],
        "NOW": ["6", "7", "8", "9"], "OLDEST": ["12.5 s", "13.5 s", "14.5 s", "15.5 s"],
        "IN": ["7.65 MB", "7.66 MB", "7.67 MB", "7.68 MB"], "OUT": ["8.76 GB"] * 4,
        "PROTOCOL": ["http", "grpc", "redis", "mysql"], "TLS": ["read", "3 dark", "read 5 dark", "-"]})
    until_cells(t, "columns of processes", {
        "CPU%": ["25.0", "45.0", "65.0", "85.0"], "MEMORY": ["123 MB"] * 4,
        "PSI%": ["5.0 cpu", "31.0 mem", "100.0 io", "1.0 mem"]})
    until_cells(t, "columns of connections", {
        "RTT": ["7.77 ms", "15.5 ms", "23.3 ms", "31.1 ms"], "RETRANS": ["42", "43", "44", "45"],
        "CONNS": ["17"] * 4})
    head, lines = rows_of(t, NAMES)
    at = head.index("WAITS")
    verdict("a quarter of the bar is cpu", all(columns(l)[at:at + 20] == "█" * 20 for l in lines), lines)
    verdict("the last second is the highest, at the right", all(l.rstrip()[-2:] == "▄█" for l in lines), lines)
    with api.lock:
        api.status["events"]["data"] += 5000
        api.status["cost"]["cpu_seconds"] += 0.25
    api.passes(5, lambda n, r: None)
    t.until("the footer says what the API says", "1000 events/s  3 lost  4 unknown  8 encrypted  "
            "sonde 5.0% cpu 9.87 MB  socket tier")
    t.press("Enter", "Enter", "Enter")
    t.until("requests", "GET /stuck", "GET /late", "GET /both", "GET /slow")
    told = [l.split()[1] for l in t.screen().splitlines() if l.startswith("GET ")]
    verdict("a request that is among the latest and the slowest is told once",
            sorted(told) == ["/both", "/late", "/slow", "/stuck"], told)
    t.press("Escape", "Escape", "Escape")
    for _ in range(14):
        api.passes(5, lambda n, r: None)
    until_cells(t, "a minute later nothing of it is left", {
        "RETRANS": ["0"] * 4, "RTT": ["-"] * 4, "CPU%": ["0.0"] * 4, "MEMORY": ["123 MB"] * 4,
        "PSI%": ["0.0 cpu"] * 4})
    t.press("q")
    t.until("quits", "EXIT 0")
    t.close()
    return api


def wide(folder, api):
    """Names of wide characters move nothing, at any size; what is cut says so."""
    t = Terminal(SIZES[0], folder, "--connect", api.url)
    for size in SIZES:
        t.resize(*size)
        t.until("%dx%d: names" % size, "shop", "在庫管理", "🛒 カート", "naïve-café", "events/s")
        until_cells(t, "%dx%d: columns stand under their heads" % size, {
            "ROLE": ["server"] * 4, "REQ/S": ["1234.5", "1233.5", "1232.5", "1231.5"], "ERR%": ["12.5"] * 4,
            "P95": ["2.00 ms", "4.00 ms", "6.00 ms", "8.00 ms"]})
        lines = t.screen().splitlines()
        verdict("%dx%d: none too wide" % size, max(len(columns(l)) for l in lines) <= size[0], lines)
        long = next((l for l in lines if l.startswith("在庫")), "")
        verdict("%dx%d: a name that is cut says so" % size, "…" in long or NAMES[1] in long, long)
        t.until("%dx%d: how to be helped and how to leave" % size, "  ? help  q quit")
    t.press("End", "Up", "Up", "Up", "Down")
    t.until("the reason of the row in hand", "p95 2.5 s, over 1 s")
    t.press("?")
    t.until("help of every column", *("REQ/S", "OLDEST", "PSI%", "WAITS", "RETRANS", "LAST MINUTE", "any key"))
    t.press("x", "q")
    t.until("quits", "EXIT 0")
    t.close()
    out = subprocess.run([SONDE, "top", "--once", "--connect", api.url], capture_output=True, text=True,
                         timeout=20, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout
    lines = out.splitlines()
    told = json.loads(subprocess.run([SONDE, "top", "--json", "--connect", api.url], capture_output=True, text=True,
                                     timeout=20, check=True).stdout)
    verdict("as JSON it says of connections and losses what the API says",
            (told["connections"], told["events_lost"]) == (api.status["connections"], 3), told)
    verdict("a plain table aligns them too",
            [columns(l).find("server") for l in lines[1:5]] == [lines[0].index("ROLE")] * 4 and "🛒 カート" in out, out)


SERVER = """
import socket, ssl, sys, threading, time
held = bytearray(int(sys.argv[3]) << 20)
for i in range(0, len(held), 4096): held[i] = 1
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
def serve(plain):
    try:
        c = context.wrap_socket(plain, server_side=True)
        while True:
            request = c.recv(65536)
            if not request: return
            if b"/stuck" in request: time.sleep(10000)
            c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except OSError: pass
with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100) as s:
    print("ready", flush=True)
    while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(l.split()[1]) * 1024 for l in f if l.startswith("VmRSS:"))


def shown(seconds_or_bytes, units):
    """A quantity as the screen has it: its number and its unit."""
    number, _, unit = seconds_or_bytes.partition(" ")
    try:
        return float(number) * units[unit]
    except (ValueError, KeyError):
        return None


BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60}


def cell_of(t, title, role):
    head, lines = next(((l, t.screen().splitlines()) for l in t.screen().splitlines() if l.startswith("SERVICE ")),
                       ("", []))
    line = next((l for l in lines if l.startswith("held ") and f" {role} " in l), "")
    end = head.find(" " + title + " ") + len(title) + 1
    return " ".join(line[:end].split()[-2:])


def until_shown(t, what, title, role, is_so, seconds=60):
    end = time.monotonic() + seconds
    while True:
        got = cell_of(t, title, role)
        if is_so(got) or time.monotonic() > end:
            verdict(what, is_so(got), f"{got} in\n{t.screen()}")
            return
        time.sleep(0.2)


def observed(folder):
    """What is known of a program otherwise: its memory, its connections, what hangs in it and for how long."""
    cert, script = os.path.join(folder, "cert.pem"), os.path.join(folder, "held.py")
    with open(script, "w", encoding="ascii") as f:
        f.write(SERVER)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", cert + ".key", "-out", cert], check=True,
                   capture_output=True, timeout=30)
    with open(cert + ".key", encoding="ascii") as key, open(cert, "a", encoding="ascii") as f:
        f.write(key.read())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen(["/usr/bin/python3", script, str(port), cert, "150"], stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    context = ssl._create_unverified_context()
    clients = []

    def client():
        clients.append(context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30)))
        return clients[-1]

    def ask(c, path):
        c.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    t = Terminal((250, 60), folder, "--port", port)
    try:
        t.until("it observes", "events/s")
        for _ in range(9):
            ask(client(), "/ok")
            clients[-1].recv(100)
        t.until("within TLS", "held", "read")
        stuck = client()
        before = time.monotonic()
        ask(stuck, "/stuck")
        after = time.monotonic()
        until_shown(t, "MEMORY is what /proc says", "MEMORY", "server", lambda got: abs(
            (shown(got, BYTES) or 0) - resident(server.pid)) < 0.01 * resident(server.pid))
        until_shown(t, "CONNS are those that are open", "CONNS", "server", lambda got: got.split()[-1:] == ["10"])
        until_shown(t, "NOW is the one that hangs", "NOW", "server", lambda got: got.split()[-1:] == ["1"])

        def is_its_age(got):
            age = shown(got, SECONDS)
            # as of a picture of up to 2 s ago, in three digits
            return age is not None and time.monotonic() - after - 2.5 < age <= 1.01 * (time.monotonic() - before)
        until_shown(t, "OLDEST is how long it hangs", "OLDEST", "server", is_its_age)
        until_shown(t, "RTT is that of loopback", "RTT", "server", lambda got: 0 < (shown(got, SECONDS) or 0) < 0.2)
        until_shown(t, "RETRANS is none", "RETRANS", "server", lambda got: got.split()[-1:] == ["0"])
        head, lines = rows_of(t, ("held ",))
        verdict("TLS is read", stands_in(head, lines[0], "TLS", "read"), lines)
        stuck.close()
        t.press("q")
        t.until("quits", "EXIT 0")
    finally:
        t.close()
        for c in clients:
            c.close()
        server.kill()
        server.wait(10)


def main():
    if os.geteuid() != 0 or not shutil.which("tmux"):
        sys.exit("screens.py: needs root and tmux")
    folder = tempfile.mkdtemp(prefix="sonde-screens-")
    try:
        api = scripted(folder)
        wide(folder, api)
        observed(folder)
    finally:
        close_all()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(PASSED)} passed, {len(FAILED)} failed")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
