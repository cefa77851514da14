# SPDX-License-Identifier: Apache-2.0
"""A terminal of tmux with the live view in it: keys in, the screen out."""
import os
import re
import subprocess
import sys
import time
import unicodedata

SONDE = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else "build/sonde")
SOCKETS = [f"sonde-top-{os.getpid()}-{n}" for n in range(100, 0, -1)]  # one for each terminal
PASSED, FAILED = [], []


def tmux(*args):
    return subprocess.run(["tmux", "-L", SOCKETS[-1], "-f", "/dev/null", *args], check=False,
                          capture_output=True, text=True, timeout=10,
                          env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout


class Terminal:
    def __init__(self, size, folder, *args, env=""):
        width, height = size
        self.width, self.height = width, height
        command = f"cd {folder} && {env} {SONDE} top {' '.join(map(str, args))}"
        tmux("new-session", "-d", "-x", str(width), "-y", str(height),
             f"{command} 2>{folder}/err; echo EXIT $?; sleep 30")
        tmux("set-option", "-g", "status", "off")

    def screen(self):
        return tmux("capture-pane", "-p", "-t", "0")

    def rows(self):
        """(text, is it the chosen one?) of each row of the table."""
        painted = tmux("capture-pane", "-p", "-e", "-t", "0").splitlines()
        plain = [re.sub(r"\x1b\[[\d;]*m|[\x0e\x0f]", "", line) for line in painted]
        heads = [n for n, line in enumerate(plain) if "REQ/S" in line]
        out = []
        for shown, line in zip(painted[heads[0] + 1:], plain[heads[0] + 1:]) if heads else ():
            if not line.strip() or line.startswith(" "):
                break
            out.append((line, re.search(r"\x1b\[(\d+;)*7[;m]", shown) is not None))
        return out

    def until_rows(self, what, is_so, seconds=30):
        end, rows = time.monotonic() + seconds, []
        while time.monotonic() < end:
            rows = self.rows()
            if rows and is_so(rows):
                PASSED.append(what)
                return
            time.sleep(0.1)
        verdict(what, False, rows)

    def is_coloured(self):
        return re.search(r"\x1b\[(\d+;)*[34][0-8][;m]", tmux("capture-pane", "-p", "-e", "-t", "0")) is not None

    def press(self, *keys):
        tmux("send-keys", "-t", "0", *keys)

    def resize(self, width, height):
        self.width, self.height = width, height
        tmux("resize-window", "-t", "0", "-x", str(width), "-y", str(height))

    def until(self, what, *words, but=(), seconds=30):
        """The screen comes to hold all the words, and none of the others."""
        end, seen = time.monotonic() + seconds, ""
        while time.monotonic() < end:
            seen = self.screen()
            if all(w in seen for w in words) and not any(w in seen for w in but):
                PASSED.append(what)
                return seen
            time.sleep(0.1)
        FAILED.append(what)
        missing = [w for w in words if w not in seen] + [f"not {w}" for w in but if w in seen]
        print(f"FAIL {what}: {missing} in\n{seen}")
        return seen

    def press_until(self, key, what, *words, **more):
        """Steps as far as it takes: how long a recording is, is the machine's business."""
        for _ in range(30):
            self.press(key)
            time.sleep(0.5)
            if all(w in self.screen() for w in words):
                break
        return self.until(what, *words, **more)

    def close(self):
        tmux("kill-server")
        SOCKETS.pop()


def verdict(what, is_right, why=""):
    (PASSED if is_right else FAILED).append(what)
    if not is_right:
        print(f"FAIL {what}: {why}")


def close_all():
    tmux("kill-server")


def columns(line):
    """One character for each column of the screen: behind a wide one stands a NUL."""
    return "".join(c + "\0" if unicodedata.east_asian_width(c) in "WF" else c for c in line)


def cell(head, line, title):
    """What stands in the column of that title: from its left end, or up to its right one."""
    m = re.search(rf"(?<!\S){re.escape(title)}(?!\S)", head)
    return (columns(line)[m.start():], columns(line)[:m.end()]) if m else ("", "")


def stands_in(head, line, title, value):
    """Is value, whole, in that column, at its left end or at its right one?"""
    left, right = cell(head, line, title)
    value = columns(value)
    after = columns(line)[len(right):len(right) + 1]
    return left == value or left.startswith(value + " ") or \
        right.endswith(" " + value) and after in ("", " ")
