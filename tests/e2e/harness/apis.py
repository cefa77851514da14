# SPDX-License-Identifier: Apache-2.0
"""
Those who know containers, as scripts: Docker's API on a unix socket, Kubernetes' on loopback TLS. What
they hold and how they behave is changed by the case while they serve.
"""
import http.server
import json
import os
import queue
import secrets
import socket
import socketserver
import ssl
import threading
import time
from urllib.parse import parse_qs, urlparse


PATHS = {"Pod": "/api/v1/pods", "Service": "/api/v1/services"}


def container_id():
    return secrets.token_hex(32)


class _Threaded(socketserver.ThreadingMixIn):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass  # a client that went away


class _Unix(_Threaded, socketserver.UnixStreamServer):
    pass


class _Tcp(_Threaded, socketserver.TCPServer):
    allow_reuse_address = True

    def get_request(self):
        plain, address = self.socket.accept()
        plain.settimeout(30)
        return self.context.wrap_socket(plain, server_side=True,
                                        do_handshake_on_connect=False), address


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def address_string(self):
        return "-"

    def answer(self, status, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Docker:
    """`behave`: ok, slow, broken, garbage."""

    def __init__(self, path):
        self.path, self.containers, self.behave, self.asked = path, [], "ok", 0
        self.start()

    def start(self):
        outer = self

        class Handler(_Handler):
            def do_GET(self):
                outer.asked += 1
                if outer.behave == "slow":
                    time.sleep(20)
                if outer.behave == "broken":
                    self.answer(500, {"message": "no containers today"})
                elif outer.behave == "garbage":
                    self.answer(200, b'[{"Id": ')
                elif urlparse(self.path).path == "/containers/json":
                    self.answer(200, outer.containers)
                else:
                    self.answer(404, {"message": "page not found"})
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = _Unix(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)

    def add(self, cid, name, image="shop/web:1.2", labels=None):
        self.containers.append({"Id": cid, "Names": ["/" + name], "Image": image,
                                "Labels": labels or {}, "State": "running"})


class Kubernetes:
    """
    The pods and Services of a cluster. `behave`: ok, slow, forbidden, garbage, of all or by plural
    ("services"). A watch ends after `watch_s`; one from before `oldest` is gone (410).
    """

    def __init__(self, port, cert, key, token):
        self.objects, self.version, self.behave, self.token = {}, 100, "ok", token
        self.behave_of = {}  # plural -> instead of behave
        self.oldest, self.watch_s, self.padding = 0, 30, ""
        self.log, self.watchers, self.lock, self.events = [], [], threading.Lock(), []
        outer = self

        class Handler(_Handler):
            def do_GET(self):
                try:
                    outer.serve(self)
                except OSError:
                    pass
        self.server = _Tcp(("127.0.0.1", port), Handler, bind_and_activate=False)
        self.server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.context.load_cert_chain(cert, key)
        self.server.server_bind()
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.behave, self.behave_of = "ok", {}
        self.drop_watches()
        self.server.shutdown()
        self.server.server_close()

    def drop_watches(self):
        with self.lock:
            for q in self.watchers:
                q.put(None)

    def put(self, obj, kind=None):
        key = obj["metadata"]["uid"]
        with self.lock:
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            kind = kind or ("MODIFIED" if key in self.objects else "ADDED")
            if kind == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = obj
            event = (self.version, {"type": kind, "object": obj})
            self.events.append(event)
            for q in self.watchers:
                q.put(event)

    def asked(self, plural):
        """The queries about them so far."""
        return [query for path, query in self.log if path.rsplit("/", 1)[1] == plural]

    def delete(self, obj):
        self.put(obj, "DELETED")

    @staticmethod
    def is_chosen(obj, url, query):
        if url.path != PATHS.get(obj["kind"]):
            return False
        node = query.get("fieldSelector", [""])[0].removeprefix("spec.nodeName=")
        return obj["kind"] != "Pod" or obj["spec"]["nodeName"] == node

    def serve(self, h):
        url = urlparse(h.path)
        query = parse_qs(url.query)
        self.log.append((url.path, {k: v[0] for k, v in query.items()}))
        plural = url.path.rsplit("/", 1)[1]
        behave = self.behave_of.get(plural, self.behave)
        if behave == "slow":
            time.sleep(20)
        if h.headers.get("Authorization") != "Bearer " + self.token:
            h.answer(401, {"kind": "Status", "message": "Unauthorized"})
        elif behave == "forbidden":
            h.answer(403, {"kind": "Status", "message": plural + " is forbidden"})
        elif behave == "garbage":
            h.answer(200, b'{"items": 7}')
        elif url.path == "/pods":  # as a kubelet, which knows its node's alone
            with self.lock:
                pods = [o for o in self.objects.values() if o["kind"] == "Pod"]
            h.answer(200, {"kind": "PodList", "items": pods or None})
        elif url.path not in PATHS.values():
            h.answer(404, {"kind": "Status", "message": "not found"})
        elif "watch" in query:
            self.watch(h, url, query)
        else:
            self.list(h, url, query)

    def list(self, h, url, query):
        with self.lock:
            found = [o for o in self.objects.values() if self.is_chosen(o, url, query)]
            version = str(self.version)
        at, limit = int(query.get("continue", ["0"])[0]), int(query.get("limit", ["500"])[0])
        meta = {"resourceVersion": version}
        if at + limit < len(found):
            meta["continue"] = str(at + limit)
        h.answer(200, {"kind": "List", "metadata": meta, "items": found[at:at + limit]})

    def watch(self, h, url, query):
        since, q = int(query["resourceVersion"][0]), queue.Queue()
        with self.lock:
            if since < self.oldest:
                h.answer(410, {"kind": "Status", "code": 410, "message": "too old"})
                return
            for event in self.events:
                if event[0] > since:
                    q.put(event)
            self.watchers.append(q)
        h.send_response(200)
        h.send_header("Content-Type", "application/json")
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        h.wfile.flush()
        end = time.monotonic() + self.watch_s
        try:
            while (left := end - time.monotonic()) > 0:
                try:
                    event = q.get(timeout=left)
                except queue.Empty:
                    break
                if event is None:
                    h.wfile.write(b"0\r\n\r\n")
                    return
                if self.is_chosen(event[1]["object"], url, query):
                    self.chunk(h, event[1])
            with self.lock:
                version = str(self.version)
            self.chunk(h, {"type": "BOOKMARK", "object": {
                "kind": "Bookmark", "metadata": {"resourceVersion": version}}})
            h.wfile.write(b"0\r\n\r\n")
        finally:
            with self.lock:
                self.watchers.remove(q)

    @staticmethod
    def chunk(h, event):
        line = json.dumps(event).encode() + b"\n"
        # a line arrives in parts
        for part in (line[:len(line) // 2], line[len(line) // 2:]):
            h.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            h.wfile.flush()


def service(name, *ips, namespace="shop"):
    """A Service with these ClusterIPs."""
    return {"kind": "Service", "spec": {"clusterIP": ips[0], "clusterIPs": ips},
            "metadata": {"name": name, "namespace": namespace, "uid": secrets.token_hex(16)}}


def pod(name, cid, node="node-a", namespace="shop", owner=None, labels=None, annotations=None,
        container="app", image="shop/web:1.2", restarts=0, padding=""):
    """As the API gives it, without what nobody reads but for the padding."""
    meta = {"name": name, "namespace": namespace, "uid": secrets.token_hex(16),
            "creationTimestamp": "2026-11-21T06:00:00Z", "labels": labels or {},
            "annotations": {**(annotations or {}), "padding": padding}}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True,
                                    "apiVersion": "apps/v1", "uid": "x"}]
    return {"kind": "Pod", "metadata": meta,
            "spec": {"nodeName": node, "containers": [{"name": container, "image": image}]},
            "status": {"podIP": "10.1.2.3", "startTime": "2026-11-21T06:00:01Z",
                       "containerStatuses": [{"name": container, "image": image,
                                              "containerID": "containerd://" + cid,
                                              "restartCount": restarts}]}}
