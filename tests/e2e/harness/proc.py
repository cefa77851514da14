# SPDX-License-Identifier: Apache-2.0
"""Child processes: each in its own group, always reaped, never waited for without a limit."""
import os
import random
import signal
import socket
import subprocess
import time


class Failure(Exception):
    """What a case found to be wrong, in one line."""


# A busy machine takes its time: what is waited for is judged when it is there, not how soon.
PATIENCE = 3


def until(condition, seconds, what):
    """Polls until condition() is true; its value. It should be within so many seconds."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"no {what} within {seconds:g} s")
        time.sleep(0.005)


_taken = set()


def free_port():
    """A TCP port below the ephemeral range, so that no client's own port can equal it."""
    while True:
        port = random.randrange(15000, 32000)
        if port in _taken or is_listening(port):
            continue
        with socket.socket(socket.AF_INET6) as s:
            try:
                s.bind(("::", port))
            except OSError:
                continue
        _taken.add(port)
        return port


def is_listening(port, pid="self"):
    """
    Looks in /proc, in the network namespace of pid: a probing connect would itself be traffic on
    the observed port.
    """
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as f:
            next(f)
            for line in f:
                field = line.split()
                if field[3] == "0A" and int(field[1].rsplit(":", 1)[1], 16) == port:
                    return True
    return False


class Proc:
    """A child in its own process group, its stdout and stderr in files."""

    def __init__(self, argv, out, err, **kw):
        self.argv = [str(a) for a in argv]
        self.out, self.err = out, err
        with open(out, "wb") as o, open(err, "wb") as e:
            self.popen = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=o, stderr=e,
                    start_new_session=True, **kw)
        self.pid = self.popen.pid

    def signal(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def wait(self, seconds):
        """Its exit code. It should end within so many seconds."""
        seconds *= PATIENCE
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{os.path.basename(self.argv[0])} still runs after {seconds:g} s")

    def is_running(self):
        return self.popen.poll() is None

    def stderr(self):
        with open(self.err, errors="replace") as f:
            return f.read()

    def stdout(self):
        with open(self.out, errors="replace") as f:
            return f.read()

    def stop(self):
        """Ends the whole group: politely, then not."""
        if self.is_running():
            self.signal(signal.SIGTERM)
            try:
                self.popen.wait(3)
            except subprocess.TimeoutExpired:
                pass
        self.signal(signal.SIGKILL)
        self.popen.wait()


class Procs:
    """Everything one case started."""

    def __init__(self, tmp):
        self.tmp = tmp
        self.all = []

    def start(self, argv, **kw):
        base = os.path.join(self.tmp, f"{len(self.all):03d}-{os.path.basename(str(argv[0]))}")
        p = Proc(argv, base + ".out", base + ".err", **kw)
        self.all.append(p)
        return p

    def run(self, argv, seconds=20, **kw):
        """Runs to the end; the Proc, its exit code in .code."""
        p = self.start(argv, **kw)
        try:
            p.code = p.wait(seconds)
        finally:
            p.stop()
        return p

    def stop(self):
        for p in reversed(self.all):
            p.stop()
        self.all.clear()
