#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
top.py [SONDE]: the live view in a terminal of tmux, over a real load: every key, at sizes from 80x24
to 250x60, is followed by what the screen must show then. Needs root.
"""
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
from terminal import FAILED, PASSED, SONDE, Terminal, close_all, verdict  # noqa: E402


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.002)  # at either end most of a request is spent blocked
        self.send_response(500 if self.path.startswith("/broken") else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Load(threading.Thread):
    """40 requests a second, a quarter of them failing."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.is_over = port, False

    def run(self):
        n = 0
        while not self.is_over:
            n += 1
            path = "/broken" if n % 4 == 0 else f"/items/{n}"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2).read()
            except urllib.error.URLError:
                pass
            time.sleep(0.025)


def readme_line(begin):
    """Words of a line in the README's picture, which has 120 columns."""
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "README.md"), encoding="utf-8") as f:
        return next(l for l in f if l.startswith(begin)).split()


def keys(folder, port):
    """Every key once, at 120 columns."""
    t = Terminal((120, 30), folder, "--port", port)
    t.until("services", "SERVICE", "top", "server", "client", "Enter zoom", seconds=15)
    t.until("the footer", "events/s", "0 lost", "0 unknown", "0 encrypted", "% cpu", "socket tier")
    t.until("errors are a quarter", "25.")
    t.press("s")
    t.until("s sorts by the next column", "sorted by ERR%")
    t.press("<")
    t.until("< by the one before", "sorted by REQ/S")
    t.press(">")
    t.until("> by the next again", "sorted by ERR%")
    t.press("i")
    t.press("?")
    t.until("? explains keys and columns", "into the row", "REQ/S", "any key")
    t.press("x")
    t.until("any key ends the help", "Enter zoom")
    t.press("/", "c", "l", "i", "e")
    t.until("/ filters", "/clie_")
    t.press("Escape")
    t.until("Esc takes it away", "server", but=("/clie",))
    t.press("g")
    t.until("g groups by endpoint", "ENDPOINT", "GET /broken", "GET /items/{id}")
    t.press("e")
    t.until("e shows errors only", "errors only", "GET /broken", but=("GET /items",))
    t.press("e")
    t.until("and all again", "GET /items/{id}", but=("errors only",))
    t.press("g")
    t.until("g groups by peer", "PEER", " peers")
    t.press("g")
    t.until("g groups by protocol", "PROTOCOL", "http")
    t.press("g")
    t.until("g is back at services", "SERVICE", " services")
    t.press("Home")
    seen = t.until("usage is known by now", "CPU%")
    head = next(l for l in seen.splitlines() if l.startswith("SERVICE ")).split()
    verdict("the README's picture is of this view", head == readme_line("SERVICE "), head)
    verdict("with its keys", seen.splitlines()[-1].split() == readme_line(" Enter zoom"), seen)
    t.press("y")
    t.until("y copies a service", "copied as JSON")
    t.press("Enter")
    t.until("Enter shows endpoints", "endpoints", "GET /broken", "GET /items/{id}")
    t.press("Down")
    t.press("Enter")
    t.until("Enter shows peers", "peers", "PEER")
    t.press("Enter")
    t.until("Enter shows requests", "requests", "REQUEST", "STATUS", "waits")
    t.press("y")
    t.until("y copies", "copied as JSON")
    t.press("t")
    t.until("time does not go back here", "in a recording only")
    for what, word in (("peers", "PEER"), ("endpoints", "ENDPOINT"), ("services", "SERVICE")):
        t.press("Escape")
        t.until(f"Esc is back at {what}", word)
    t.press("Space")
    t.until("space pauses", "PAUSED")
    before = t.screen()
    time.sleep(2.2)
    verdict("nothing moves while paused", t.screen() == before, t.screen())
    t.press("Space")
    t.until("space goes on", "SERVICE", but=("PAUSED",))
    t.press("r")
    t.until("r records", "RECORDING", "recording to sonde-")
    time.sleep(2)
    t.press("r")
    t.until("r ends the recording", "the recording has ended", but=("RECORDING",))
    t.press("q")
    out = t.until("q quits", "EXIT 0")
    out = out.replace("\n", "")
    verdict("the copied service is printed", all(f'"{w}":' in out for w in (
        "rate_now", "cpu_cores", "open_connections", "retransmits", "rtt_seconds", "tls")), out)
    verdict("the copied request is printed", '"duration_ns":' in out, out)
    t.close()


