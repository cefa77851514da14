# SPDX-License-Identifier: Apache-2.0
"""The JSON API: what it says of the last minute is what was sent."""
import base64
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

from harness.case import case
from harness.proc import Failure, free_port, until
from harness.raw import Raw
from harness.sonde import Sonde, get

FIGURES = ("count", "errors", "error_ratio")


def fail_unless(what, got, want):
    if got != want:
        raise Failure(f"{what}: {got!r}, not {want!r}")


def ask(s, path):
    status, head, body = get(s.port, path)
    fail_unless(f"{path}: status", status, 200)
    fail_unless(f"{path}: type", head["Content-Type"], "application/json")
    return json.loads(body)


def services(s):
    return {x["name"]: x for x in ask(s, "/api/v1/services")["services"]}


def in_order(figures):
    times = [figures[f"{q}_seconds"] for q in ("p50", "p95", "p99", "max")]
    if not 0 < times[0] <= times[1] <= times[2] <= times[3]:
        raise Failure(f"quantiles out of order: {times}")
    waits = sum(figures["waits_seconds"].values())
    if abs(waits - figures["total_seconds"]) > 1e-6:
        raise Failure(f"waits of {waits} s in {figures['total_seconds']} s")


@case(group=None)
def api_services(e):
    """Rate, errors and health of what was sent; an endpoint and a peer at a time."""
    ng = e.nginx("location = /broken { return 503; }")
    s = Sonde(e, "run", "--port", ng.port).wait_ready()
    with Raw(ng.port) as c:
        for n in range(100):
            c.ask("GET", "/broken" if n % 4 == 0 else "/ok")
    until(lambda: services(s).get("nginx", {}).get("count") == 100, 5, "100 requests")
    seen = services(s)
    for who, role in (("nginx", "server"), ("run", "client")):
        x = seen.pop(who)
        fail_unless(who, tuple(x[f] for f in FIGURES), (100, 25, 0.25))
        fail_unless(f"{who}: role", x["role"], role)
        # a second is told when it is over
        until(lambda: sum(services(s)[who]["per_second"]) == 100, 4, f"100 a second of {who}")
        fail_unless(f"{who}: health", x["health"], "degraded")
        if "errors 25 % (25 of 100), over 5 %" not in x["reasons"]:
            raise Failure(f"{who}: reasons are {x['reasons']}")
        in_order(x)
    fail_unless("nobody else", list(seen), [])
    m = s.metrics()
    told = {(l["service_name"], l["status"]): v for l, v in m.of("sonde_service_health")}
    fail_unless("sonde_service_health", sorted(told), sorted(
        (w, h) for w in ("nginx", "run") for h in ("unknown", "healthy", "degraded", "unhealthy")))
    fail_unless("of them", [k for k, v in sorted(told.items()) if v == 1],
                [("nginx", "degraded"), ("run", "degraded")])

    x = ask(s, "/api/v1/services/nginx")
    got = {(p["name"], p["role"]): (p["count"], p["errors"]) for p in x["endpoints"]}
    fail_unless("endpoints", got, {("GET /ok", "server"): (75, 0), ("GET /broken", "server"): (25, 25)})
    fail_unless("callers", [(p["name"], p["kind"], p["count"]) for p in x["callers"]],
                [("run", "service", 100)])
    fail_unless("dependencies", x["dependencies"], [])
    # /proc is walked a little at a time
    until(lambda: ask(s, "/api/v1/services/nginx")["pressure"].get("memory_bytes", 0) > 1 << 20, 10,
          "memory of nginx")
    x = ask(s, "/api/v1/services/run")
    fail_unless("dependency", [(p["name"], p["kind"], p["count"], p["health"])
                               for p in x["dependencies"]], [("nginx", "service", 100, "degraded")])
    fail_unless("an unknown service", get(s.port, "/api/v1/services/nobody")[0], 404)
    s.end()


