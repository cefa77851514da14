# SPDX-License-Identifier: Apache-2.0
"""Pressure stalls: of a service what the kernel says of its control group."""
import json
import os

from harness.case import case
from harness.cgroup import group, into
from harness.proc import Failure, until
from harness.sonde import Sonde

# two that want one processor, and somebody who outlives them
CROWD = """
import os, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
end = time.monotonic() + 1.5
child = os.fork()
while time.monotonic() < end: pass
if not child: os._exit(0)
os.wait()
time.sleep(1000)
"""


def truth(folder):
    out = {}
    for resource in ("cpu", "memory", "io"):
        with open(os.path.join(folder, resource + ".pressure"), encoding="ascii") as f:
            for line in f:
                out[resource, line.split()[0]] = int(line.rsplit("=", 1)[1])
    return out


def told(m, service):
    return {(labels["resource"], labels["kind"]): round(v * 1e6)
            for labels, v in m.of("sonde_pressure_seconds_total")
            if labels["scope"] == "cgroup" and labels["service_name"] == service}


@case(group=None, limit=60)
def pressure_of_a_services_cgroup(e):
    """Equal to the kernel's files; another service, in no group of its own, has none."""
    folder = group(e, f"sonde-pressure-{os.getpid()}")
    crowd, other = e.write("crowd.py", CROWD), e.write("other.py", "import time; time.sleep(1000)")
    s = Sonde(e, "run", "--comm", "python3*").wait_ready()
    e.procs.start([*into(folder), "/usr/bin/python3", crowd])
    e.procs.start(["/usr/bin/python3", other])

    def is_equal():
        found = told(s.metrics(), "crowd")
        return found and found["cpu", "some"] > 200000 and found == truth(folder)
    until(is_equal, 25, "pressure of the group")
    m = s.metrics()
    e.figures.update(cpu_us=told(m, "crowd")["cpu", "some"])
    if not [1 for labels, _ in m.of("sonde_service_memory_bytes") if labels["service_name"] == "other"]:
        raise Failure("the other service was not met")
    with open("/proc/self/cgroup", encoding="ascii") as f:
        is_alone = "0::/\n" in f.read()
    if is_alone and told(m, "other"):
        raise Failure(f"the other's: {told(m, 'other')}, which is the host's")
    s.end()


@case(group=None)
def pressure_is_what_check_says_it_is(e):
    found = json.loads(e.procs.run([e.sonde, "check", "--json"]).stdout())["cgroup_pressure"]
    if found["known"] != os.path.exists(os.path.join(found.get("where", "/none"), "cpu.pressure")):
        raise Failure(f"check says {found}")
