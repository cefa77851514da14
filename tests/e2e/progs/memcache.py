#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A user of pymemcache: memcache.py PORT N."""
import sys

from pymemcache.client.base import Client

client = Client(("127.0.0.1", int(sys.argv[1])))
for i in range(int(sys.argv[2])):
    client.set(f"k{i}", "1")
    client.set(f"n{i}", "7", noreply=False)
    assert client.get(f"k{i}") == b"1"
    assert client.get("nothing") is None
    assert len(client.get_many([f"k{i}", f"n{i}", "n0"])) == (2 if i == 0 else 3)
    assert client.incr(f"n{i}", 1) == 8
    client.delete(f"k{i}")
stats = client.stats()
for name in ("cmd_set", "cmd_get", "get_misses"):
    print(name, stats[name.encode()])
client.quit()
