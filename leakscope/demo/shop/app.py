"""One process that serves the proxy and, on a port of its own, the shop behind it."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from . import audit, catalogue
from .proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_HOST = "127.0.0.1"


async def serve(port: int, *, fixed: bool, until_stdin_closes: bool) -> None:
    """Serve until SIGTERM, SIGINT or, if asked, until stdin ends.

    Prints `listening PORT` and `ready PID` on stdout once connections are accepted.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        await loop.connect_read_pipe(lambda: _UntilEnd(stop), sys.stdin)
    shop = await asyncio.start_server(_to_the_end(catalogue.serve_connection), _HOST, 0)
    proxy = Proxy(
        upstream_port=_port_of(shop),
        audit=audit.write_in_batches if fixed else audit.keep_for_collector,
    )
    front = await asyncio.start_server(_to_the_end(proxy.serve_connection), _HOST, port)
    print(f"listening {_port_of(front)}", flush=True)
    print(f"ready {os.getpid()}", flush=True)
    await stop.wait()
    front.close()
    await proxy.close()
    shop.close()


def main() -> int:
    """Run with the command line's options; return the exit status."""
    parser = argparse.ArgumentParser(prog="shop", description="A reverse proxy that leaks.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--fixed", action="store_true", help="without the leak")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the starter")
    options = parser.parse_args()
    asyncio.run(
        serve(options.port, fixed=options.fixed, until_stdin_closes=options.until_stdin_closes)
    )
    return 0


def _to_the_end(serve: Serve) -> Serve:
    """Return `serve` as a server may call it.

    Until Python 3.12 nothing but its own frames holds the task of a connection that waits for
    data, and the collector may take it.
    """
    serving: set[asyncio.Task[None] | None] = set()

    async def serve_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        serving.add(task)
        try:
            await serve(reader, writer)
        finally:
            serving.discard(task)

    return serve_to_the_end


def _port_of(server: asyncio.AbstractServer) -> int:
    assert isinstance(server, asyncio.Server)
    port: int = server.sockets[0].getsockname()[1]
    return port


class _UntilEnd(asyncio.Protocol):
    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended.set()
