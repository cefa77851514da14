# SPDX-License-Identifier: Apache-2.0
"""In a guest: clients as they are, each with requests of its own, and a body of 10 MB.
speakers.py PORT NGINX-PORT; ends with 1 where one failed, and says which."""
import subprocess
import sys

TRACE = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NODE, KNOWN, GO, MANY = 60, 600, 800, 1000


def curls(port, big):
    url = f"http://127.0.0.1:{port}/curl"
    return [["/usr/bin/curl", "-sS", "--max-time", "100", "-o", "/dev/null", *args] for args in (
        [f"{url}/get"], ["-I", f"{url}/head"], ["-d", "a=b", f"{url}/post"],
        ["--data-binary", f"@{big}", f"{url}/big"],
        ["-H", "Transfer-Encoding: chunked", "--data-binary", f"@{big}", f"{url}/chunked"],
        ["-H", TRACE, f"{url}/own"],
        # kept: one connection
        [part for n in range(20) for part in (f"{url}/kept/{n}", "-o", "/dev/null")])]


def main(port, nginx):
    with open("/tmp/big", "wb") as f:
        f.write(bytes(range(256)) * 40960)
    runs = [["/usr/bin/python3", "/progs/speak.py", port, "forms"],
            ["/usr/bin/python3", "/progs/speak.py", port, "many", str(MANY)]]
    for to in (port, nginx):
        runs += curls(to, "/tmp/big")
        runs += [["/usr/bin/node", "/progs/speak.js", to, str(NODE)],
                 ["/usr/bin/node", "/progs/speak.js", to, str(KNOWN), "known"], ["/progs/speak", to, str(GO)]]
    for argv in runs:
        p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600, text=True,
                           check=False)
        if p.returncode:
            sys.exit(f"{argv}: {p.returncode}, {p.stderr[-300:]}")
        sys.stdout.write(p.stdout)


main(*sys.argv[1:])
