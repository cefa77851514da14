# SPDX-License-Identifier: Apache-2.0
"""The JSON API and docs/api.md name the same fields."""
import os
import re
import socket

from harness.case import case
from harness.proc import Failure, free_port, until
from harness.raw import Raw
from harness.sonde import Sonde

from .api import ask

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "docs", "api.md")

# objects whose keys are values: how much of each
BY_VALUE = {"events", "by_reason", "tables_full", "protocols", "passed_over", "series", "waits_seconds",
            "waits_ns", "blocked_on", "disk_io_bytes", "offcpu_seconds", "exits", "stalled_seconds"}

# what the page names that is no field: values, arguments, limits
WORDS = set("""receive_queue runqueue cpu blocked throttled downstream unknown memory io healthy degraded
    unhealthy stuck p95 saturation service address outside database virtual_node server client endpoint peer
    limit all first none socket syscall traceparent skipped""".split())

# what a small host without trouble has no reason to say: of whom a namespace is known, whom a quota holds
# up, who ends, what is on a disk; who is asked about containers, and what --propagate does
OF_USAGE = "cpu_seconds memory_bytes stalled_seconds"
RARE = {
    "/api/v1/services": f"namespace error_type {OF_USAGE}",
    "/api/v1/services/{name}": f"namespace error_type {OF_USAGE} cpu_throttled_seconds disk_io_bytes "
                               "offcpu_seconds restarts exits oom_kills",
    "/api/v1/map": "namespace client_service_namespace server_service_namespace",
    "/api/v1/status": "who where answered failures requests given passed_over reason",
}


def sections():
    """Path -> words in code of what the page says of it. What is said of figures holds where they are told."""
    with open(PAGE, encoding="utf-8") as f:
        parts = re.split(r"^## ", f.read(), flags=re.M)[1:]
    found = {p.split("\n", 1)[0]: set(re.findall(r"`([a-z0-9_]+)`", p)) for p in parts}
    common = {"time_unix_nano"}
    found["/api/v1/services"] |= found.pop("Figures") | common
    found["/api/v1/services/{name}"] |= found["/api/v1/services"]
    found["/api/v1/requests"] |= common
    return found


def keys(o):
    if isinstance(o, list):
        return set().union(*map(keys, o))
    if not isinstance(o, dict):
        return set()
    inner = (list(v.values()) if k in BY_VALUE and isinstance(v, dict) else v for k, v in o.items())
    return set(o).union(*map(keys, inner))


def answers(s, service):
    """Section -> the keys of what is answered there."""
    trace = ask(s, f"/api/v1/requests?service={service}&errors=true")["recent"][0]["trace_id"]
    rows = [ask(s, f"/api/v1/services?group={group}") for group in ("service", "endpoint", "peer", "protocol")]
    of = ask(s, f"/api/v1/services/{service}")
    return {
        "/api/v1/services": keys([ask(s, "/api/v1/services"), rows]),
        "/api/v1/services/{name}": keys([of, rows, ask(s, "/api/v1/services")]),
        "/api/v1/requests": keys(ask(s, "/api/v1/requests")),
        "/api/v1/traces/{trace_id}": keys(ask(s, f"/api/v1/traces/{trace}")),
        "/api/v1/map": keys(ask(s, "/api/v1/map")),
        "/api/v1/status": keys(ask(s, "/api/v1/status")),
    }


@case(group=None)
def fields_are_those_documented(e):
    """Each answer has the fields that its section names, and no others: of a service that serves, calls,
    fails and hangs."""
    behind, stuck = e.http_server(), free_port()
    ng = e.nginx(f"""location = /broken {{ return 503; }}
                     location /behind/ {{ proxy_pass http://127.0.0.1:{behind}/; }}
                     location = /stuck {{ proxy_pass http://127.0.0.1:{stuck}; }}""")
    s = Sonde(e, "run", "--port", f"{ng.port},{behind},{stuck}").wait_ready()
    with socket.create_server(("127.0.0.1", stuck)), Raw(ng.port) as c:
        for n in range(9):
            c.ask("GET", ("/behind/", "/ok", "/broken")[n % 3])
        c.send("GET /stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        # /proc and connections are looked at every few seconds
        until(lambda: "tcp" in keys(ask(s, "/api/v1/services?group=service")) and
              len(ask(s, "/api/v1/requests")["in_flight"]) > 1, 15, "figures of connections")
        found = answers(s, "nginx")
    s.end()
    wrong = []
    for title, words in sections().items():
        got = found.pop(title, set())
        wrong += [f"{title}: {w} is not documented" for w in sorted(got - words)]
        there_may_be = WORDS | set(RARE.get(title, "").split())
        wrong += [f"{title}: there is no {w}" for w in sorted(words - got - there_may_be)]
    if wrong or found:
        raise Failure("; ".join(wrong + [f"{title} has no section" for title in found]))
