# SPDX-License-Identifier: Apache-2.0
"""
Cases and how they run. A case of the group "shared" makes traffic and returns an Expect (or a list
of them); all of the group's cases are watched by one `tail --json --record` and one `run`, and are
judged when both have gone quiet. Cases of no group start what they need and raise Failure.
"""
import fnmatch
import json
import os
import signal
import time
import traceback

from .env import Env
from .proc import PATIENCE, Failure

CASES = []
LIMIT_S = 30
SOAK_LIMIT_S = 240


class Case:
    def __init__(self, fn, group, before, limit, soak_limit, is_long):
        self.fn, self.group, self.before = fn, group, before
        self.limit, self.soak_limit, self.is_long = limit, soak_limit, is_long
        self.name = fn.__name__.replace("_", "-")
        self.env, self.expects, self.failed = None, [], None


def case(group="shared", before=None, limit=LIMIT_S, soak_limit=SOAK_LIMIT_S, is_long=False):
    """before(env) runs before sonde starts; the case itself afterwards. is_long: not with all others,
    but among the long forms and when it is asked for by name."""
    def add(fn):
        CASES.append(Case(fn, group, before, limit, soak_limit, is_long))
        return fn
    return add


def _alarm(*_):
    raise Failure("took too long")


def bounded(fn, seconds, *args):
    """Calls fn; what it returns, and what went wrong or None. It should be done in so many seconds."""
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds * PATIENCE)
    try:
        return fn(*args), None
    except Failure as e:
        return None, str(e)
    except Exception as e:  # a broken case must not end the others
        where = traceback.extract_tb(e.__traceback__)[-1]
        return None, f"{type(e).__name__}: {e} ({os.path.basename(where.filename)}:{where.lineno})"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class Runner:
    def __init__(self, top, sonde, tier, programs, globs, soak=False, figures=None, cgroup=None):
        self.top, self.sonde, self.tier, self.cgroup = top, sonde, tier, cgroup
        self.programs, self.globs = programs, globs
        self.soak, self.figures = soak, figures
        self.passed = self.failed = 0
        self.at = None  # the case that runs, and since when

    def wants(self, name):
        return not self.globs or any(fnmatch.fnmatchcase(name, g) for g in self.globs)

    def runs(self, c):
        return self.wants(c.name) and (not c.is_long or self.soak or bool(self.globs))

    def env(self, name):
        env = Env(self.top, name, self.sonde, self.tier, self.programs, self.cgroup)
        env.soak = self.soak
        return env

    def report(self, name, problem, seconds=None):
        took = "" if seconds is None else f" {seconds:.1f} s"
        if problem:
            self.failed += 1
            print(f"FAIL {name}: {problem}{took and f' (after{took})'}", flush=True)
        else:
            self.passed += 1
            print(f"ok {name}{took}", flush=True)

    def ended(self):
        """The run is ended from outside: whoever reads on is told where it was."""
        name, since = self.at or ("the start", time.monotonic())
        self.report(name, "it ran when all was ended from outside", time.monotonic() - since)

    def run_one(self, c, limit):
        """What the case returns, what went wrong with it or with what it left behind, seconds."""
        self.at = c.name, time.monotonic()
        found, problem = bounded(c.fn, limit, c.env)
        _, late = bounded(c.env.close, LIMIT_S)
        return found, problem or (late and f"at its end: {late}"), time.monotonic() - self.at[1]

    def load(self, c):
        """The traffic of one shared case."""
        found, c.failed, _ = self.run_one(c, c.limit)
        if found is not None:
            c.expects = found if isinstance(found, list) else [found]

    def prepare(self, cases):
        for c in cases:
            self.at = c.name, time.monotonic()
            c.env = self.env(c.name)
            if c.before:
                _, c.failed = bounded(c.before, c.limit, c.env)

    def alone(self, c):
        c.env = self.env(c.name)
        _, problem, seconds = self.run_one(c, c.soak_limit if self.soak else c.limit)
        self.report(c.name, problem, seconds)
        if self.figures and c.env.figures:
            with open(self.figures, "a") as f:
                line = {"case": c.name, "problem": problem, **c.env.figures}
                f.write(json.dumps(line) + "\n")

    def dry(self, cases):
        """The loads alone: is what the cases hold to be true, true?"""
        self.prepare(cases)
        for c in cases:
            started = time.monotonic()
            if not c.failed:
                self.load(c)
            print(f"{time.monotonic() - started:6.2f} s ", end="")
            self.report(c.name, c.failed)
