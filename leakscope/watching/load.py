"""Work for a server under test: a load command, run again and again until told to stop."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from leakscope.errors import LeakscopeError, UsageError

_GRACE_S = 5.0
"""How long a load command may take to end after SIGTERM."""

_TAIL = 2000
"""Characters of a failed command's output that are shown."""


class LoadNotFound(UsageError):
    """The load command can not be started."""

    hint = "Give a command that runs from here, for example --load 'wrk -d 10 http://…'."


class LoadFailed(LeakscopeError):
    """The load command ended with an error, so the work it should have done is in doubt."""

    hint = "Run the load command by itself against the server and mend it."


@dataclass(slots=True)
class LoadLoop:
    """Runs one command over and over in the background.

    The first run that fails ends the loop; `failure` says so then.
    """

    argv: tuple[str, ...]
    output: IO[bytes]
    """What the current run prints; shown if it fails."""
    runs: int = 0
    """Runs that ended well so far."""
    failure: LoadFailed | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _current: subprocess.Popen[bytes] | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the first run. Raises `LoadNotFound` if there is no such command."""
        self._current = self._spawn()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def failed(self) -> bool:
        """Return whether a run has failed."""
        return self.failure is not None

    def stop(self) -> None:
        """End the current run and the loop; bounded in time."""
        self._stopping.set()
        current = self._current
        if current is not None and current.poll() is None:
            current.terminate()
            try:
                current.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                current.kill()
                current.wait()
        if self._thread is not None:
            self._thread.join(_GRACE_S)

    def _spawn(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT
            )
        except OSError as problem:
            raise LoadNotFound(
                f"cannot start the load command {self.argv[0]!r}: {problem.strerror}"
            ) from None

    def _go_on(self) -> None:
        """Wait for each run and start the next, until stopped or a run fails."""
        while self._current is not None:
            status = self._current.wait()
            if self._stopping.is_set():
                break
            if status:
                self.failure = LoadFailed(
                    f"the load command ended with status {status}{_last_words(self.output)}"
                )
                break
            self.runs += 1
            self.output.seek(0)
            self.output.truncate()
            try:
                self._current = self._spawn()
            except LoadNotFound as problem:
                self.failure = LoadFailed(str(problem))
                break


@contextmanager
def load_running(command: str) -> Iterator[LoadLoop]:
    """Run `command` (split like a shell would, without one) over and over; stop it on leaving."""
    try:
        argv = tuple(shlex.split(command))
    except ValueError as problem:
        raise LoadNotFound(f"the load command makes no sense: {problem}") from None
    if not argv:
        raise LoadNotFound("the load command is empty")
    with tempfile.TemporaryFile() as output:
        loop = LoadLoop(argv, output)
        loop.start()
        try:
            yield loop
        finally:
            loop.stop()


def _last_words(output: IO[bytes]) -> str:
    """Return the end of what a command printed, for an error message."""
    end = output.seek(0, 2)
    output.seek(max(0, end - _TAIL))
    text = output.read().decode("utf-8", "replace").strip()
    return f"; it printed:\n{text}" if text else " and printed nothing"
