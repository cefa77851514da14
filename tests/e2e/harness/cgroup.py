# SPDX-License-Identifier: Apache-2.0
"""A cgroup of our own, to tell our processes from the rest of a busy host."""
import os

from .proc import Failure, until


def unified():
    """Where the cgroup v2 hierarchy is mounted."""
    with open("/proc/mounts") as f:
        for line in f:
            field = line.split()
            if field[2] == "cgroup2":
                return field[1]
    raise Failure("no cgroup2 file system is mounted")


class Cgroup:
    def __init__(self, name):
        self.path = os.path.join(unified(), name)
        self.glob = f"*{name}*"
        os.mkdir(self.path)

    def add(self, pid):
        with open(os.path.join(self.path, "cgroup.procs"), "w") as f:
            f.write(str(pid))

    def close(self):
        """Moves what is left of it to the root, then removes it."""
        def removed():
            try:
                with open(os.path.join(self.path, "cgroup.procs")) as f:
                    for pid in f.read().split():
                        with open(os.path.join(unified(), "cgroup.procs"), "w") as root:
                            root.write(pid)
                os.rmdir(self.path)
            except FileNotFoundError:
                pass
            except OSError:
                return False
            return True
        until(removed, 5, "end of the cgroup")


def group(e, *names):
    """A control group, made for the case; its folder."""
    path = unified()
    with open("/proc/self/cgroup") as f:
        for line in f:
            if line.startswith("0::"):
                path += line.strip()[3:].rstrip("/")
    for name in names:
        path = os.path.join(path, name)
        os.mkdir(path)
        e.undo.append(lambda p=path: until(lambda: removed(p), 5, "end of " + p))
    return path


def removed(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def into(path):
    """What starts a program in that group."""
    return "/bin/sh", "-c", f'echo $$ > {path}/cgroup.procs && exec "$@"', "sh"


class V1:
    """A group of one controller of the older hierarchy; it ends with the case."""

    def __init__(self, controller, name, env):
        self.path = os.path.join("/sys/fs/cgroup", controller, name)
        if not os.path.isdir(os.path.dirname(self.path)):
            raise Failure(f"no {controller} controller of cgroup v1 is mounted")
        os.mkdir(self.path)
        env.undo.append(self.close)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def stat(self, name):
        with open(os.path.join(self.path, name)) as f:
            return {key: int(value) for key, value in (line.split() for line in f)}

    def close(self):
        def removed():
            try:
                os.rmdir(self.path)
            except OSError:
                return False
            return True
        until(removed, 5, f"end of {self.path}")
