# SPDX-License-Identifier: Apache-2.0
"""
orders.py PORT DATABASE STOCK FAULTS: a service of threads. GET /orders/ID reads an order from
PostgreSQL; POST /orders reserves the product in the stock and writes one. While FAULTS/lock exists
each request holds the one lock for 100 ms.
"""
import http.client
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

PORT, DATABASE, STOCK = map(int, sys.argv[1:4])
LOCKED = os.path.join(sys.argv[4], "lock")
lock = threading.Lock()
own = threading.local()  # each thread serves one connection, and has its own onward


def ask(query, values):
    """The first row, or None. The connection is made anew where the last one broke."""
    if getattr(own, "db", None) is None or own.db.closed:
        own.db = psycopg2.connect(host="127.0.0.1", port=DATABASE, user="shop", dbname="shop")
        own.db.autocommit = True
    with own.db.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()


def reserve(product):
    if getattr(own, "stock", None) is None:
        own.stock = http.client.HTTPConnection("127.0.0.1", STOCK, timeout=10)
    try:
        own.stock.request("POST", f"/reserve/{product}")
        answer = own.stock.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        own.stock = None
        raise
    return answer.status == 200


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self, work):
        if os.path.exists(LOCKED):
            with lock:
                time.sleep(0.1)
        try:
            self.answer(*work())
        except (psycopg2.Error, OSError, http.client.HTTPException) as e:
            self.answer(500, {"error": type(e).__name__})

    def do_GET(self):
        ident = int(self.path.rsplit("/", 1)[1])

        def work():
            row = ask("SELECT id, product FROM orders_seen WHERE id = %s", (ident,))
            return (200, {"id": row[0], "product": row[1]}) if row else (404, {})
        self.serve(work)

    def do_POST(self):
        product = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["product"]

        def work():
            if not reserve(product):
                return 409, {"error": "sold out"}
            row = ask("INSERT INTO orders (product) VALUES (%s) RETURNING id", (product,))
            return 201, {"id": row[0]}
        self.serve(work)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
