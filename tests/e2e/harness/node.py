# SPDX-License-Identifier: Apache-2.0
"""What cases need of npm: the packages that progs/node/package-lock.json pins, installed once into a
folder of the user's cache."""
import hashlib
import os
import shutil
import tempfile

from .env import PROGS, tool
from .proc import Failure

HERE = os.path.join(PROGS, "node")


def modules(e, here=HERE):
    """The folder of the packages that a lock file in `here` pins, for NODE_PATH; installs them where
    they are missing."""
    with open(os.path.join(here, "package-lock.json"), "rb") as f:
        version = hashlib.sha256(f.read()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "sonde-e2e", version)
    found = os.path.join(folder, "node_modules")
    if os.path.isdir(found):
        return found
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    made = tempfile.mkdtemp(dir=os.path.dirname(folder))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(here, name), made)
        p = e.procs.run([tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                        seconds=60, cwd=made)
        if p.code:
            raise Failure(f"npm ci: {p.stderr().strip()[-300:]}")
        os.rename(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return found
