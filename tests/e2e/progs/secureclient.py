# SPDX-License-Identifier: Apache-2.0
"""
secureclient.py PORT MODE CONNECTIONS REQUESTS [SECONDS]: so many connections at a time, on each so
many requests for /marked/N/x, N being the connection's own, over SECONDS. Prints its port and N for
each. MODE thread or asyncio, as in secure.py.
"""
import asyncio
import socket
import ssl
import sys
import threading
import time

LENGTH = 3


def request(n):
    return f"GET /marked/{n}/x HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def one_thread(context, port, n, requests, pause):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as s:
        sys.stdout.write(f"{s.getsockname()[1]} {n}\n")
        sys.stdout.flush()
        for _ in range(requests):
            s.sendall(request(n))
            held = b""
            while not held.endswith(b"\r\n\r\nok\n"):
                data = s.recv(65536)
                if not data:
                    sys.exit("the server hung up")
                held += data
            time.sleep(pause)


async def one_task(context, port, n, requests, pause):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    sys.stdout.write(f"{writer.get_extra_info('sockname')[1]} {n}\n")
    sys.stdout.flush()
    for _ in range(requests):
        writer.write(request(n))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(LENGTH)
        await asyncio.sleep(pause)
    writer.close()


async def tasks(context, port, connections, requests, pause):
    await asyncio.gather(*(one_task(context, port, 1000 + n, requests, pause)
                           for n in range(connections)))


def main():
    port, mode, connections, requests, *rest = sys.argv[1:]
    port, connections, requests = int(port), int(connections), int(requests)
    pause = float(rest[0]) / requests if rest else 0
    context = unverified()
    if mode == "asyncio":
        asyncio.run(tasks(context, port, connections, requests, pause))
        return
    running = [threading.Thread(target=one_thread,
                                args=(context, port, 1000 + n, requests, pause))
               for n in range(connections)]
    for t in running:
        t.start()
    for t in running:
        t.join()


if __name__ == "__main__":
    main()
