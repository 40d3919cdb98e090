"""The reverse proxy: its connections to clients, its pool of connections to the upstream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .audit import RequestContext
from .messages import CONNECTION_ENDS, BadMessage, Message, answer, read_message

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Connection(NamedTuple):
    """One connection to the upstream."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass
class Proxy:
    """Forwards to one upstream on this machine and counts what it answered."""

    upstream_port: int
    audit: Callable[[RequestContext], None]
    """Takes note of each proxied request once it is answered."""
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Proxied requests that were answered, by method and status code."""
    _idle: list[Connection] = field(default_factory=list)

    async def serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one client's requests until it, or an error, closes the connection."""
        client = writer.get_extra_info("peername")[0]
        with contextlib.closing(writer), contextlib.suppress(*CONNECTION_ENDS):
            while True:
                try:
                    request = await read_message(reader)
                except (BadMessage, asyncio.LimitOverrunError):
                    writer.write(answer("400 Bad Request", "not understood\n").encoded())
                    break
                response = await self._answer(client, request)
                writer.write(response.encoded())
                await writer.drain()
                if not request.keeps_alive:
                    break

    async def _answer(self, client: str, request: Message) -> Message:
        """Return the answer, the proxy's own to `/metrics`, which is not counted."""
        method, path, _ = request.start.split(" ", 2)
        if path == "/metrics":
            return answer("200 OK", self.metrics())
        context = RequestContext(sum(self.answered.values()) + 1, client, request)
        response = await self._forwarded(request)
        context.status = response.start.split(" ")[1]
        self.answered[method if method in _METHODS else "OTHER", context.status] += 1
        self.audit(context)
        return response

    async def _forwarded(self, request: Message) -> Message:
        try:
            connection = self._idle.pop() if self._idle else await self._connected()
            connection.writer.write(request.encoded())
            response = await read_message(connection.reader)
        except (OSError, EOFError, BadMessage):
            return answer("502 Bad Gateway", "no answer from the shop\n")
        self._idle.append(connection)
        return response

    async def _connected(self) -> Connection:
        return Connection(*await asyncio.open_connection("127.0.0.1", self.upstream_port))

    async def close(self) -> None:
        """Close the pooled connections to the upstream."""
        for connection in self._idle:
            connection.writer.close()
        for connection in self._idle:
            with contextlib.suppress(ConnectionError):
                await connection.writer.wait_closed()

    def metrics(self) -> str:
        """Return the counts in Prometheus' text format, in order of method, then code."""
        samples = (
            f'http_requests_total{{method="{method}",code="{code}"}} {count}'
            for (method, code), count in sorted(self.answered.items())
        )
        return "\n".join(["# TYPE http_requests_total counter", *samples, ""])
