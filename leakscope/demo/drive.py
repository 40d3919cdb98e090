"""Ask the demo's proxy for pages at a steady rate: `python drive.py PORT RATE SECONDS`.

Standard library only, for CPython 3.9 and later, like the proxy itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

CONNECTIONS = 8
"""Most requests that are on their way at a time."""
PATIENCE = 10.0
"""Seconds within which an answer must be complete."""


class Client:
    """Connections to one port of this machine that are kept open between requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, number: int) -> None:
        """Send request `number`; count it when its answer is complete."""
        try:
            await asyncio.wait_for(self._exchange(_request(number)), PATIENCE)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            return
        self.answered += 1

    async def _exchange(self, request: bytes) -> None:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))

    async def close(self) -> None:
        """Close the connections that are idle."""
        for _, writer in self._idle:
            writer.close()
        for _, writer in self._idle:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def drive(port: int, *, rate: float, seconds: float) -> int:
    """Send `rate * seconds` requests to `port`, evenly spaced; return how many were answered.

    Requests are late, not lost, while `CONNECTIONS` others wait for their answers.
    """
    client = Client(port)
    slots = asyncio.Semaphore(CONNECTIONS)
    sending: set[asyncio.Task[None]] = set()
    began = time.monotonic()

    def ended(task: asyncio.Task[None]) -> None:
        sending.discard(task)
        slots.release()

    for number in range(round(rate * seconds)):
        await asyncio.sleep(began + number / rate - time.monotonic())
        await slots.acquire()
        task = asyncio.create_task(client.ask(number))
        sending.add(task)
        task.add_done_callback(ended)
    if sending:
        await asyncio.wait(sending)
    await client.close()
    return client.answered


def _request(number: int) -> bytes:
    """Return request `number`: two in three put something into a basket of about 1 KB."""
    headers = f"Host: shop.example\r\nUser-Agent: demo\r\nCookie: session={number:016x}\r\n"
    if number % 3 == 0:
        return f"GET /items/{number % 1000} HTTP/1.1\r\n{headers}\r\n".encode()
    body = f"item={number:08d}&" * (40 + number % 50)
    headers += f"Content-Length: {len(body)}\r\n"
    return f"POST /baskets/{number % 100} HTTP/1.1\r\n{headers}\r\n{body}".encode()


if __name__ == "__main__":
    answered = asyncio.run(
        drive(int(sys.argv[1]), rate=float(sys.argv[2]), seconds=float(sys.argv[3]))
    )
    print(f"answered {answered}")
