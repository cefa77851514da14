# SPDX-License-Identifier: Apache-2.0
"""Recordings: replayed without rights, whole and cut at the boundaries of their records."""
import os
import random
import struct

from .env import tool
from .proc import Failure

NOBODY = 65534


def replay(env, recording, prefix=True):
    """`sonde replay --json` as nobody; the Proc. The caller made the file readable."""
    drop = [tool("setpriv"), "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    return env.procs.run([*(drop if prefix else []), env.sonde, "replay", recording, "--json"],
                         seconds=20)


def first_difference(a, b):
    for n, (x, y) in enumerate(zip(a, b), 1):
        if x != y:
            return f"line {n}: live {x[:300]!r}, replay {y[:300]!r}"
    return f"live printed {len(a)} lines, replay {len(b)}"


def lines_of(path):
    with open(path, "rb") as f:
        return f.read().splitlines()


def replay_is_identical(env, recording, live):
    mode = os.stat(recording).st_mode & 0o777
    if mode != 0o600:
        raise Failure(f"the recording has mode {mode:o}, not 600")
    os.chmod(recording, 0o644)
    p = replay(env, recording)
    if p.code != 0:
        raise Failure(f"replay exited with {p.code}: {p.stderr().strip()[-300:]}")
    a, b = lines_of(live), lines_of(p.out)
    if not a:
        raise Failure("no transactions at all")
    if a != b:
        raise Failure(first_difference(a, b))


def boundaries(path):
    """Offsets at which a record begins: header {u64 magic, u32 abi, u32 header size, ...}."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"SONDEREC":
        raise Failure(f"the recording begins with {data[:8]!r}")
    at = struct.unpack_from("<I", data, 12)[0]
    out = []
    while at + 16 <= len(data):
        out.append(at)
        size = struct.unpack_from("<I", data, at + 4)[0]
        at += (size + 7) & ~7
    return data, out


def records(path, kind):
    """The records of that kind (enum sonde_ev_kind), each whole."""
    data, starts = boundaries(path)
    for at in starts:
        its, _, size = struct.unpack_from("<HHI", data, at)
        if its == kind:
            yield data[at:at + size]


def replay_is_prefix(env, recording, live, cuts=8, most=32 << 20):
    data, starts = boundaries(recording)
    whole = lines_of(live)
    starts = [at for at in starts if at < most]  # a busy host makes long recordings
    chosen = sorted(random.Random(1).sample(starts, min(cuts, len(starts))))
    for n, at in enumerate(chosen):
        inside = n % 2  # every other cut lies within a record
        cut = env.write("cut", data[:at + 9 * inside])
        os.chmod(cut, 0o644)
        p = replay(env, cut)
        if p.code != 0:
            raise Failure(f"cut at {at}: exit code {p.code}: {p.stderr().strip()[-200:]}")
        if inside and not p.stderr().strip():
            raise Failure(f"cut at {at} within a record: nothing on stderr")
        got = lines_of(p.out)
        if got != whole[:len(got)]:
            raise Failure(f"cut at {at}: {first_difference(whole[:len(got)], got)}")
