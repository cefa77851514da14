#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
soak.py: the long forms of the end-to-end cases about churn and loss, and the table of
docs/reliability.md from what they measured. As root, about 20 minutes.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
RUN = os.path.join(HERE, "..", "e2e", "run.py")
DOC = os.path.join(HERE, "..", "..", "docs", "reliability.md")
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"

# case -> what was tried, with its figures
TRIED = {
    "churn-of-processes": "processes that live for one request: {sent:,}, {rate:,} a second for "
                          "the last {seconds:.0f} s, under 8 names",
    "churn-of-connections": "a fresh connection per request: {sent:,}, {rate:,} a second for the "
                            "last {seconds:.0f} s",
    "otlp-dead-collector-takes-no-memory": "{sent:,} requests in {seconds} s, each exported to a "
                                           "collector that is not there",
    "churn-of-sonde": "sonde killed and started {restarts} times under {requests:,} requests, of "
                      "which {failed} failed; {sent:,} fresh ones after the last start",
    "suspended-sonde": "sonde stopped (SIGSTOP) for 5 s under {sent:,} requests, with a ring of "
                       "1 MiB; then {exact_after:,} more, all counted",
    "flood-of-a-small-ring": "sonde kept from its ring of 64 KiB under {sent:,} requests",
    "flood-of-fresh-connections": "the same under {sent:,} requests, each on its own connection",
    "ab-50000-in-metrics": "{sent:,} requests on 50 kept connections, as fast as they go",
    "propagation-of-many": "{sent:,} requests over one connection with `--propagate http`, on a kernel "
                           "where {given:,} may get a line; the longest took {longest_ms:.0f} ms, "
                           "{untraced_ms:.0f} ms without sonde",
    "tls-nginx-10000-over-50": "nginx and Python within TLS 1.3, {connections} connections",
    "tls-1-2-over-50": "nginx and Python within TLS 1.2, {connections} connections",
    "tls-crowd-of-curl": "nginx and curl (OpenSSL) within TLS 1.2 and 1.3, {connections} connections",
    "tls-crowd-of-wget": "nginx and wget (GnuTLS) within TLS 1.2 and 1.3, {connections} connections",
    "tls-python-both-ends": "Python within TLS at both ends, {connections} connections",
    "tls-asyncio-both-ends": "asyncio within TLS at both ends, {connections} connections",
    "tls-node-both-ends": "Node within TLS at both ends, {connections} connections",
    "go-tls-10000-over-50": "Go within TLS at both ends, {connections} connections",
    "go-tls-stripped": "Go within TLS at both ends, stripped, {connections} connections",
    "tls-openssl-1-1-1": "Node 16 within TLS at both ends (OpenSSL 1.1.1), {connections} connections",
    "h2load-100000": "nghttpd and h2load, 100 streams on each of 4 connections",
    "tls-h2load": "the same within TLS",
    "tls-redis": "Redis within TLS, {connections} connections",
    "tls-postgres": "PostgreSQL within TLS, {connections} connections",
    "tls-sonde-comes-and-goes": "sonde started and ended {rounds} times on nginx, Node and Python "
                                "within TLS: of {sent:,} requests {failed} failed; 99 in 100 were "
                                "answered within {slow_ms} ms, without sonde {alone_ms} ms (nginx, "
                                "Node, Python with sockets, with asyncio)",
    "go-tls-sonde-comes-and-goes": "sonde started and ended {rounds} times on a Go server within TLS: "
                                   "of {sent:,} requests {failed} failed; 99 in 100 were answered "
                                   "within {slow_ms} ms, without sonde {alone_ms} ms",
    "same-addresses-in-two-namespaces": "two network namespaces whose connections have the same "
                                        "addresses: {sent:,} requests",
}


def losses(row):
    """In words: nothing, or each loss by its reason and whether the account closes."""
    said = ", ".join(f"`{reason}` {n:,}" for reason, n in sorted(row["lost"].items()) if n)
    if not said:
        return "nothing"
    if row.get("missed"):
        said += " (" + ", ".join(f"{name} {n:,}" for name, n in row["missed"].items()) + ")"
    if "accounted" in row:
        off = row["accounted"] - row["sent"]
        said += f"; the account is off by {off:+d}" if off else "; the account closes"
    return said


def held(row):
    if "anonymous_kib" not in row:
        return ""
    before, after = (n / 1024 for n in row["anonymous_kib"])
    return f"{before:.1f} → {after:.1f} MiB"


def table(rows):
    out = ["| tried | counted | lost | anonymous memory | |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = "**failed**" if row["problem"] else "ok"
        cells = [TRIED[row["case"]].format(**row), f"{row['counted']:,}" if row["counted"] else "",
                 losses(row), held(row), verdict]
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


def about(load):
    commit = subprocess.run(["git", "-c", "safe.directory=*", "-C", HERE, "rev-parse",
                             "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    return (f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
            f"load {load:.1f} at the start; commit {commit.stdout.strip() or 'unknown'}.")


def write(text):
    with open(DOC, encoding="utf-8") as f:
        old = f.read()
    head, tail = old.split(BEGIN, 1)[0], old.split(END, 1)[1]
    with open(DOC, "w", encoding="utf-8") as f:
        f.write(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--sonde", default=os.path.join(HERE, "..", "..", "build", "sonde"))
    p.add_argument("--write", action="store_true", help="renew the table in docs/reliability.md")
    args = p.parse_args()
    load = os.getloadavg()[0]
    with tempfile.NamedTemporaryFile("r", prefix="sonde-soak-") as f:
        code = subprocess.run([sys.executable, RUN, "--sonde", args.sonde, "--soak", "--figures",
                               f.name, *TRIED], check=False, timeout=5400).returncode
        rows = [json.loads(line) for line in f]
    rows.sort(key=lambda row: list(TRIED).index(row["case"]))
    text = f"{about(load)}\n\n{table(rows)}"
    print(text)
    # a failure belongs into the table too, but a run that was cut short has none to show
    if args.write and len(rows) == len(TRIED):
        write(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
