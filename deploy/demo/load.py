# SPDX-License-Identifier: Apache-2.0
"""
load.py PORT [PROFILE [RATE [SECONDS]]]: visitors of the shop, on connections they keep. PROFILE is
steady, ramp (from a tenth of RATE to RATE) or spike (RATE, for the middle fifth five times it).
Requests go out when they are due, whether or not the ones before are answered, as long as one of 32
visitors is free. Prints one line of JSON at the end; SECONDS 0 is for ever.
"""
import http.client
import json
import random
import signal
import sys
import threading
import time

VISITORS = 32
PROFILES = {
    "steady": lambda at: 1.0,
    "ramp": lambda at: 0.1 + 0.9 * at,
    "spike": lambda at: 5.0 if 0.4 <= at < 0.6 else 1.0,
}


class Load:
    def __init__(self, port, profile="steady", rate=40.0, seconds=0.0):
        self.port, self.shape, self.rate, self.seconds = port, PROFILES[profile], rate, seconds
        self.lock = threading.Lock()
        self.due = self.start = time.monotonic()
        self.statuses, self.durations, self.late = {}, [], 0
        self.ended = False

    def next(self):
        """When the next request is due; None at the end."""
        with self.lock:
            due = self.due
            passed = due - self.start
            if self.ended or (self.seconds and passed >= self.seconds):
                return None
            now = time.monotonic()
            if now - due > 1:  # nobody was free: what was missed is not caught up with
                self.late += 1
                due = now
            self.due = due + 1 / (self.rate * self.shape(passed / self.seconds if self.seconds else 0))
            return due

    def note(self, status, took):
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if len(self.durations) < 1_000_000 and self.seconds:
                self.durations.append(took)

    def visit(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while (due := self.next()) is not None:
            time.sleep(max(0.0, due - time.monotonic()))
            method, path, body = wish()
            started = time.monotonic()
            try:
                conn.request(method, path, body)
                answer = conn.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                conn.close()
                status = 0
            self.note(status, time.monotonic() - started)
        conn.close()

    def run(self):
        threads = [threading.Thread(target=self.visit) for _ in range(VISITORS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def summary(self):
        order = sorted(self.durations)
        return {"requests": sum(self.statuses.values()), "statuses": self.statuses, "late": self.late,
                "p50": order[len(order) // 2] if order else None,
                "p95": order[len(order) * 95 // 100] if order else None}


def wish():
    """What a visitor wants next."""
    kind = random.random()
    if kind < 0.1:
        return "GET", "/", None
    if kind < 0.5:
        return "GET", f"/products/{random.randrange(1, 101)}", None
    if kind < 0.8:
        return "GET", f"/orders/{random.randrange(1, 101)}", None
    return "POST", "/orders", json.dumps({"product": random.randrange(1, 101)})


def main():
    port, profile, *numbers = [*sys.argv[1:], "steady"] if len(sys.argv) < 3 else sys.argv[1:]
    load = Load(int(port), profile, *map(float, numbers))

    def end(*_):
        load.ended = True
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    load.run()
    print(json.dumps(load.summary()))


if __name__ == "__main__":
    main()
