#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
test_docs.py SONDE: what the pages name is there: links, files, metrics, flags, commands of sonde, make's
targets, and the demonstration's faults.
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
# flags of others that pages speak of
FOREIGN = ("build", "cgroupfs-root", "disable-l7-tracing", "track-public-network", "soak", "isolate", "tier")
failed = 0


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


PAGES = {os.path.relpath(p, TOP): read(p) for p in
         [os.path.join(TOP, "README.md"), *glob.glob(os.path.join(TOP, "docs", "**", "*.md"), recursive=True)]}
# code in a line, and blocks of it
CODE = {name: re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)) +
        [line for block in re.findall(r"```\w*\n(.*?)```", text, re.S) for line in block.splitlines()]
        for name, text in PAGES.items()}


def check(name, problems):
    global failed
    problems = sorted(set(problems))
    failed += bool(problems)
    print(f"FAIL {name}: {'; '.join(problems)}" if problems else f"ok {name}", flush=True)


def anchor(title):
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def links():
    for name, text in PAGES.items():
        for to in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, part = to.partition("#")
            if re.match(r"\w+:", path):
                continue
            there = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if not os.path.exists(os.path.join(TOP, there)):
                yield f"{name}: {to}"
            elif part and part not in map(anchor, re.findall(r"^#+ (.*)$", PAGES.get(there, ""), re.M)):
                yield f"{name}: no part {to}"


def metrics():
    known = set(re.findall(r"^\| `(\w+)`", PAGES["docs/metrics.md"], re.M))
    # the kernel's programs, and types of the contract, are no metrics
    for path in glob.glob(os.path.join(TOP, "bpf", "*.bpf.[ch]")):
        known.update(re.findall(r"^int (?:BPF_PROG\()?(sonde_\w+)", read(path), re.M))
    for name, codes in CODE.items():
        for m in (m for code in codes for m in re.findall(r"\bsonde_[a-z_]+\w", code)):
            if re.search(r"\.(h|sh|yaml)|^sonde_(ev|abi|bpf|demo)", m):
                continue
            if re.sub(r"_(count|sum|bucket)$", "", m) not in known and \
                    not any(k.startswith(m) for k in known):
                yield f"{name}: {m}"


def flags():
    known = set(re.findall(r"--([a-z0-9-]+)", PAGES["docs/configuration.md"])) | {"version", "help"}
    for name, codes in CODE.items():
        for code in codes:
            m = re.search(r"\bsonde (?:run|tail|top|record|replay|check)\b(.*)", code) or \
                re.match(r"(--[a-z].*)", code)
            # one with a dot is another program's, one that stands alone may be
            for flag in re.findall(r"(?<![\w-])--([a-z0-9-]+)(?![a-z0-9-]|\.\w)", m[1]) if m else ():
                if flag not in known and ("sonde " in code or flag not in FOREIGN):
                    yield f"{name}: --{flag}"


def commands(sonde):
    said = subprocess.run([sonde, "help"], capture_output=True, text=True, timeout=20, check=False)
    known = set(re.findall(r"^ +(?:sonde )?([a-z]+)\b", said.stdout + said.stderr, re.M)) | {"help"}
    for name, codes in CODE.items():
        for code in codes:
            for word in re.findall(r"(?:^|[/ ])sonde ([a-z]+)(?= |$)", code):
                if re.match(r"(sudo )?(build/)?(\./)?sonde ", code) and word not in known:
                    yield f"{name}: sonde {word}"


def targets():
    known = set(re.findall(r"^([\w-]+):", read("Makefile"), re.M))
    for name, codes in CODE.items():
        for code in codes:
            m = re.match(r"(?:sudo )?make ([a-z][\w-]*)", code)
            if m and m[1] not in known:
                yield f"{name}: make {m[1]}"


def faults():
    known = set(re.findall(r'^@fault\("([\w-]+)"', read("deploy", "demo", "faults.py"), re.M)) | {"all", "NAME"}
    for name, text in PAGES.items():
        yield from (f"{name}: FAULT={f}" for f in re.findall(r"FAULT=([\w-]+)", text) if f not in known)


def files():
    for name, codes in CODE.items():
        for path in (w for code in codes
                     for w in re.findall(r"(?:^|[ (])((?:deploy|docs|tests|user|bpf)/[\w./-]+)", code)):
            # one that ends so stands for several
            if not path.endswith("_") and not os.path.exists(os.path.join(TOP, path.rstrip("."))):
                yield f"{name}: {path}"


def main():
    check("docs: links lead somewhere", links())
    check("docs: metrics that are named are there", metrics())
    check("docs: flags that are named are there", flags())
    check("docs: commands that are named are there", commands(os.path.abspath(sys.argv[1])))
    check("docs: targets that are named are there", targets())
    check("docs: faults that are named are there", faults())
    check("docs: files that are named are there", files())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
