"""A door for other leakscopes: a socket that only this user can open, on which they ask to come in.

So a process can be watched where nobody may trace it. Who connects is checked by the kernel: the
same user, or root. What it asks is that the text in one file be run, which loads its agent.
"""

from __future__ import annotations

import os
import platform
import socket
import struct
import threading
from contextlib import suppress

from leakscope.capture.embedded import ANSWER_LIMIT, door_of
from leakscope.embed.own import OwnAllocations, run_here

_PEER = struct.Struct("=iII")
_PATIENCE_S = 10.0
_MOST_WAITING = 4


class Door:
    """Lets other leakscopes in, one at a time, until it is closed."""

    def __init__(self, own: OwnAllocations) -> None:
        """Open it. Raises `OSError` where there is no place for it."""
        self._own = own
        self._path = door_of(os.getpid())
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket.listen(_MOST_WAITING)
        threading.Thread(target=self._serve, name="leakscope-door", daemon=True).start()

    def close(self) -> None:
        """Let nobody in any more. Idempotent, never raises."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with suppress(OSError):
            self._path.unlink()

    def forget(self) -> None:
        """Close what a forked child has of it; it stays open here."""
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            with visitor, suppress(OSError, ValueError):
                visitor.settimeout(_PATIENCE_S)
                if _may_come(visitor):
                    with self._own.away():
                        _let_in(visitor)


def _let_in(visitor: socket.socket) -> None:
    """Say which Python this is, run the file that is named; return when the visitor has gone."""
    visitor.sendall(f"{platform.python_version()}\n".encode())
    path = visitor.makefile("rb").readline(ANSWER_LIMIT).decode().rstrip("\n")
    if path:
        run_here(path)
        visitor.sendall(b"loaded\n")
        visitor.settimeout(None)
        visitor.recv(1)


def _may_come(visitor: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED"):
        return False
    told = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return _PEER.unpack(told)[1] in (0, os.geteuid())
