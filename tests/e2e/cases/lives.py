# SPDX-License-Identifier: Apache-2.0
"""How sonde comes and goes, alone and in company."""
import json
import os
import re
import signal
import struct
import time

from harness.case import case
from harness.env import quiet, tool
from harness.expect import Expect
from harness.holdings import all_objects, held_objects, pinned
from harness.proc import Failure, until
from harness.raw import Raw
from harness.replay import records, replay_is_identical
from harness.sonde import Sonde, ends_in_time

from cases.load import fail_if


@case(group=None)
def sigkill_leaves_nothing(e):
    """No program, map or link, no pin, no file but the recording asked for."""
    here = e.path("cwd")
    os.mkdir(here)
    before = pinned()
    s = Sonde(e, "run", cwd=here).wait_ready()
    ng = e.nginx()
    with Raw(ng.port) as c:
        for _ in range(10):
            c.ask("GET", "/ok")
    mine = held_objects(s.proc.pid)
    if not {kind for kind, _ in mine} >= {"prog", "map", "link"} or not mine <= all_objects():
        raise Failure(f"it holds only {mine}")
    s.proc.popen.kill()
    s.proc.popen.wait()
    until(lambda: not mine & all_objects(), 15, "end of its programs, maps and links")
    fail_if([f"pinned: {p}" for p in pinned() if p not in before])
    fail_if([f"left behind: {p}" for p in os.listdir(here)])
    Sonde(e, "run").wait_ready().end()


@case(group=None)
def sigterm_under_load(e):
    """Ends within 2 s while requests pour in; SIGINT too."""
    ng = e.nginx()
    for number in (signal.SIGTERM, signal.SIGINT):
        for command in (["run"], ["tail", "--json"], ["record", e.path("rec")]):
            ends_in_time(lambda: ended_under_load(e, ng, number, command))


def ended_under_load(e, ng, number, command):
    s = Sonde(e, *command).wait_ready()
    s.only = re.compile(b"^$")  # it is not what it prints that is judged
    load = e.procs.start([tool("ab"), "-q", "-k", "-c", 20, "-t", 5, "-n", 10000000,
                          f"http://127.0.0.1:{ng.port}/ok"])
    quiet(0.4)
    took = s.end(number)
    load.stop()
    return took


@case(group=None)
def record_then_replay(e):
    """`record` beside `tail`: the replay of the one has what the other printed."""
    recording = e.path("recording")
    ng = e.nginx()
    s = Sonde(e, "record", recording, "--port", ng.port).wait_ready()
    t = Sonde(e, "tail", "--json", "--port", ng.port).wait_ready()
    for path in ("/hello", "/missing", "/big"):
        e.curl(f"http://127.0.0.1:{ng.port}{path}")
    t.settle()
    t.end()
    s.end()
    if f"{recording} will hold" not in s.proc.stderr():
        raise Failure("no warning that a recording holds payload")
    os.chmod(recording, 0o644)
    p = e.procs.run([e.sonde, "replay", recording, "--json"])
    again = [json.loads(line) for line in p.stdout().splitlines()]
    truth = ng.log(3)
    fail_if(Expect(ng.port, truth, "nginx", "curl").problems(t.transactions))
    fail_if(Expect(ng.port, truth, "nginx", "curl").problems(again))


# struct sonde_ev_exec behind its numbers: name, path, arguments
EXEC, EXEC_ARGS_LEN, EXEC_TEXTS = 5, struct.Struct("<44xI"), struct.Struct("<48x16s256s512s")


@case(group=None)
def recording_holds_nothing_else(e):
    """A ring that went round is written over: behind what one program says of itself nothing is left
    of what others had said there."""
    recording, long = e.path("recording"), os.path.join(e.path("d" * 200), "secretly")
    os.mkdir(os.path.dirname(long))
    os.symlink("/bin/true", long)
    s = Sonde(e, "record", recording, "--ring-size", "64KiB").wait_ready()
    e.procs.run(["/bin/sh", "-c", 'n=0; while [ $((n += 1)) -le 150 ]; do "$0" "$1"; done; '
                 'while [ $((n -= 1)) -gt 0 ]; do /bin/true; done', long, "secret" * 100])
    quiet(0.3)
    s.end()
    short = 0
    for record in records(recording, EXEC):
        name, path, args = EXEC_TEXTS.unpack(record)
        (n,) = EXEC_ARGS_LEN.unpack_from(record)
        short += args[:n] == b"/bin/true\0"
        for what, rest in (("name", name.partition(b"\0")[2]), ("path", path.partition(b"\0")[2]),
                           ("arguments", args[n:])):
            if rest.strip(b"\0"):
                raise Failure(f"behind the {what} of {path[:20]!r}: {rest.strip(bytes(1))[:40]!r}")
    if short < 100:  # more than a ring holds of them
        raise Failure(f"only {short} short ones of 150 were recorded")


