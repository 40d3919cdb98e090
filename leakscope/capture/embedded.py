"""Getting into a process that has opened a door for us itself: `leakscope.embed`."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from leakscope.capture.doors.interface import DoorClosed
from leakscope.capture.invited import Invited
from leakscope.capture.process import ProcessIdentity, TargetGone, asking

ANSWER_LIMIT = 4096
_ANSWERS_WITHIN_S = 10.0
_FOLDER = Path("/tmp")


def door_of(pid: int) -> Path:
    """Return where the door of a process is."""
    return _FOLDER / f".leakscope-door-{pid}"


def embedded(identity: ProcessIdentity) -> Invited | None:
    """Return the way in through a process's own door, None if it has none that answers.

    The door has to belong to the user whose process it is, and is closed when the returned
    approach is let go.
    """
    door = door_of(identity.pid)
    try:
        told = door.lstat()
        with asking(identity.pid) as process:
            owner = process.uids().effective
    except (OSError, TargetGone):
        return None
    if not stat.S_ISSOCK(told.st_mode) or told.st_uid not in (owner, 0):
        return None
    visit = _Visit()
    version = visit.begin(door)
    return None if version is None else Invited(version, visit.invite)


class _Visit:
    """A connection to a door, kept as long as we are in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWERS_WITHIN_S)

    def begin(self, door: Path) -> str | None:
        """Knock; return the version of Python that answers, None if none does."""
        with suppress(OSError, ValueError):
            self._socket.connect(os.fspath(door))
            version = self._line()
            if version and all(part.isalnum() for part in version.split(".")):
                return version
        self._socket.close()
        return None

    def invite(self, path: str) -> None:
        """Have the process run the text in a file. Raises `DoorClosed`."""
        try:
            self._socket.sendall(f"{path}\n".encode())
            answer = self._line()
        except (OSError, ValueError) as problem:
            raise DoorClosed(f"the process does not let us in: {problem}") from problem
        if answer != "loaded":
            raise DoorClosed("the process does not let us in")

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\n") and len(line) < ANSWER_LIMIT:
            part = self._socket.recv(1)
            if not part:
                break
            line += part
        return line.decode("ascii").rstrip("\n")
