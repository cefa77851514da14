# SPDX-License-Identifier: Apache-2.0
"""
client.py PORT PATH N: N requests over one kept connection with http.client; prints of each its status
and how many ns it took.
"""
import http.client
import sys
import time

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for n in range(int(sys.argv[3])):
    began = time.monotonic_ns()
    connection.request("GET", sys.argv[2], headers={"X-Request-ID": f"id-{n}"})
    response = connection.getresponse()
    response.read()
    print(response.status, time.monotonic_ns() - began)