@case(group=None)
def replay_of_a_flood(e):
    """Many connections at once, two cores: the replay prints the same bytes."""
    recording = e.path("recording")
    ng = e.nginx()
    s = Sonde(e, "tail", "--json", "--record", recording, "--port", ng.port).wait_ready()
    e.procs.run([tool("ab"), "-q", "-k", "-c", 30, "-n", 8000, f"http://127.0.0.1:{ng.port}/ok"])
    e.procs.run([tool("ab"), "-q", "-c", 8, "-n", 500, f"http://127.0.0.1:{ng.port}/hello"])
    s.settle()
    s.end()
    replay_is_identical(e, recording, s.proc.out)


@case(group=None)
def replay_under_loss(e):
    """A ring that overflows: what is left is replayed byte for byte."""
    recording = e.path("recording")
    ng = e.nginx()
    s = Sonde(e, "tail", "--json", "--record", recording, "--port", ng.port, "--ring-size",
              "64KiB").wait_ready()
    e.procs.run([tool("ab"), "-q", "-k", "-c", 30, "-n", 20000, f"http://127.0.0.1:{ng.port}/ok"])
    quiet(1)
    s.end()
    replay_is_identical(e, recording, s.proc.out)


@case(group=None)
def duration_ends_it(e):
    for command in (["run"], ["tail", "--json"], ["record", e.path("rec")]):
        s = Sonde(e, *command, "--duration", "700ms").wait_ready()
        started = time.monotonic()
        if s.proc.wait(4) != 0 or time.monotonic() - started > 2.7:
            raise Failure(f"{command[0]} --duration 700ms: exit code "
                          f"{s.proc.popen.returncode}")


@case(group=None)
def four_at_once(e):
    """Several sondes on one host see the same."""
    ng = e.nginx()
    all_ = [Sonde(e, "tail", "--json", "--port", ng.port) for _ in range(4)]
    for s in all_:
        s.wait_ready()
    e.curl(*[f"http://127.0.0.1:{ng.port}/hello"] * 20)
    truth = ng.log(20)
    for s in all_:
        s.settle()
        s.end()
        fail_if(Expect(ng.port, truth, "nginx", "curl").problems(s.transactions))


@case(group=None)
def top_once(e):
    """A table and the same as JSON; rate, errors and quantiles of what was sent."""
    ng = e.nginx("location = /broken { return 503; }")
    top = [Sonde(e, "top", "--once", *more, "--duration", "3s", "--port", ng.port)
           for more in ([], ["--json"])]
    for s in top:
        s.wait_ready()
    with Raw(ng.port) as c:
        for n in range(100):
            c.ask("GET", "/broken" if n % 4 == 0 else "/ok")
    for s in top:
        if s.proc.wait(8) != 0:
            raise Failure(f"top --once exited with {s.proc.popen.returncode}")
    rows = {(r["service"], r["role"]): r for r in json.loads(top[1].proc.stdout())["services"]}
    for who in (("nginx", "server"), ("run", "client")):
        row = rows.pop(who, {})
        if (row.get("count"), row.get("errors"), row.get("error_ratio")) != (100, 25, 0.25):
            raise Failure(f"{who}: {row}")
        if not 0 < row["p50_ns"] <= row["p95_ns"] <= row["p99_ns"] <= row["max_ns"]:
            raise Failure(f"{who}: quantiles out of order: {row}")
        line = next((l for l in top[0].proc.stdout().splitlines() if l.startswith(who[0])), "")
        if line.split()[1:2] != [who[1]] or line.split()[3:4] != ["25.0"]:
            raise Failure(f"{who}: the table says {line!r}")
    if rows:
        raise Failure(f"nobody else was there: {list(rows)}")
    if "\x1b" in top[0].proc.stdout():
        raise Failure("cursor control although stdout is no terminal")


@case(group=None)
def no_traffic_says_so(e):
    """The first seconds of a host where nothing happens."""
    s = Sonde(e, "run", "--port", 1).wait_ready()
    said = len(s.proc.stderr())
    until(lambda: len(s.proc.stderr()) > said, 7, "summary after 5 s")
    quiet(0.2)
    text = s.proc.stderr()[said:]
    s.end()
    for words in ("no request in the first", "curl", "sonde tail", f":{s.port}/metrics"):
        if words not in text:
            raise Failure(f"{words!r} is not in {text!r}")


@case(group=None)
def dark_is_said_and_why(e):
    """TLS, and a protocol nobody knows: the first seconds say how many and why not; so do others."""
    port = e.python("raw.py", "websocket")
    s = Sonde(e, "run", "--port", port).wait_ready()
    held = []
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 506
    for text in (hello, b"\x00\x01\x02\x03" * 50):
        held.append(Raw(port))
        held[-1].send(text)
    until(lambda: "dark: " in s.proc.stderr(), 8, "word of what is dark in the summary")
    dark = next(l for l in s.proc.stderr().splitlines() if "dark: " in l)
    m = s.metrics()
    for c in held:
        c.sock.close()
    s.end()
    for words in (" encrypted (no TLS library that is watched)", " of a protocol this build does "
                  "not parse", "sonde check"):
        if words not in dark:
            raise Failure(f"{words!r} is not in {dark!r}")
    states = {labels["state"]: int(v) for labels, v in m.of("sonde_connections")}
    if not states["encrypted"] or not states["unknown"]:
        raise Failure(f"sonde_connections {states}")
