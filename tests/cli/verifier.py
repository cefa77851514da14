#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the kernel matrix says of the verifier's counts: a rise of a fifth passes, more does not."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm"))
import matrix  # noqa: E402

KERNEL = "6.1"


def said(change):
    """The verdict on the counts that are kept, after change(program -> count)."""
    found = {program: n for (kernel, program), n in matrix.recorded().items() if kernel == KERNEL}
    change(found)
    text = "\n".join(f"{program} {n}" for program, n in found.items())
    judge = matrix.Judge((KERNEL, KERNEL, ""), {"verifier": matrix.Section(text, 0, 0)}, 0)
    matrix.compare([judge])
    return judge.lines


def times(factor):
    return lambda found: found.update(sonde_syscall=int(found["sonde_syscall"]) * factor // 1000)


CASES = {
    "the same": (lambda found: None, None),
    "a fifth more": (times(1200), None),
    "more than that": (times(1201), "sonde_syscall rose from"),
    "one that is refused now": (lambda found: found.update(sonde_syscall="-EACCES"), "sonde_syscall was"),
    "one that is taken now": (lambda found: found.update(sonde_send="1000"), "sonde_send was"),
    "one that is new": (lambda found: found.update(sonde_new="10"), "sonde_new 10 is not recorded"),
    "one that is gone": (lambda found: found.pop("sonde_syscall"), "sonde_syscall is gone"),
    "none": (lambda found: found.clear(), "no counts"),
}


def main():
    failed = 0
    for name, (change, problem) in CASES.items():
        lines = said(change)
        is_right = len(lines) == 1 and (lines[0] == f"ok {KERNEL} verifier" if problem is None else
                                        lines[0].startswith("FAIL ") and problem in lines[0])
        failed += not is_right
        print(f"ok verifier: {name}" if is_right else f"FAIL verifier: {name}: {lines}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
