# SPDX-License-Identifier: Apache-2.0
"""
relay.py PORT TO DELAY: carries connections to the port TO of this host, each piece DELAY seconds
late in each direction. A network that is far, where the kernel has no netem.
"""
import asyncio
import sys

PORT, TO, DELAY = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])


async def carry(reader, writer):
    """Pieces keep their distances: one does not wait for the one before it."""
    loop, late = asyncio.get_running_loop(), asyncio.Queue()

    async def deliver():
        while True:
            due, data = await late.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
    delivery = asyncio.create_task(deliver())
    try:
        while True:
            data = await reader.read(65536)
            await late.put((loop.time() + DELAY, data))
            if not data:
                break
        await delivery
    except OSError:
        delivery.cancel()
    finally:
        writer.close()


async def accept(reader, writer):
    try:
        there = await asyncio.open_connection("127.0.0.1", TO)
    except OSError:
        writer.close()
        return
    await asyncio.gather(carry(reader, there[1]), carry(there[0], writer), return_exceptions=True)


async def main():
    server = await asyncio.start_server(accept, "127.0.0.1", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
