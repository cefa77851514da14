# SPDX-License-Identifier: Apache-2.0
"""Records of TLS that leave unseen, as where the kernel leaves a program out: what they held is
missing and counted, one for one, and nothing behind them is taken for something else."""
import ssl

from harness.case import case
from harness.proc import Failure, free_port, until
from harness.raw import Raw

from .tls import Watched, certificate, nginx

REQUESTS = 120
STATUSES = (200, 404, 201, 403, 202, 500, 203)  # of unseen.c, by request


class RawWithin(Raw):
    """Within TLS, whoever the server is."""

    def __init__(self, port):
        super().__init__(port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)


def judge(w, truth, role, unseen):
    """All of the other end are there; of this one all but those whose first record was unseen."""
    there = {k: v for k, v in truth.items() if k not in unseen}
    # the last answer may be waited for a moment longer than its connection is there
    until(lambda: sum(sum(w.sonde.metrics().requests(end).values()) for end in ("client", "server"))
          >= len(there) + len(truth), 8, "requests that are told")
    lost = sum(w.sonde.settled_metrics().lost().values())
    w.sonde.end()
    seen = {"client": {}, "server": {}}
    for t in w.told():
        seen[t["role"]][t["target"]] = t["status"]
    if not unseen or lost != len(unseen):
        raise Failure(f"{len(unseen)} unseen, {lost} counted as lost")
    for end, expected in ((role, there), ("client" if role == "server" else "server", truth)):
        if seen[end] != expected:
            raise Failure(f"{end}: wrong {sorted(set(seen[end].items()) - set(expected.items()))}, "
                          f"missing {sorted(expected.keys() - seen[end].keys())}")


@case(group=None)
def tls_answers_unseen(e):
    """Of one record and of many, the head's, a body's and the last one."""
    port = free_port()
    p = e.serve([e.program("unseen"), "serve", port, *certificate(e)], port)
    w = Watched(e, port)
    truth = {}
    with RawWithin(port) as c:
        for n in range(REQUESTS):
            truth[f"/n{n}"] = c.ask("GET", f"/n{n}").status
    if list(truth.values()) != [STATUSES[n % 7] for n in range(REQUESTS)]:
        raise Failure(f"the server answered {truth}")
    judge(w, truth, "server", set(p.stdout().split()))


@case(group=None)
def tls_requests_unseen(e):
    """The answer to none that was seen is given to the next."""
    ng = nginx(e)
    w = Watched(e, ng.port)
    p = e.procs.run([e.program("unseen"), "ask", ng.port, REQUESTS])
    truth = {f"/{'ok' if n % 7 else 'none'}?n{n}": 200 if n % 7 else 404 for n in range(REQUESTS)}
    if p.code:
        raise Failure(f"the client: exit {p.code}: {p.stderr()[-200:]}")
    judge(w, truth, "client", set(p.stdout().split()))
