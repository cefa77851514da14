#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py [DIR]: Grafana's dashboards from dashboards.yaml, a JSON file each, into DIR (here)."""
import json
import os
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT = 24, 8

VARIABLES = {
    "namespace": ("label_values(target_info, service_namespace)", True),
    "service": ("label_values(http_server_request_duration_seconds_count, service_name)", False),
    "instance": ("label_values(sonde_build_info, instance)", True),
}


def variable(name):
    query, many = VARIABLES[name]
    v = {
        "name": name, "label": name, "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1,
        "query": {"query": query, "refId": name}, "includeAll": many, "multi": many,
    }
    if many:
        # services without a namespace have no such label
        v |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return v


def source():
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def target(i, legend, expr, kind):
    t = {"refId": chr(ord("A") + i), "expr": " ".join(expr.split()), "legendFormat": legend,
         "datasource": SOURCE}
    if kind == "table":
        t |= {"format": "table", "instant": True}
    if kind == "heatmap":
        t |= {"format": "heatmap"}
    return t


def panel(p, number, at):
    kind = p.get("type", "timeseries")
    out = {
        "id": number, "type": kind, "title": p["title"], "description": p["help"], "gridPos": at,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": p["unit"], "min": 0}, "overrides": []},
        "targets": [target(i, *q, kind) for i, q in enumerate(p["queries"].items())],
        "options": {},
    }
    if kind == "timeseries":
        out["options"] = {"legend": {"showLegend": True, "displayMode": "table", "placement": "bottom",
                                     "calcs": ["lastNotNull", "max"]},
                          "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "table":
        out["transformations"] = [
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {
                f"Value #{t['refId']}": t["legendFormat"] for t in out["targets"]}}}]
    if kind == "heatmap":
        out["options"] = {"calculate": False, "yAxis": {"unit": p["unit"]}}
    return out


def dashboard(d):
    panels, y, number = [], 0, 1
    for row in d["rows"]:
        panels.append({"id": number, "type": "row", "title": row["title"], "collapsed": False,
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}, "panels": []})
        y, number = y + 1, number + 1
        wide = WIDTH // min(len(row["panels"]), 4)
        for i, p in enumerate(row["panels"]):
            at = {"x": i % 4 * wide, "y": y + i // 4 * HEIGHT, "w": wide, "h": HEIGHT}
            panels.append(panel(p, number, at))
            number += 1
        y += (len(row["panels"]) + 3) // 4 * HEIGHT
    return {
        "uid": f"sonde-{d['name']}", "title": d["title"], "tags": ["sonde"], "schemaVersion": 38,
        "editable": True, "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source()] + [variable(v) for v in d["variables"]]},
        "links": [{"type": "dashboards", "title": "sonde", "tags": ["sonde"], "asDropdown": True,
                   "includeVars": True, "keepTime": True, "icon": "dashboard", "targetBlank": False,
                   "tooltip": ""}],
        "panels": panels,
    }


def main():
    to = sys.argv[1] if len(sys.argv) > 1 else HERE
    with open(os.path.join(HERE, "dashboards.yaml"), encoding="utf-8") as f:
        spec = yaml.safe_load(f)
    for d in spec["dashboards"]:
        with open(os.path.join(to, f"{d['name']}.json"), "w", encoding="utf-8") as f:
            json.dump(dashboard(d), f, indent=1, ensure_ascii=False)
            f.write("\n")


if __name__ == "__main__":
    main()