def moves(folder, port):
    """The keys that move, and the one that turns the order around, over four endpoints that stand still."""
    t = Terminal((120, 30), folder, "--port", port)
    t.until("services to begin with", "SERVICE", "server", "client")
    t.press("g")
    t.until("endpoints of both ends", "GET /broken", "GET /items/{id}")
    t.until_rows("four of them", lambda rows: len(rows) == 4)
    t.press("Space")
    t.until("a picture to move in", "PAUSED")
    t.press("s")
    t.until_rows("what fails most comes first",
                 lambda rows: ["/broken" in line for line, _ in rows] == [True, True, False, False])
    t.press("i")
    t.until_rows("i: last", lambda rows: ["/broken" in line for line, _ in rows] == [False, False, True, True])
    for key, at in (("Home", 0), ("Down", 1), ("j", 2), ("k", 1), ("Up", 0), ("End", 3), ("PPage", 0),
                    ("NPage", 3)):
        t.press(key)
        t.until_rows(f"{key} chooses row {at}", lambda rows: [n for n, (_, c) in enumerate(rows) if c] == [at])
    t.press("Space", "Right")
    t.until("Right zooms as Enter does", "PEER", " peers")
    t.press("Left")
    t.until("Left goes back as Esc does", "ENDPOINT", but=(" peers",))
    t.press("/", "b", "r", "x")
    t.until("a filter with a slip", "/brx_")
    t.press("BSpace", "o", "Enter")
    t.until("Backspace mends it, Enter keeps it", "GET /broken", but=("GET /items", "/bro_"))
    t.press("q")
    t.until("quits", "EXIT 0")
    t.close()


def recording(folder):
    """What r has recorded replays, with names."""
    files = [f for f in os.listdir(folder) if f.endswith(".rec")]
    verdict("one recording", len(files) == 1, files)
    if not files:
        return
    path = os.path.join(folder, files[0])
    verdict("for nobody else's eyes", os.stat(path).st_mode & 0o777 == 0o600)
    out = subprocess.run([SONDE, "replay", path, "--json"], capture_output=True, text=True,
                         timeout=30, check=False)
    txns = [json.loads(l) for l in out.stdout.splitlines()]
    verdict("it replays", len(txns) > 4 and {t["service"] for t in txns} == {"top"},
            f"{len(txns)} {out.stderr}")


def replayed(folder):
    """sonde top FILE: the recording plays, and t and T step through it."""
    path = next((os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".rec")), None)
    if not path:
        return
    t = Terminal((120, 30), folder, path)
    t.until("a recording plays", ".rec", "SERVICE", "top", "server")
    t.press_until("t", "t steps to its end, and stays", "END", "PAUSED")
    seen = t.screen()
    time.sleep(1.5)
    verdict("it stands still", t.screen() == seen, t.screen())
    t.press_until("T", "T steps back", "+0 s", but=("END",))
    t.press("Space")
    t.until("space plays on", "SERVICE", but=("PAUSED", "+0 s"))
    t.until("to the end", "END")
    t.press("Enter")
    t.until("one looks around in it", "ENDPOINT", "GET /broken")
    t.press("q")
    t.until("quits", "EXIT 0")
    t.close()
    out = subprocess.run([SONDE, "top", path, "--json"], capture_output=True, text=True, timeout=30,
                         check=False)
    count = subprocess.run([SONDE, "replay", path], capture_output=True, text=True, timeout=30,
                           check=False).stdout.count("\n")
    rows = json.loads(out.stdout)["services"]
    verdict("its table counts what it holds", sum(r["count"] for r in rows) == count,
            f"{rows} for {count}")


