"""Servers that tests drive: they run in a thread of their own and note what they see."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

from leakscope.load.faults import Shares
from leakscope.load.http import HttpLoad
from leakscope.load.plan import ClientPlan
from tests.targets import DEADLINE, eventually

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the server read it."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(slots=True)
class Seen:
    """What a server saw so far."""

    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection, as the server's handler gets it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: Seen

    async def request(self) -> Asked | None:
        """Return the next request, None at the end or if it ends early."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *rest = head.rstrip("\r\n").split("\r\n")
            headers = {k.lower(): v for k, v in (item.split(": ", 1) for item in rest)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(line, headers, body)
            self.seen.asked.append(asked)
            return asked
        return None

    async def say(self, data: bytes) -> None:
        """Write, unless the client is gone."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    def reset(self) -> None:
        """End the connection as a crashed server does."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()


Handler = Callable[[Talk], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    port: int
    seen: Seen
    scheme: str = "http"

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def wait_until_all_are_gone(self) -> None:
        """Return as soon as the server saw the end of every connection that it accepted."""
        eventually(lambda: self.seen.open == 0, "the server sees every connection closed")

    def client_sockets(self) -> int:
        """Return how many sockets of this process are connected to the server's port."""
        connections = psutil.Process().net_connections(kind="tcp")
        return sum(bool(c.raddr) and c.raddr.port == self.port for c in connections)


def answering(answer: bytes = OK) -> Handler:
    """Return what gives every request this answer, over connections that stay open."""

    async def handler(talk: Talk) -> None:
        while await talk.request():
            await talk.say(answer)

    return handler


@contextmanager
def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server until the context ends."""
    seen = Seen()
    loop = asyncio.new_event_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.open += 1
        seen.most_open = max(seen.most_open, seen.open)
        try:
            await handler(Talk(reader, writer, seen))
        finally:
            seen.open -= 1
            writer.close()

    server = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = server.sockets[0].getsockname()[1]
        yield Server(port, seen, "https" if tls else "http")
    finally:
        asyncio.run_coroutine_threadsafe(_ended(server), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()


async def _ended(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def load_of(
    server: Server,
    *urls: str,
    requests: int = 20,
    concurrency: int = 4,
    rate: float | None = None,
    disconnect: float = 0.0,
    slow: float = 0.0,
    half: float = 0.0,
    timeout: float = DEADLINE,
    insecure: bool = False,
    within: float | None = None,
) -> HttpLoad:
    """Return a load of this server."""
    plan = ClientPlan(
        urls=urls or ("/",),
        requests_per_round=requests,
        concurrency=concurrency,
        rate=rate,
        shares=Shares(disconnect=disconnect, slow=slow, half=half),
        timeout=timeout,
        insecure=insecure,
    )
    return HttpLoad(plan, base=server.base, within=within)
