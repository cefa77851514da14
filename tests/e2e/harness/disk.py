# SPDX-License-Identifier: Apache-2.0
"""A disk that nobody else uses."""
import subprocess

from harness.env import tool
from harness.proc import Failure


def loop_disk(e, size):
    """A loop device of so many bytes, past the page cache of its file; gone with the case."""
    image = e.path("disk")
    with open(image, "wb") as f:
        f.truncate(size)
    p = e.procs.run([tool("losetup"), "--direct-io=on", "--find", "--show", image])
    device = p.stdout().strip()
    if not device:
        raise Failure(f"losetup: {p.stderr().strip()}")
    e.undo.append(lambda: subprocess.run([tool("losetup"), "--detach", device], timeout=10,
                                         check=False))
    return device
