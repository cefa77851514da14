# SPDX-License-Identifier: Apache-2.0
"""One `tail --json --record` and one `run` watch the traffic of many cases."""
import os
import re
import time
from collections import Counter

from .agree import HISTOGRAMS, spans_and_metrics_agree
from .case import bounded
from .expect import KNOWN_METHODS, difference
from .pairs import client_contains_server
from .proc import Failure
from .replay import replay_is_identical, replay_is_prefix
from .sonde import ENDS_WITHIN_S, Sonde, ends_in_time, get


CHECKS = ("run-and-tail-agree", "nothing-lost", "ready-and-summary", "sigterm-ends-in-time",
          "replay-identical", "replay-prefix", "client-contains-server",
          "spans-and-metrics-agree")


class Shared:
    def __init__(self, runner, cases):
        self.runner, self.cases = runner, cases
        self.env = runner.env("shared")
        self.recording = self.env.path("recording")
        self.run_problem = self.end_problem = None
        self.took = []  # seconds to end

    def start(self):
        self.tail = Sonde(self.env, "tail", "--json", "--record", self.recording)
        self.run = Sonde(self.env, "run", "--server-address", "on")
        self.tail.wait_ready()
        self.run.wait_ready()

    def run_all(self):
        """Loads one after the other, then judges."""
        runner = self.runner
        runner.prepare(self.cases)
        _, problem = bounded(self.start, 30)
        if not problem:
            for c in self.cases:
                if not c.failed:
                    runner.load(c)
            _, problem = bounded(self.finish, 30)
        for c in self.cases:
            c.env.close()
            runner.report(c.name, c.failed or problem or self.judge(c))
        runner.at = "shared", time.monotonic()
        checks = (self.agree, self.lost, self.summary, self.ended, self.replay, self.prefix,
                  self.pairs, self.spans)
        for name, check in zip(CHECKS, checks):
            if runner.wants(name):
                of_run = self.run_problem if check in checks[:3] else None
                runner.report(name, problem or of_run or bounded(check, 60)[1])
        self.env.close()

    def finish(self):
        wheres = {str(e.where) for c in self.cases for e in c.expects}
        self.tail.only = re.compile(":({})\"".format("|".join(map(re.escape, wheres))).encode())
        self.tail.settle()
        _, self.run_problem = bounded(self.scrape, 20)
        for s in (self.tail, self.run):
            try:
                self.took.append(s.end())
            except Failure as e:
                self.end_problem = str(e)
                s.proc.stop()
        self.tail.read()

    def scrape(self):
        self.metrics = self.run.settled_metrics()
        self.ready = get(self.run.port, "/readyz")[0]

    def judge(self, c):
        found = [p for e in c.expects for p in e.problems(self.tail.transactions)]
        return "; ".join(found[:6])

    def agree(self):
        """/metrics of the one sonde equals the truth that the other's transactions equal."""
        found, lookups = [], {}
        for c in self.cases:
            for e in c.expects:
                found += self.metrics_problems(e) if e.in_metrics else []
                if e.kind == "names" and e.services["client"]:
                    lookups.setdefault(e.services["client"], Counter()).update(
                            {self.metrics_key(e, k): n for k, n in e.counts("client").items()})
        for service, truth in lookups.items():  # they do not say whom they asked
            found += difference("/metrics client", truth, self.metrics.lookups(service))
        if found:
            raise Failure("; ".join(found[:6]))

    @staticmethod
    def metrics_key(e, key):
        method = key[1] if e.kind != "web" or key[1] in KNOWN_METHODS else "_OTHER"
        return (key[0], method, *key[2:])

    def metrics_problems(self, e):
        found = []
        for role, service in e.services.items():
            if service is None:
                continue
            truth = Counter()
            for key, n in e.counts(role).items():
                if key[1] == "connect":
                    continue
                truth[self.metrics_key(e, key)] += n
            if e.kind == "web":
                seen = self.metrics.requests(role, e.where)
            elif e.kind == "database":
                seen = self.metrics.operations(role, e.where)
            elif e.kind == "rpc":
                seen = self.metrics.calls(role, e.where)
            else:
                continue  # a name server's own answers are no lookups; see agree() for a client's
            found += difference(f"/metrics {role}", truth, seen)
        return found

    def lost(self):
        lost = {k: v for k, v in self.metrics.lost().items() if v}
        if lost:
            raise Failure(f"sonde_events_lost_total {lost}")

    def summary(self):
        if self.ready != 200:
            raise Failure(f"/readyz answered {self.ready}")
        said = self.run.proc.stderr()
        for word in ("nginx", " p95 ", "next: sonde tail",
                     f"http://127.0.0.1:{self.run.port}/metrics"):
            if word not in said:
                raise Failure(f"the summary of the first seconds lacks {word}")

    def pairs(self):
        client_contains_server(self.tail.transactions)

    def spans(self):
        """Of all that was recorded, whatever it was."""
        expected = {HISTOGRAMS[e.kind].get(role) for c in self.cases for e in c.expects
                    for role, service in e.services.items() if service and e.counts(role)}
        spans_and_metrics_agree(self.env, self.recording, expected - {None})

    def ended(self):
        if self.end_problem:
            raise Failure(self.end_problem)
        if max(self.took) > ENDS_WITHIN_S:
            ends_in_time(lambda: Sonde(self.env, "run").wait_ready().end())

    def replay(self):
        replay_is_identical(self.env, self.recording, self.tail.proc.out)

    def prefix(self):
        if not os.path.exists(self.recording):
            raise Failure("no recording")
        replay_is_prefix(self.env, self.recording, self.tail.proc.out)
