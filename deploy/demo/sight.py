# SPDX-License-Identifier: Apache-2.0
"""What sonde says: two scrapes of its metrics, and what lies between them."""
import re
import time
import urllib.request

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


class Scrape:
    def __init__(self, port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        self.at, self.series = time.monotonic(), {}
        for line in text.split("\n"):
            m = SAMPLE.match(line)
            if m and not line.startswith("#"):
                self.series.setdefault(m[1], []).append((dict(LABEL.findall(m[2] or "")), float(m[3])))

    def sum(self, name, **labels):
        """Of all series that have these labels."""
        return sum(v for have, v in self.series.get(name, ())
                   if all(have.get(k) == want for k, want in labels.items()))

    def max(self, name, **labels):
        return max((v for have, v in self.series.get(name, ())
                    if all(have.get(k) == want for k, want in labels.items())), default=0.0)

    def buckets(self, name, **labels):
        out = {}
        for have, v in self.series.get(name + "_bucket", ()):
            if all(have.get(k) == want for k, want in labels.items()):
                le = float(have["le"])
                out[le] = out.get(le, 0) + v
        return out


class Between:
    def __init__(self, place, before, during, after):
        """during: while it was so, where after is when all has come to rest again."""
        self.place, self.before, self.during, self.after = place, before, during, after
        self.seconds = during.at - before.at

    def meanwhile(self):
        """Without what came afterwards."""
        return Between(self.place, self.before, self.during, self.during)

    def count(self, name, **labels):
        return self.after.sum(name, **labels) - self.before.sum(name, **labels)

    def buckets(self, name, **labels):
        """Upper boundary -> how many were at most that, in order."""
        before = self.before.buckets(name, **labels)
        after = self.after.buckets(name, **labels)
        return sorted((le, n - before.get(le, 0)) for le, n in after.items())

    def quantile(self, q, name, **labels):
        """As Prometheus' histogram_quantile; 0 where nothing was measured."""
        buckets = self.buckets(name, **labels)
        total = buckets[-1][1] if buckets else 0
        below_le = below_n = 0.0
        for le, n in buckets:
            if total and n >= q * total:
                if le == float("inf"):
                    return below_le
                return below_le + (le - below_le) * (q * total - below_n) / max(n - below_n, 1e-9)
            below_le, below_n = le, n
        return 0.0

    def above(self, seconds, name, **labels):
        """The share that took longer; seconds is a boundary."""
        buckets = self.buckets(name, **labels)
        total = buckets[-1][1] if buckets else 0
        return 1 - dict(buckets)[seconds] / total if total else 0.0

    def wait_share(self, state, service):
        """Of the time of a service's requests."""
        name = "sonde_request_time_seconds_total"
        total = self.count(name, service_name=service)
        return self.count(name, service_name=service, state=state) / total if total else 0.0


def seconds(s):
    for unit, factor in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if s * factor >= 1 or unit == "us":
            return f"{s * factor:.3g} {unit}"


def percent(share):
    return f"{share * 100:.3g} %"
