#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""slo.py [OBJECTIVES.yaml]: Prometheus rules for service level objectives, on stdout.

For each objective: the share of bad requests over several windows, the error budget left of 30 days,
and four alerts on how fast it burns. An alert needs a long window, so that it is significant, and a
short one, so that it ends when the trouble does. The pairs are those of the SRE workbook, chapter 5:
2 % of the budget in one hour or 5 % in six pages, 10 % in one day or in three makes a ticket.
"""
import os
import sys

import yaml

PERIOD_H = 30 * 24
# long window, short window, hours of the long one, share of the budget, severity, wait
BURNS = [
    ("1h", "5m", 1, 0.02, "critical", "2m"),
    ("6h", "30m", 6, 0.05, "critical", "15m"),
    ("1d", "2h", 24, 0.10, "warning", "1h"),
    ("3d", "6h", 72, 0.10, "warning", "3h"),
]
WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]
BY = "service_name, service_namespace"


class Wrong(Exception):
    """What is wrong with the objectives."""


def check(o):
    for key in ("name", "metric", "objective"):
        if key not in o:
            raise Wrong(f"an objective lacks {key}")
    unknown = set(o) - {"name", "metric", "selector", "objective", "latency"}
    if unknown:
        raise Wrong(f"{o['name']}: {', '.join(sorted(unknown))}: no such key")
    if not 0 < o["objective"] < 1:
        raise Wrong(f"{o['name']}: objective is a share between 0 and 1, as 0.999")


def boundary(seconds):
    """As sonde prints it: 1.0, not 1."""
    return f"{float(seconds):g}" if float(seconds) % 1 else f"{float(seconds):.1f}"


def bad_ratio(o, window):
    labels = [o["selector"]] if o.get("selector") else []

    def total(suffix, *more):
        return f"sum by ({BY}) (rate({o['metric']}_{suffix}{{{', '.join(labels + list(more))}}}[{window}]))"

    all_of = total("count")
    if "latency" in o:
        le = 'le="%s"' % boundary(o["latency"])
        return f"1 - {total('bucket', le)} / ({all_of} > 0)"
    return f"({total('count', 'error_type!=' + chr(34) * 2)} or {all_of} * 0) / ({all_of} > 0)"


def series(o, window):
    return f'slo:bad_ratio:rate{window}{{slo="{o["name"]}"}}'


def recording(o):
    rules = [{"record": f"slo:bad_ratio:rate{w}", "expr": bad_ratio(o, w), "labels": {"slo": o["name"]}}
             for w in WINDOWS]
    budget = 1 - o["objective"]
    rules.append({
        "record": "slo:error_budget_left:ratio30d",
        "expr": f"1 - avg_over_time({series(o, '1h')}[30d]) / {budget:g}",
        "labels": {"slo": o["name"]},
    })
    return rules


def alerts(o):
    budget = 1 - o["objective"]
    for long, short, hours, share, severity, wait in BURNS:
        factor = share * PERIOD_H / hours
        bad = round(factor * budget, 6)
        yield {
            "alert": "ErrorBudgetBurn",
            "expr": f"{series(o, long)} > {bad:g} and {series(o, short)} > {bad:g}",
            "for": wait,
            "labels": {"slo": o["name"], "severity": severity, "window": long},
            "annotations": {
                "summary": "{{ $labels.service_name }} spends the error budget of {{ $labels.slo }} "
                           + ("faster than it comes" if factor == 1 else f"{factor:g} times too fast"),
                "runbook_url": "docs/runbooks/ErrorBudgetBurn.md",
            },
        }


def rules(objectives):
    return {"groups": [{"name": f"slo-{o['name']}", "rules": recording(o) + list(alerts(o))}
                       for o in objectives]}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "objectives.yaml")
    try:
        with open(path, encoding="utf-8") as f:
            objectives = (yaml.safe_load(f) or {}).get("objectives") or []
        if not objectives:
            raise Wrong("no objectives")
        for o in objectives:
            check(o)
    except (OSError, yaml.YAMLError, Wrong, AttributeError, TypeError) as e:
        print(f"slo.py: {path}: {e}", file=sys.stderr)
        return 2
    print("# Made by slo.py from objectives.yaml; change that.")
    print(yaml.safe_dump(rules(objectives), sort_keys=False, width=100), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
