#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The dashboards follow the schema that Grafana publishes, of the version that deploy/compose runs, and what
provisions them there names what is there.
"""
import glob
import json
import os
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.normpath(os.path.join(HERE, "..", "..", "deploy"))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness.env import place, tool  # noqa: E402
from harness.node import modules  # noqa: E402
from test_stack import attempt  # noqa: E402

BOARDS = sorted(glob.glob(os.path.join(DEPLOY, "grafana", "*.json")))


def read(*path, parse=yaml.safe_load):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return parse(f)


def wrong(e, boards):
    """What Grafana's types say of them."""
    p = e.procs.run([tool("node"), os.path.join(HERE, "dashboards.js"), *boards], seconds=60,
                    env={**os.environ, "NODE_PATH": modules(e, os.path.join(HERE, "node"))})
    return (p.stdout() + p.stderr()).strip() if p.code else ""


def follow_schema(e):
    return wrong(e, BOARDS)[-400:]


def faults_are_found(e):
    """A word that is none, and keys that are none, of a board, a panel and what it is told."""
    with open(BOARDS[0], encoding="utf-8") as f:
        text = f.read()
    faults = {'"multi"': '"multy"', '"timezone"': '"timezoom"', '"gridPos"': '"gridPoz"', '"legend"': '"legnd"'}
    said = wrong(e, [e.write(f"wrong{n}.json", text.replace(was, now)) for n, (was, now) in enumerate(faults.items())])
    unseen = [now for now in faults.values() if now.strip('"') not in said]
    return f"not found: {unseen}" if unseen else None


def version_is_that_of_the_stack(e):
    image = read(DEPLOY, "compose", "compose.yaml")["services"]["grafana"]["image"]
    schema = read(HERE, "node", "package.json", parse=json.load)["dependencies"]["@grafana/schema"]
    return None if image.endswith(":" + schema) else f"{image}, schema {schema}"


def sources_are_there(e):
    """Every panel asks a source that is provisioned, or the one that is chosen, which is Prometheus."""
    sources = {s["uid"] for s in read(DEPLOY, "compose", "grafana.yaml")["datasources"]}
    for path in BOARDS:
        with open(path, encoding="utf-8") as f:
            board = json.load(f)
        chosen = {"${" + v["name"] + "}" for v in board["templating"]["list"] if v["type"] == "datasource"}
        for p in board["panels"]:
            uid = p.get("datasource", {}).get("uid")
            if uid and uid not in sources | chosen:
                return f"{os.path.basename(path)} '{p['title']}' asks {uid}"
    return None


def main():
    failed = 0
    with place("grafana") as e:
        for fn in (follow_schema, faults_are_found, version_is_that_of_the_stack, sources_are_there):
            failed += attempt(f"dashboards: {fn.__name__.replace('_', ' ')}", fn, e)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
