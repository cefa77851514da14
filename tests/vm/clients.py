#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A line put into the requests of curl, Python, Node and Go, all of those on connections that are kept,
in a guest whose kernel can: what a server hears with and without, byte by byte, and what nginx does.

As anybody: tests/vm/clients.py BUILD-DIR [KERNEL], the build having made the guest's binaries.
"""
import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter

sys.dont_write_bytecode = True
import matrix

sys.path.insert(0, os.path.join(matrix.ROOT, "tests", "e2e"))
from cases import propagate
from harness.proc import Failure

PROGS = os.path.join(matrix.ROOT, "tests", "e2e", "progs")
BOOT_S = 1500
# what the programs in Python need, and what those need
MODULES = """
import encodings.ascii, encodings.idna, encodings.latin_1, fcntl, hashlib, http.client, json, os, re
import socket, struct, subprocess, sys, tempfile, termios, threading, time
for m in list(sys.modules.values()):
    for name in ("__file__", "__cached__"):
        print(getattr(m, name, None) or "")
"""
NGINX = """
user root; worker_processes 2; pid /tmp/nginx.pid; error_log /tmp/nginx.err;
events { worker_connections 128; }
http {
    client_body_temp_path /tmp/n1; proxy_temp_path /tmp/n2; fastcgi_temp_path /tmp/n3;
    uwsgi_temp_path /tmp/n4; scgi_temp_path /tmp/n5; client_max_body_size 64m;
    log_format heard '$connection_requests $request_method $uri $request_length "$http_traceparent"';
    access_log /tmp/nginx.log heard;
    server { listen 127.0.0.1:8093; location / { return 200 heard; } }
}
"""


def program_of_go(folder):
    path = os.path.join(folder, "speak")
    subprocess.run(["go", "build", "-o", path, os.path.join(PROGS, "speak.go")], check=True, timeout=300,
                   env={**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"})
    return path


def sources(folder):
    """Where in the guest -> where here."""
    python = subprocess.run(["/usr/bin/python3", "-c", MODULES], check=True, text=True,
                            stdout=subprocess.PIPE).stdout.split()
    programs = {"/usr/bin/python3": "/usr/bin/python3", "/usr/bin/curl": "/usr/bin/curl",
                "/usr/bin/node": os.path.realpath("/usr/bin/node"), "/usr/sbin/nginx": "/usr/sbin/nginx"}
    found = {**programs, **{path: path for path in python if os.path.exists(path)},
             "/speakers.py": os.path.join(matrix.HERE, "speakers.py"), "/progs/speak": program_of_go(folder)}
    found.update({f"/progs/{name}": os.path.join(PROGS, name)
                  for name in ("hear.py", "speak.py", "speak.js")})
    for path in [*programs.values(), *(p for p in found if p.endswith(".so"))]:
        found.update({lib: lib for lib in matrix.libraries(path)})
    return found


def archive(folder):
    """What the guest has beside what all guests have."""
    files = {"nginx.conf": (0o100644, NGINX.encode()), "etc/passwd": (0o100644, b"root:x:0:0::/:\n"),
             "etc/group": (0o100644, b"root:x:0:\n"),
             "var": (0o040755, b""), "var/log": (0o040755, b""), "var/log/nginx": (0o040755, b"")}
    for path, source in sorted(sources(folder).items()):
        parts = path.lstrip("/").split("/")
        for n in range(1, len(parts)):
            files.setdefault("/".join(parts[:n]), (0o040755, b""))
        with open(source, "rb") as f:
            files[path.lstrip("/")] = (0o100755, f.read())
    return gzip.compress(matrix.cpio(dict(sorted(files.items()))), 1)


def judge_nginx(text):
    """Each request has one line, whatever connection it came on; one that brought its own keeps that."""
    given, bad = Counter(), []
    for line in text.split("\n"):
        if not line:
            continue
        nth, _, target, _, said = line.split(" ", 4)
        mine = re.fullmatch(r'"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]"', said)
        behind_chunked = re.match(r"/(node|go)/", target)  # of one connection with those
        if not mine and not (behind_chunked and said in ('"-"', '""')):
            bad.append(line)
        if mine and not target.endswith("/own"):
            given[target.split("/")[1], nth != "1"] += 1
    if bad or not all(given[name, later] for name in ("curl", "known", "go") for later in (False, True)):
        raise Failure(f"nginx heard {bad[:3]}; given {dict(given)}")
    return sum(given.values())


def told_of(found, requests, missed):
    """Those whose both ends have been told of: all, unless the kernel left programs out."""
    spans = [json.loads(line) for line in found["tail-clients"].text.splitlines()]
    spans = [t for t in spans if ":8092" in f"{t.get('local')} {t.get('peer')}"]  # nginx hears the same
    if not missed:
        return requests, spans
    both = Counter(target for target, _ in {(t.get("target"), t["role"]) for t in spans})
    return [r for r in requests if not r["ours"] or both[r["target"][:1024]] == 2], spans


def judge(found):
    for name in ("speak-plain", "load-clients"):
        if name not in found or found[name].code:
            raise Failure(f"{name}: {found.get(name)}, {found.get(name + '.err')}")
    said = found["ready-clients"].text
    if "no traceparent" in said or "only the first" in said:
        raise Failure(said.strip())
    truth, heard = ([json.loads(line) for line in found[f"heard-{name}"].text.splitlines()]
                    for name in ("plain", "clients"))
    mine, theirs = propagate.whole(heard), propagate.whole(truth)
    if mine != theirs or not heard:
        raise Failure(f"other bytes: {list((mine - theirs).items())[:4]} for "
                      f"{list((theirs - mine).items())[:4]}")
    missed = sum(int(n) for n in found["missed-clients"].text.split()[1::2])
    propagate.judge_lines(*told_of(found, heard, missed), False)
    by_client = Counter(r["target"].split("/")[1] for r in heard if r["ours"])
    by_client = {name: by_client[name] for name in ("curl", "many", "node", "known", "go")}
    lines = sum(bool(r["ours"]) for r in heard)
    later = sum(bool(r["ours"]) and r["n"] > 1 for r in heard)
    by_nginx = judge_nginx(found["nginx-clients"].text)
    return (f"{lines} of {len(heard)} requests given a line, {later} of them behind others on their "
            f"connection ({by_client}); {by_nginx} that nginx heard; {missed} runs left out")


def main(build, name="newest"):
    qemu, (kernel,) = matrix.fetch(os.path.join(matrix.ROOT, "build", "vm"), [name])
    folder = os.path.join(build, "vm")
    common = matrix.initramfs(build) + archive(folder)
    found, seconds = matrix.boot(qemu, folder, kernel, common, task="clients", limit_s=BOOT_S)
    try:
        print(f"ok {kernel[1]} {judge(found)} ({seconds:.0f} s)")
    except Failure as e:
        sys.exit(f"FAIL {kernel[1]} {e} ({seconds:.0f} s, {list(found)})")


main(*sys.argv[1:])
