# SPDX-License-Identifier: Apache-2.0
"""A client that says exactly the bytes it is told, and reads responses by their framing."""
import socket


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Raw:
    def __init__(self, where, timeout=30, before=None):
        """where: a port of 127.0.0.1, an (address, port) pair or a unix socket's path."""
        if isinstance(where, int):
            where = ("127.0.0.1", where)
        if isinstance(where, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            v6 = ":" in where[0]
            self.sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        if before:
            before(self.sock)
        self.sock.connect(where)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def _more(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\n" not in self.buffer:
            if not self._more():
                raise EOFError("closed in a line")
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self._more():
                raise EOFError("closed in a body")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def head(self):
        status = int(self.line().split(" ")[1])
        headers = {}
        while line := self.line():
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return status, headers

    def _chunks(self):
        body = b""
        while True:
            size = int(self.line().split(";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return body
            body += self.exactly(size)
            self.line()

    def response(self, method="GET"):
        status, headers = self.head()
        if status < 200 and status != 101:
            return Response(status, headers, b"")
        if method == "HEAD" or status in (101, 204, 304) or method == "CONNECT":
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
        else:
            while self._more():
                pass
            body, self.buffer = self.buffer, b""
        return Response(status, headers, body)

    def request(self, method, target, headers=(), body=b"", version="1.1", host="localhost"):
        lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def ask(self, method, target, *args, **kw):
        self.request(method, target, *args, **kw)
        return self.response(method)
