"""Just enough HTTP/1.1 for this proxy: messages whose body has a known length."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

MAX_BODY = 10 * 1024 * 1024
"""Largest body that is read, in bytes."""
CONNECTION_ENDS = (EOFError, ConnectionError, asyncio.CancelledError)
"""How serving a connection ends in good order; cancelled when the whole process ends."""


class BadMessage(Exception):
    """What came over the connection is not a message that this proxy understands."""


@dataclass
class Message:
    """A request or an answer."""

    start: str
    """Request line or status line."""
    headers: dict[str, str]
    """By name in lower case; of repeated ones, the last."""
    body: bytes

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection stays open after this message."""
        return self.headers.get("connection", "").lower() != "close"

    def encoded(self) -> bytes:
        """Return the message as it goes over a connection, with the length of its body."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        lines = [self.start, *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


def answer(status: str, body: str, content_type: str = "text/plain") -> Message:
    """Return an answer such as `answer("200 OK", "…")`."""
    return Message(f"HTTP/1.1 {status}", {"content-type": content_type}, body.encode())


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Return the next message.

    Raises `asyncio.IncompleteReadError` at the end of the stream, and `BadMessage` for anything
    that has no plain length.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    start, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadMessage(f"not a header: {line!r}")
        headers[name.strip().lower()] = value.strip()
    if len(start.split(" ", 2)) < 3 or "transfer-encoding" in headers:
        raise BadMessage(f"not a plain message: {start!r}")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY):
        raise BadMessage(f"no such length: {length!r}")
    return Message(start, headers, await reader.readexactly(int(length)))
