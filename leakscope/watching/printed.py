"""What a server prints: passed on to stderr, and searched for the line that says it is ready."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 1 << 16
_LONGEST = 1 << 16
"""Bytes of a line that are searched."""
_STDERR = 2
_LAST_WORDS_S = 5.0


class Printed:
    """Follows what comes out of a pipe."""

    def __init__(self, pattern: re.Pattern[str], reading: int, writing: int) -> None:
        self.descriptor = writing
        """What takes the output; the server's stdout and stderr."""
        self.seen = threading.Event()
        """Set as soon as a line matches, and when nothing more can come."""
        self.matched = False
        self._pattern = pattern
        self._reading = reading
        self._thread = threading.Thread(target=self._follow, name="printed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pass on what is left once nobody can print any more, bounded in time."""
        os.close(self.descriptor)
        self._thread.join(_LAST_WORDS_S)

    def _follow(self) -> None:
        line = b""
        while chunk := os.read(self._reading, _CHUNK):
            _pass_on(chunk)
            *whole, line = (line + chunk).split(b"\n")
            line = line[-_LONGEST:]
            if not self.matched and any(map(self._matches, (*whole, line))):
                self.matched = True
                self.seen.set()
        self.seen.set()
        os.close(self._reading)

    def _matches(self, line: bytes) -> bool:
        return self._pattern.search(line.decode("utf-8", "replace")) is not None


@contextmanager
def printed(pattern: re.Pattern[str]) -> Iterator[Printed]:
    """Yield a follower that looks for a line that `pattern` matches."""
    follower = Printed(pattern, *os.pipe())
    try:
        yield follower
    finally:
        follower.close()


def _pass_on(chunk: bytes) -> None:
    with suppress(OSError):  # Nobody reads it any more; the server goes on.
        while chunk:
            chunk = chunk[os.write(_STDERR, chunk) :]
