# SPDX-License-Identifier: Apache-2.0
"""
forker.py PORT NEXT: a service of threads that answers GET /r/ID with what curl, which it runs, gets
from the next one at the same path. Every other ID goes through a shell.
"""
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, NEXT = int(sys.argv[1]), sys.argv[2]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = f"http://127.0.0.1:{NEXT}{self.path}"
        run = ["curl", "-s", url]
        if int(self.path[-1]) % 2:
            run = ["sh", "-c", f"curl -s {url}; exit $?"]  # not its last command: it forks
        body = subprocess.run(run, stdout=subprocess.PIPE, check=False).stdout
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
