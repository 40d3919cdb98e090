"""Clients that leave when it suits nobody, and requests that the upstream breaks off."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

UPLOAD = b"10000\r\n" + bytes(0x10000) + b"\r\n"
"""The first chunk of a body that says it goes on."""
WAYS = (
    # The upstream gives no answer, half of one, or one that says it failed.
    (b"GET /x?fault=reset HTTP/1.1", b"", b"502"),
    (b"GET /x?fault=cut HTTP/1.1", b"", b""),
    (b"GET /x?status=500&bytes=300000 HTTP/1.1", b"", b"500"),
    # The client leaves in the middle of its answer, or of its own body, once it was told to go on:
    # not all gateways answer before they have the whole of it.
    (b"GET /x?bytes=3000000 HTTP/1.1", b"", b"\r\n\r\n\0"),
    (
        b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue",
        UPLOAD,
        b"\r\n\r\n",
    ),
)
"""What a request starts with, what follows its head, and what the client waits for, b"" for the
end. It then leaves."""


@dataclass
class RoughClients:
    """Sends such requests, each over a connection of its own, and some that are never complete."""

    port: int

    async def send(self, number: int) -> None:
        """Send request `number`, and behind it a head that breaks off and is no request at all."""
        start, body, awaited = WAYS[number % len(WAYS)]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(start + b"\r\nHost: x\r\nConnection: close\r\n\r\n" + body)
        with contextlib.suppress(ConnectionError):
            await (reader.readuntil(awaited) if awaited else reader.read())
        writer.close()
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(start)
        writer.close()
