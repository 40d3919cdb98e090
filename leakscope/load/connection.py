"""One connection to a server: sends a request, reads the answer to its end and drops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import h11

from leakscope.load.failures import RequestFailed, TimedOut, Unanswered, words_for
from leakscope.load.requests import Origin, Request

_CHUNK = 64 * 1024
_MOST_HEAD = 256 * 1024
"""Bytes that the head of an answer may have."""
_CLOSE_S = 0.5
"""How long the end of a connection may take before it is cut off."""

_CRAWL_CHUNK = 1024
_CRAWL_TICK_S = 0.25
CRAWL_S = 2.0
"""How long a slow reader is slow: 4 KiB/s, then as fast as it comes."""

_LEAVING_S = (0.0, 0.002, 0.01, 0.05)
"""How long clients that leave wait first, in turn: servers are caught at different points."""


class Connection(asyncio.BufferedProtocol):
    """A protocol of asyncio: `create_connection` makes it, then one request at a time goes out.

    `gone` is called once, when the connection is closed whatever the reason.
    """

    def __init__(
        self, origin: Origin, gone: Callable[[Connection], None], *, crawls: bool = False
    ) -> None:
        self.origin = origin
        self.answers = 0
        """Complete answers that came so far."""
        self._gone = gone
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
        self._crawls = crawls
        """Whether it reads slowly now."""
        self._serves_once = crawls
        self._buffer = memoryview(bytearray(_CRAWL_CHUNK if crawls else _CHUNK))
        self._loop = asyncio.get_running_loop()
        self._closed = self._loop.create_future()
        self._waiter: asyncio.Future[None] | None = None
        self._news = False
        """Whether something happened since it was last waited for."""
        self._asking = False
        self._heard = False
        """Whether a byte of the current answer came."""
        self._ended = False
        self._failure: RequestFailed | None = None
        self._transport: asyncio.Transport

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent, as far as one can know."""
        return not (self._ended or self._failure or self._closed.done()) and (
            self._http.our_state is h11.IDLE
        )

    async def ask(self, request: Request, deadline: float) -> int:
        """Send a request, read the whole answer and return its status.

        `deadline` is in the loop's time. A connection that is not `is_usable` afterwards is to be
        closed. Raises `RequestFailed`, as `Unanswered` or `TimedOut` in their cases.
        """
        timer = self._loop.call_at(deadline, self._expire)
        try:
            self._begin()
            self._transport.write(self._serialized(request))
            status = await self._answer()
            self._finish()
            return status
        finally:
            timer.cancel()
            self._asking = False

    async def leave(self, request: Request, deadline: float, *, turn: int, half: bool) -> None:
        """Send a request, or the first half of its bytes, and close without reading the answer.

        One that sends all waits a little, a different time by `turn`, but not beyond the first byte
        of the answer. Raises `RequestFailed` if the bytes could not be written.
        """
        timer = self._loop.call_at(deadline, self._expire)
        try:
            self._begin()
            data = self._serialized(request)
            self._transport.set_write_buffer_limits(high=0)
            self._transport.write(data[: len(data) // 2] if half else data)
            while self._transport.get_write_buffer_size() and not self._over:
                await self._next()
            if self._over and not self._heard:
                raise self._failure or Unanswered("closed without an answer")
            if not half:
                await self._linger(_LEAVING_S[turn % len(_LEAVING_S)])
        finally:
            timer.cancel()
            await self.close()

    async def close(self) -> None:
        """Close the connection; on return it is closed. Takes a moment at most."""
        if self._closed.done():
            return
        self._transport.close()
        await asyncio.wait([self._closed], timeout=_CLOSE_S)
        if not self._closed.done():
            self._transport.abort()
            await asyncio.wait([self._closed], timeout=_CLOSE_S)

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes of the answer; a server that speaks unasked is cut off."""
        if not self._asking:
            self._fail(RequestFailed("an answer that nothing was asked for"))
            return
        if self._over:
            return
        self._heard = True
        self._http.receive_data(bytes(self._buffer[:nbytes]))
        if self._crawls:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take the end of what the server says."""
        self._ended = True
        self._http.receive_data(b"")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the connection."""
        if isinstance(exc, OSError) and self._failure is None:
            words = words_for(exc)
            self._failure = RequestFailed(words) if self._heard else Unanswered(words)
        self._ended = True
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake()
        self._gone(self)

    def resume_writing(self) -> None:
        """Take note that everything was written."""
        self._wake()

    # One request.

    @property
    def _over(self) -> bool:
        return self._ended or self._failure is not None

    def _begin(self) -> None:
        self._asking, self._heard = True, False
        if self._over:
            raise self._failure or Unanswered("closed without an answer")

    def _serialized(self, request: Request) -> bytes:
        head = h11.Request(
            method=request.method,
            target=request.target,
            headers=[(name.encode(), text.encode("latin-1")) for name, text in request.headers],
        )
        data = self._http.send(head) or b""
        if request.body:
            data += self._http.send(h11.Data(data=request.body)) or b""
        return data + (self._http.send(h11.EndOfMessage()) or b"")

    async def _answer(self) -> int:
        """Read events up to the end of the answer and return its status."""
        status = 0
        crawl_until = self._loop.time() + CRAWL_S if self._crawls else 0.0
        while True:
            event = self._event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return 101
            elif isinstance(event, h11.EndOfMessage):
                return status
            elif event in (h11.NEED_DATA, h11.PAUSED):
                if self._crawls:
                    await self._crawl(crawl_until)
                await self._next()

    def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event of the answer, or raise why there will be none."""
        if self._over and not self._heard:
            raise self._failure or Unanswered("closed without an answer")
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as problem:
            if problem.error_status_hint == 431:
                raise RequestFailed("the head of the answer is too long") from None
            if self._failure is not None:
                raise self._failure from None
            cut = "answer cut short" if self._ended else "the answer is no HTTP/1"
            raise RequestFailed(cut) from None
        if self._over and event in (h11.NEED_DATA, h11.PAUSED):
            raise self._failure or RequestFailed("answer cut short")
        return event

    async def _crawl(self, until: float) -> None:
        """Wait before reading on, and read fast from `until` on."""
        if self._loop.time() < until:
            await asyncio.sleep(_CRAWL_TICK_S)
        else:
            self._crawls = False
            self._buffer = memoryview(bytearray(_CHUNK))
        if not self._over:
            self._transport.resume_reading()

    def _finish(self) -> None:
        """Make ready for the next request, if this connection can take one."""
        self.answers += 1
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        spare = self._transport.get_write_buffer_size() or self._http.trailing_data[0]
        if done and not spare and not self._serves_once:
            self._http.start_next_cycle()

    async def _linger(self, seconds: float) -> None:
        """Wait for the first byte of the answer, for so many seconds at most."""
        alarm = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._ring, alarm)
        try:
            while not (self._heard or self._over or alarm.done()):
                await self._next()
        finally:
            timer.cancel()

    def _ring(self, alarm: asyncio.Future[None]) -> None:
        alarm.set_result(None)
        self._wake()

    async def _next(self) -> None:
        """Wait until something happens, or return at once if something did since the last time."""
        if not self._news:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._news = False

    def _wake(self) -> None:
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        self._fail(TimedOut("timed out"))

    def _fail(self, failure: RequestFailed) -> None:
        if self._failure is None:
            self._failure = failure
        self._transport.abort()
        self._wake()
