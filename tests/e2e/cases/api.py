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


def ask_tls(port, path, cert, user=None, method="GET", own=None):
    """Status of a request over TLS. own: path of the client's certificate and key."""
    request = urllib.request.Request(f"https://localhost:{port}{path}", method=method)
    context = ssl.create_default_context(cafile=cert)
    if own:
        context.load_cert_chain(own)
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as r:
            return r.status
    except urllib.error.HTTPError as e:
        return e.code


def certificate(e, name, san, signer=None):
    """NAME.pem holds certificate and key, NAME.crt the first, NAME.key the second; by itself, or by
    NAME of another."""
    pem, crt, key = e.path(f"{name}.pem"), e.path(f"{name}.crt"), e.path(f"{name}.key")
    by = ["-CA", e.path(f"{signer}.crt"), "-CAkey", e.path(f"{signer}.key")] if signer else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName={san}", "-keyout", key, "-out", crt, *by], check=True,
                   capture_output=True, timeout=20)
    e.write(f"{name}.pem", open(crt, encoding="ascii").read() + open(key, encoding="ascii").read())
    return pem


@case(group=None)
def api_web_config(e):
    """Beyond loopback: nothing without TLS and a password, with them all."""
    certificate(e, "web", "DNS:localhost")
    cert = e.path("web.crt")
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


@case(group=None)
def api_client_certificates(e):
    """client_ca_file lets in whom it signed, by the names that are allowed; probes need none."""
    certificate(e, "web", "DNS:localhost")
    cert = e.path("web.crt")
    certificate(e, "ca", "DNS:ca")
    certificate(e, "stranger", "DNS:prometheus.shop")
    own = {n: certificate(e, n, f"DNS:{n}", "ca") for n in ("prometheus.shop", "other.shop")}
    own |= {"stranger": e.path("stranger.pem"), None: None}

    def config(more):
        return e.write("web.yml", "tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n"
                       f"  client_ca_file: ca.crt\n  client_auth_type: {more}\n"
                       "http_server_config: {headers: {X-Frame-Options: deny}}\n")

    def asked(port, path):
        return {n: ask_tls(port, path, cert, own=own[n]) for n in own}

    port = free_port()
    s = Sonde(e, "run", "--port", 1, "--listen", f"0.0.0.0:{port}", "--web-config",
              config("RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.shop]"))
    s.wait_ready()
    want = {"prometheus.shop": 200, "other.shop": 403, "stranger": 403, None: 403}
    fail_unless("required", asked(port, "/metrics"), want)
    fail_unless("the API", asked(port, "/api/v1/status"), want)
    fail_unless("probes", asked(port, "/readyz"), dict.fromkeys(own, 200))
    head = subprocess.run(["curl", "-si", "--cacert", cert, f"https://localhost:{port}/readyz"],
                          capture_output=True, text=True, timeout=10, check=True).stdout
    fail_unless("header", "x-frame-options: deny" in head.lower(), True)
    # what one shows has to be right, and it may be none; then the API stays shut
    config("VerifyClientCertIfGiven")
    until(lambda: ask_tls(port, "/metrics", cert) == 200, 5, "the new file")
    fail_unless("if given", asked(port, "/metrics"),
                {"prometheus.shop": 200, "other.shop": 200, "stranger": 403, None: 200})
    fail_unless("the API then", ask_tls(port, "/api/v1/status", cert, own=own["other.shop"]), 403)
    s.end()


@case(group=None)
def api_web_config_renewed(e):
    """Another certificate and other users, while it runs: connections of before go on, a file that
    is wrong changes nothing."""
    certificate(e, "web", "DNS:localhost")
    config = e.write("web.yml", "tls_server_config: {cert_file: web.crt, key_file: web.key}\n")
    port = free_port()
    s = Sonde(e, "run", "--port", 1, "--listen", f"0.0.0.0:{port}", "--web-config", config)
    s.wait_ready()
    with open(e.path("web.crt"), encoding="ascii") as f:
        before = e.write("before.crt", f.read())
    fail_unless("as it began", ask_tls(port, "/metrics", before), 200)
    held = ssl.create_default_context(cafile=before).wrap_socket(
        socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="localhost")

    certificate(e, "web", "DNS:localhost")

    def is_renewed():
        try:
            return ask_tls(port, "/metrics", e.path("web.crt")) == 200
        except (urllib.error.URLError, OSError):
            return False

    until(is_renewed, 10, "the new certificate")
    held.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    fail_unless("a connection of before", held.recv(4096).split(b"\r\n")[0], b"HTTP/1.1 200 OK")
    held.close()
    e.write("web.yml", "tls_server_config: {cert_file: nowhere.crt, key_file: web.key}\n")
    until(lambda: "nowhere.crt" in s.proc.stderr(), 10, "what is wrong is said")
    fail_unless("meanwhile", is_renewed(), True)
    hashed = subprocess.run(["htpasswd", "-nbB", "ann", "secret"], check=True, capture_output=True,
                            text=True, timeout=20).stdout.strip().split(":", 1)[1]
    e.write("web.yml", "tls_server_config: {cert_file: web.crt, key_file: web.key}\n"
            f"basic_auth_users: {{ann: {hashed}}}\n")
    until(lambda: ask_tls(port, "/metrics", e.path("web.crt")) == 401, 10, "users")
    fail_unless("ann", ask_tls(port, "/metrics", e.path("web.crt"), "ann:secret"), 200)
    fail_unless("said once", s.proc.stderr().count("nowhere.crt"), 1)
    s.end()
