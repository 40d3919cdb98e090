"""Profiles of this process over HTTP, where Go's `net/http/pprof` has them."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from leakscope.embed.door import Door
from leakscope.embed.own import OwnAllocations
from leakscope.embed.stacks import stacks_now
from leakscope.errors import LeakscopeError
from leakscope.report.pprof import encode, render_pprof

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

INDEX = """\
/debug/pprof/heap       what is in use, by the lines that allocated it
/debug/pprof/allocs     all that was allocated
/debug/pprof/goroutine  where threads and tasks are
"""
_ENDPOINTS: weakref.WeakSet[Endpoint] = weakref.WeakSet()


class Endpoint:
    """The profiles of this process, served until it is closed."""

    def __init__(self, host: str, port: int, sample_bytes: int) -> None:
        """Begin to sample and to serve; see `leakscope.embed.serve`."""
        self._own = OwnAllocations(sample_bytes)
        self._door: Door | None = None
        try:
            self._server = _Server((host, port), self._own)
        except BaseException:
            self._own.stop()
            raise
        with suppress(OSError):  # Then others come in by the usual doors.
            self._door = Door(self._own)
        _ENDPOINTS.add(self)
        threading.Thread(
            target=self._server.serve_forever, name="leakscope-embed", daemon=True
        ).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.server_address[1]
        return port

    def close(self) -> None:
        """Stop serving and sampling; nothing is left in the process. Idempotent."""
        _ENDPOINTS.discard(self)
        if self._door is not None:
            self._door.close()
        self._server.shutdown()
        self._server.server_close()
        self._own.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def forget(self) -> None:
        """Close what a forked child has of it."""
        self._server.socket.close()
        self._own.forget()
        if self._door is not None:
            self._door.forget()


def _in_forked_child() -> None:
    for endpoint in tuple(_ENDPOINTS):
        endpoint.forget()
    _ENDPOINTS.clear()


os.register_at_fork(after_in_child=_in_forked_child)


class _Server(ThreadingHTTPServer):
    """Serves one process's own allocations."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], own: OwnAllocations) -> None:
        self.own = own
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: _Server

    def do_GET(self) -> None:
        """Answer with a profile; 404 for other paths, 503 where there is none just now."""
        profiles: dict[str, Callable[[], bytes]] = {
            "/debug/pprof/heap": self._heap,
            "/debug/pprof/allocs": self._allocs,
            "/debug/pprof/goroutine": self._goroutine,
        }
        path = self.path.partition("?")[0]
        if path.rstrip("/") == "/debug/pprof":
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", INDEX.encode())
            return
        profile = profiles.get(path)
        if profile is None:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", INDEX.encode())
            return
        try:
            content = profile()
        except LeakscopeError as problem:
            text = f"{problem}\n".encode("utf-8", "replace")
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text)
            return
        self._answer(HTTPStatus.OK, "application/octet-stream", content)

    def _heap(self) -> bytes:
        return render_pprof(self.server.own.profile())

    def _allocs(self) -> bytes:
        return render_pprof(self.server.own.profile(), default="alloc_space")

    def _goroutine(self) -> bytes:
        return encode(
            [(calls, (count,), kind) for (calls, kind), count in stacks_now().items()],
            sample_types=[("goroutine", "count")],
            default="goroutine",
            period=("goroutine", "count", 1),
            taken_at=time.time(),
            seconds=0.0,
        )

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: stderr is the service's."""
