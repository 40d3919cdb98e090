"""Which addresses a host has. Asked once, and never a reason for a round not to end."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from leakscope.load.failures import RequestFailed


@dataclass(slots=True)
class AddressBook:
    """Remembers the addresses of hosts, in the order in which the system would try them."""

    _known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a host, one at least.

        A look-up that hangs is left alone when this is cancelled: its thread holds up nobody,
        unlike those of the loop's own executor. Raises `RequestFailed` if there is none.
        """
        if host not in self._known:
            loop = asyncio.get_running_loop()
            found: asyncio.Future[tuple[str, ...]] = loop.create_future()
            threading.Thread(target=_look_up, args=(host, loop, found), daemon=True).start()
            addresses = await found
            if not addresses:
                raise RequestFailed("host name not found")
            self._known[host] = addresses
        return self._known[host]

    def prefer(self, host: str, address: str) -> None:
        """Put the address that answered first."""
        known = self._known.get(host, ())
        if known[:1] != (address,):
            self._known[host] = (address, *(other for other in known if other != address))


def _look_up(
    host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[tuple[str, ...]]
) -> None:
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        entries = []
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))

    def tell() -> None:
        if not found.done():
            found.set_result(addresses)

    with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
        loop.call_soon_threadsafe(tell)
