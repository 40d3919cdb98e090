"""The service behind the proxy: it answers every request with a page of its catalogue."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from .messages import CONNECTION_ENDS, BadMessage, Message, answer, read_message

if TYPE_CHECKING:
    import asyncio


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests until the client closes the connection."""
    with contextlib.closing(writer), contextlib.suppress(*CONNECTION_ENDS, BadMessage):
        while True:
            request = await read_message(reader)
            writer.write(page_for(request).encoded())
            await writer.drain()


def page_for(request: Message) -> Message:
    """Return the page that `request` asks for."""
    path = request.start.split(" ")[1]
    page = {"page": path, "received": len(request.body), "items": [f"{path}/{n}" for n in range(9)]}
    return answer("200 OK", json.dumps(page), "application/json")
