# SPDX-License-Identifier: Apache-2.0
"""direct.py FILE: writes 200 pages of it and reads them, past the page cache; then how long each took."""
import mmap
import os
import sys
import time

page = mmap.mmap(-1, 4096)
fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
for way, call in (("write", os.pwritev), ("read", os.preadv)):
    began = time.monotonic_ns()
    for n in range(200):
        if call(fd, [page], n * 4096) != 4096:
            sys.exit(f"{way} {n} was cut")
    print(way, time.monotonic_ns() - began)
