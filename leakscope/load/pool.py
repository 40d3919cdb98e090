"""The connections of a round: bounded in number, used again where they can be, all closed."""

from __future__ import annotations

import asyncio
import ssl

from leakscope.load.addresses import AddressBook
from leakscope.load.connection import Connection
from leakscope.load.failures import RequestFailed, TimedOut, words_for
from leakscope.load.requests import Origin


class Pool:
    """At most `limit` connections, if at most `limit` callers hold one at a time."""

    def __init__(self, limit: int, book: AddressBook, tls: ssl.SSLContext | None) -> None:
        self._limit = limit
        self._book = book
        self._tls = tls
        self._held = 0
        """Connections that callers hold or are waiting for."""
        self._idle: list[Connection] = []
        """Those that can be used again, the one used last at the end."""
        self._open: set[Connection] = set()

    async def take(
        self, origin: Origin, deadline: float, *, fresh: bool = False, crawls: bool = False
    ) -> Connection:
        """Return a connection to `origin`, a new one if `fresh`; to be given back with `give`.

        `deadline` is in the loop's time; `crawls` makes the connection read slowly. Raises
        `RequestFailed` if none can be opened.
        """
        self._held += 1
        try:
            while self._idle and not self._idle[-1].is_usable:
                await self._idle.pop().close()
            if not fresh:
                for connection in reversed(self._idle):
                    if connection.origin == origin and connection.is_usable:
                        self._idle.remove(connection)
                        return connection
            while self._idle and self._held + len(self._idle) > self._limit:
                await self._idle.pop(0).close()
            return await self._connected(origin, deadline, crawls=crawls)
        except BaseException:
            self._held -= 1
            raise

    async def give(self, connection: Connection) -> None:
        """Take a connection back; one that can not be used again is closed on return."""
        try:
            if not connection.is_usable:
                await connection.close()
            else:
                self._idle.append(connection)
        finally:
            self._held -= 1

    async def close(self) -> None:
        """Close every connection; on return all are."""
        self._idle.clear()
        await asyncio.gather(*(connection.close() for connection in self._open))

    def abort(self) -> None:
        """Cut every connection off."""
        for connection in self._open:
            connection.abort()

    async def _connected(self, origin: Origin, deadline: float, *, crawls: bool) -> Connection:
        loop = asyncio.get_running_loop()
        opening = self._opened(origin, crawls=crawls)
        try:
            return await asyncio.wait_for(opening, max(0.0, deadline - loop.time()))
        except asyncio.TimeoutError:
            raise TimedOut("timed out") from None

    async def _opened(self, origin: Origin, *, crawls: bool) -> Connection:
        """Return a connection to the first address that takes one."""
        loop = asyncio.get_running_loop()
        failure = "no connection"
        for address in await self._book.addresses(origin.host):
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(origin, self._open.discard, crawls=crawls),
                    address,
                    origin.port,
                    ssl=self._tls if origin.scheme == "https" else None,
                    server_hostname=origin.host if origin.scheme == "https" else None,
                )
            except OSError as problem:
                failure = words_for(problem)
                continue
            self._open.add(connection)
            self._book.prefer(origin.host, address)
            return connection
        raise RequestFailed(failure)


def tls_context(*, insecure: bool) -> ssl.SSLContext:
    """Return how to speak TLS: servers are verified against the system's authorities.

    OpenSSL takes others from the environment: SSL_CERT_FILE, SSL_CERT_DIR. With `insecure` any
    certificate will do.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