def remote(folder, port):
    """--connect: the same view over the API of another."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        api = s.getsockname()[1]
    url = f"http://127.0.0.1:{api}"
    t = Terminal((120, 30), folder, "--connect", url)
    t.until("nobody there yet: said on the screen", "onnect")
    run = subprocess.Popen([SONDE, "run", "--listen", f"127.0.0.1:{api}", "--port", str(port)],
                           stderr=subprocess.DEVNULL)
    try:
        t.until("then it is there", "SERVICE", "server", "socket tier", url)
        t.until("with usage", "CPU%", "MEMORY")
        t.resize(250, 30)
        t.until("and connections", "RTT", "RETRANS", "CONNS")
        t.resize(120, 30)
        t.press("Enter")
        t.until("endpoints", "ENDPOINT", "GET /broken", "GET /items/{id}")
        t.press("Enter")
        t.until("peers", "PEER")
        t.press("Enter")
        t.until("requests", "REQUEST", "waits", "blocked")
        t.press("r")
        t.until("what is not observed here is not recorded", "only what is observed here")
        t.press("q")
        t.until("quits", "EXIT 0")
        out = subprocess.run([SONDE, "top", "--once", "--connect", url, "--json"], timeout=20,
                             capture_output=True, text=True, check=False)
        rows = {r["role"]: r for r in json.loads(out.stdout)["services"]}
        verdict("--once --json over it", set(rows) == {"server", "client"} and
                rows["server"]["count"] > 10 and 0.2 < rows["server"]["error_ratio"] < 0.3, rows)
    finally:
        t.close()
        run.terminate()
        run.wait(10)


def painted(t, size):
    """The lines of the screen, once the picture of this size is whole; or what there is in the end."""
    end = time.monotonic() + 30
    while True:
        lines = t.screen().splitlines()
        if len(lines) == size[1] and "events/s" in lines[-2] or time.monotonic() > end:
            return lines
        time.sleep(0.1)


def sizes(folder, port):
    """From 80x24 to 250x60, by resizing: the head at the top, the footer at the bottom."""
    t = Terminal((80, 24), folder, "--port", port)
    t.until("80x24", "SERVICE", "REQ/S", "P95", "WAITS", "server")
    for size in ((100, 40), (132, 43), (250, 60), (80, 24)):
        t.resize(*size)
        words = ["SERVICE", "events/s"]
        if size[0] == 250:
            words += ["REQ/S", "ERR%", "P50", "P95", "P99", "MAX", "NOW", "OLDEST", " IN", " OUT", "CPU%",
                      "MEMORY", "WAITS", "LAST MINUTE", "PROTOCOL", "RTT", "RETRANS", "CONNS"]
        t.until("%dx%d" % size, *words)
        lines = painted(t, size)
        verdict("%dx%d: as high" % size, len(lines) == size[1], len(lines))
        verdict("%dx%d: title" % size, lines[:1] and lines[0].startswith(" sonde top"), lines[:1])
        verdict("%dx%d: footer" % size, lines[-2:-1] and "events/s" in lines[-2], lines[-2:])
        verdict("%dx%d: none too wide" % size, max(map(len, lines), default=0) <= size[0])
    t.press("q")
    t.until("quits", "EXIT 0")
    t.close()


def plain(folder, port):
    """No colours where nobody wants them, and a table where nothing can be painted."""
    t = Terminal((100, 24), folder, "--port", port, env="NO_COLOR=1")
    t.until("NO_COLOR: bars are letters", "SERVICE", "c cpu")
    verdict("NO_COLOR: no colour", not t.is_coloured())
    t.press("q")
    t.close()
    t = Terminal((100, 24), folder, "--port", port)
    t.until("otherwise they are blocks", "SERVICE", "█ blocked")
    verdict("of colours", t.is_coloured())
    t.press("q")
    t.close()
    t = Terminal((100, 24), folder, "--port", port, "--duration", "2s", env="TERM=dumb")
    t.until("a dumb terminal gets a table", "RATE/S", "EXIT 0")
    t.close()
    t = Terminal((100, 24), folder, "--port", port)
    t.until("observes", "SERVICE")
    t.press("C-c")
    t.until("Ctrl-C ends it", "EXIT 0")
    t.close()
    t = Terminal((100, 24), folder, "--port", port)
    t.until("observes again", "SERVICE")
    t.close()
    end, left = time.monotonic() + 30, "it"
    while left and time.monotonic() < end:
        time.sleep(0.2)
        left = subprocess.run(["pgrep", "-f", f"^{SONDE} top --port {port}"], capture_output=True,
                              text=True, timeout=5, check=False).stdout
    verdict("it ends with its terminal", not left, left)


def main():
    if os.geteuid() != 0 or not shutil.which("tmux"):
        sys.exit("top.py: needs root and tmux")
    folder = tempfile.mkdtemp(prefix="sonde-top-")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    load = Load(server.server_port)
    load.start()
    try:
        keys(folder, server.server_port)
        moves(folder, server.server_port)
        recording(folder)
        replayed(folder)
        remote(folder, server.server_port)
        sizes(folder, server.server_port)
        plain(folder, server.server_port)
    finally:
        load.is_over = True
        close_all()
        server.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(PASSED)} passed, {len(FAILED)} failed")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
