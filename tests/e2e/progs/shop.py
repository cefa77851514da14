# SPDX-License-Identifier: Apache-2.0
"""A WSGI application for prefork workers."""


def app(environ, start_response):
    body = b"".join(environ["wsgi.input"])
    found = environ["PATH_INFO"] in ("/cart", "/pay")
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain"),
                   ("Content-Length", str(len(body) + 3))])
    return [b"ok\n", body]
