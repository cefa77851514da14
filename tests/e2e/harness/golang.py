# SPDX-License-Identifier: Apache-2.0
"""Programs in Go, built once for all cases of a run; what is compiled for them is kept beside what
make builds, for the next run."""
import os

from .env import PROGS, tool
from .proc import Failure

CACHE = os.path.join(PROGS, "..", "..", "..", "build", "e2e-go")


def program(e, name, build="go", flags=(), env=()):
    """The path of progs/NAME.go's program. Each way to build it has a name, and a file of its own."""
    top = os.path.dirname(e.tmp)
    path = os.path.join(top, f"{name}-{build}")
    if os.path.exists(path):
        return path
    p = e.procs.run([tool("go"), "build", *flags, "-o", path, os.path.join(PROGS, name + ".go")],
                    seconds=200, env={**os.environ, "GO111MODULE": "off", "HOME": e.tmp, "GOFLAGS": "",
                                      "GOCACHE": os.path.abspath(CACHE), **dict(env)})
    if p.code:
        raise Failure(f"{name}.go: {p.stderr().strip()[-200:]}")
    return path
