#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
printed.py [SONDE]: the JSON that commands print has the fields that docs/json.md names, and no others.
Needs no root: it is printed of captures.
"""
import glob
import json
import os
import re
import subprocess
import sys

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
SONDE = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else "build/sonde")
CAPTURES = sorted(glob.glob(os.path.join(TOP, "tests", "replay", "*", "*.pcap*")))
KINDS = {"http": ("http",), "databases": ("postgresql", "mysql", "redis", "memcached"), "DNS": ("dns",),
         "connections": ("tcp",)}
PASSED, FAILED = [], []


def verdict(what, got, want):
    (PASSED if got == want else FAILED).append(what)
    if got != want:
        print(f"FAIL {what}: not on the page {sorted(got - want)}, not printed {sorted(want - got)}")


def sections():
    """Title -> the fields in the first column of its table."""
    with open(os.path.join(TOP, "docs", "json.md"), encoding="utf-8") as f:
        parts = re.split(r"^##+ ", f.read(), flags=re.M)[1:]
    return {p.split("\n", 1)[0]: {name for row in re.findall(r"^\| (`[^|]*) \|", p, re.M)
                                  for name in re.findall(r"`([a-z0-9_]+)`", row)} for p in parts}


def printed(*args):
    return subprocess.run([SONDE, *args], capture_output=True, text=True, timeout=60, check=True).stdout


def keys(o):
    """With those within: waits_ns.cpu is cpu."""
    if isinstance(o, list):
        return set().union(*map(keys, o))
    return set(o).union(*map(keys, o.values())) if isinstance(o, dict) else set()


def main():
    page = sections()
    txns = [json.loads(l) for path in CAPTURES for l in printed("replay", path, "--json").splitlines()]
    common = set.intersection(*map(keys, txns)) | {"error_type"}
    verdict("what all have", common, page["A transaction"])
    for title, protocols in KINDS.items():
        of = [t for t in txns if t["protocol"] in protocols]
        verdict(f"of {title}", set().union(*map(keys, of)) - common, page[f"Of {title}"])
    with open(os.path.join(TOP, "user", "cmd", "filter_field.c"), encoding="utf-8") as f:
        fields = set(re.findall(r'^\t\{ "(\w+)", FIELD_', f.read(), re.M))
    verdict("fields of filters", fields, page["Filters"])
    one = next(p for p in CAPTURES if p.endswith("redis.commands.pcap"))
    verdict("a table of services", keys(json.loads(printed("top", one, "--json"))), page["A table of services"])
    print(f"{len(PASSED)} passed, {len(FAILED)} failed")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
