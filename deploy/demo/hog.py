# SPDX-License-Identifier: Apache-2.0
"""
hog.py cpu CPU: keeps one processor busy. hog.py memory BYTES: takes so much memory and holds it.
hog.py thrash FILE: reads a file again and again through a mapping, faster than a memory limit that
is smaller than the file lets it be kept.
"""
import mmap
import os
import sys
import time


def cpu(number):
    os.sched_setaffinity(0, {number})
    while True:
        pass


def memory(size):
    held = bytearray(0)
    while len(held) < size:
        held += b"\1" * (1 << 20)
    time.sleep(3600)


def thrash(path):
    with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        while True:
            for at in range(0, len(m), mmap.PAGESIZE):
                m[at]


what, value = sys.argv[1:3]
{"cpu": lambda: cpu(int(value)), "memory": lambda: memory(int(value)),
 "thrash": lambda: thrash(value)}[what]()