@case(group=None)
def api_requests(e):
    """The latest, the slowest, and what hangs: seen while it does."""
    port = free_port()
    s = Sonde(e, "run", "--port", port).wait_ready()
    with socket.create_server(("127.0.0.1", port)) as server:
        with Raw(port) as c:
            peer = server.accept()[0]
            for n in range(5):
                c.send(f"GET /n/{n} HTTP/1.1\r\nHost: h\r\n\r\n")
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % (200 + 300 * (n == 3)))
                c.response()
            c.send("GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
            peer.recv(4096)
            until(lambda: len(ask(s, "/api/v1/requests")["in_flight"]) == 2, 3, "two ends in flight")
            x = ask(s, "/api/v1/requests")
            fail_unless("in flight", sorted((r["role"], r["request"], r["status"])
                                            for r in x["in_flight"]),
                        [("client", "GET /stuck", None), ("server", "GET /stuck", None)])
            fail_unless("recent", [r["request"] for r in x["recent"] if r["role"] == "server"],
                        [f"GET /n/{n}" for n in (4, 3, 2, 1, 0)])
            fail_unless("endpoint", {r["endpoint"] for r in x["recent"]}, {"GET /n/{id}"})
            times = [r["duration_ns"] for r in x["slowest"]]
            fail_unless("slowest", (len(times), times), (8, sorted(times, reverse=True)))
            for r in x["recent"]:
                fail_unless("waits", sum(v or 0 for v in r["waits_ns"].values()), r["duration_ns"])
            x = ask(s, "/api/v1/requests?errors=true&limit=1&service=run")
            fail_unless("errors", [(r["request"], r["status"], r["error_type"])
                                   for r in x["recent"]], [("GET /n/3", 500, "500")])
            peer.sendall(b"HTTP/1.1 204 x\r\n\r\n")
            c.response()
            until(lambda: not ask(s, "/api/v1/requests")["in_flight"], 3, "nothing in flight")
            peer.close()
    s.end()


@case(group=None)
def api_health_has_limits_of_its_own(e):
    """--health: per service, and what breaks them is said."""
    ng = e.nginx("location = /broken { return 503; }")
    s = Sonde(e, "run", "--port", ng.port, "--health", "errors=60%", "--health",
              "ngin?.unhealthy-errors=20%").wait_ready()
    with Raw(ng.port) as c:
        for n in range(20):
            c.ask("GET", "/broken" if n % 2 == 0 else "/ok")
    until(lambda: services(s).get("nginx", {}).get("count") == 20, 5, "20 requests")
    seen = services(s)
    fail_unless("nginx", seen["nginx"]["health"], "unhealthy")
    fail_unless("run", seen["run"]["health"], "degraded")
    if not any(r.startswith("dependency nginx is unhealthy") for r in seen["run"]["reasons"]):
        raise Failure(f"run: {seen['run']['reasons']}")
    s.end()


def ask_tls(port, path, cert, user=None, method="GET"):
    """Status of a request over TLS."""
    request = urllib.request.Request(f"https://localhost:{port}{path}", method=method)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10,
                                    context=ssl.create_default_context(cafile=cert)) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code


@case(group=None)
def api_web_config(e):
    """Beyond loopback: nothing without TLS and a password, with them all."""
    cert, key = e.path("web.crt"), e.path("web.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], check=True,
                   capture_output=True, timeout=20)
    hashed = subprocess.run(["htpasswd", "-nbB", "ann", "secret"], check=True, capture_output=True,
                            text=True, timeout=20).stdout.strip()
    config = e.write("web.yml", "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n"
                     f"basic_auth_users:\n  ann: {hashed.split(':', 1)[1]}\n")
    port = free_port()
    s = Sonde(e, "run", "--port", 1, "--listen", f"0.0.0.0:{port}", "--web-config", config)
    s.wait_ready()
    for path, user, want in (("/healthz", None, 200), ("/metrics", None, 401),
                             ("/api/v1/services", None, 401), ("/nothing", None, 404),
                             ("/api/v1/services", "ann:secret", 200),
                             ("/metrics", "ann:secret", 200)):
        fail_unless(f"{path} of {user}", ask_tls(port, path, cert, user), want)
    time.sleep(0.3)
    got = [ask_tls(port, "/metrics", cert, u) for u in ("ann:wrong", "bob:secret", "ann:Secret")]
    # passwords are tried four times a second at most; the one that is known is not held up by that
    fail_unless("wrong ones", set(got) <= {401, 429} and 401 in got, True)
    fail_unless("the right one meanwhile", ask_tls(port, "/metrics", cert, "ann:secret"), 200)
    plain = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                            f"http://127.0.0.1:{port}/metrics"], capture_output=True, text=True,
                           timeout=10, check=False).stdout
    fail_unless("without TLS", plain, "000")
    out = subprocess.run([e.sonde, "top", "--once", "--json", "--connect",
                          f"https://ann:secret@localhost:{port}"], capture_output=True, text=True,
                         timeout=20, check=False, env={**os.environ, "CURL_CA_BUNDLE": cert})
    fail_unless("top --connect", (out.returncode, json.loads(out.stdout or "{}").get("services")),
                (0, []))
    s.end()
