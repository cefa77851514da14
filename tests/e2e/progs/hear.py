# SPDX-License-Identifier: Apache-2.0
"""
A server that says what each request was, byte by byte: a line of JSON with the hash of all its bytes
but those of one line of a trace's context, what that line was, and the how manieth on its connection
it was. What is no HTTP/1 is hashed as a whole. hear.py PORT
"""
import hashlib
import json
import re
import socket
import sys
import threading

LINE = re.compile(rb"\r\n(traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]\r\n)")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nheard"
said = threading.Lock()


class Gone(Exception):
    pass


class Heard:
    def __init__(self, conn):
        self.conn, self.bytes, self.at = conn, bytearray(), 0

    def more(self):
        got = self.conn.recv(1 << 18)
        if not got:
            raise Gone
        self.bytes += got

    def until(self, mark):
        while (end := self.bytes.find(mark, self.at)) < 0:
            self.more()
        self.at = end + len(mark)

    def skip(self, n):
        self.at += n
        while len(self.bytes) < self.at:
            self.more()

    def take(self):
        out, self.bytes, self.at = bytes(self.bytes[:self.at]), self.bytes[self.at:], 0
        return out

    def request(self):
        """The bytes of one, head and body as they are on the wire."""
        self.until(b"\r\n\r\n")
        head = bytes(self.bytes[:self.at]).lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if b"\r\ntransfer-encoding: chunked" in head:
            while True:
                begin = self.at
                self.until(b"\r\n")
                size = int(bytes(self.bytes[begin:self.at]).split(b";")[0], 16)
                self.skip(size + 2)
                if not size:
                    break
        elif length:
            self.skip(int(length[1]))
        return self.take()


def say(data, n):
    head, _, body = data.partition(b"\r\n\r\n")
    found = LINE.search(head + b"\r\n")
    ours = None
    if found and found.start() == head.find(b"\r\n"):  # where ours are: behind the first line
        ours = [found[2].decode(), found[3].decode()]
        data = data[:found.start(1)] + data[found.end(1):]
    target = data.split(b" ", 2)[1].decode() if n else None
    line = json.dumps({"target": target, "sha": hashlib.sha256(data).hexdigest(), "ours": ours,
                       "n": n, "bytes": len(data)})
    with said:
        print(line, flush=True)


def serve(conn):
    heard, n = Heard(conn), 0
    try:
        heard.more()
        first = bytes(heard.bytes[:4])
        while not re.match(rb"[A-Z]+ ", first) and first[:1].isalpha() and len(first) < 4:
            heard.more()
            first = bytes(heard.bytes[:4])
        if not first[:1].isalpha() or first in (b"PRI ",):
            while True:
                conn.sendall(b"+OK\r\n")
                heard.more()
        while True:
            data = heard.request()
            n += 1
            say(data, n)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" if data[:5] == b"HEAD "
                         else ANSWER)
    except (Gone, ConnectionError):
        if not n and heard.bytes:
            say(bytes(heard.bytes), 0)
    conn.close()


def main():
    s = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()


main()
