"""A load command: one run of it is one round."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from typing import IO

from leakscope.errors import UsageError
from leakscope.load.counted import Counting
from leakscope.load.interface import LoadFailed, Served

ROUND = "LEAKSCOPE_ROUND"
"""The variable of a command's environment that has the number of the round."""

_GRACE_S = 5.0
"""How long a load command may take to end after SIGTERM."""

_TAIL = 2000
"""Characters of a failed command's output that are shown."""

_MOST_OUTPUT = 16 << 20
"""Bytes of its output, from the end, that are searched for a count."""


class LoadNotFound(UsageError):
    """The load command can not be started."""

    hint = "Give a command that runs from here, for example --load 'wrk -d 10 http://…'."


class LoadNeverEnds(LoadFailed):
    """The load command runs on, so there is no round."""

    hint = (
        "Give the load command an end (wrk -d 5s, locust -t 5s), longer time with --round-timeout, "
        "or sample by the clock with --for."
    )


class CommandLoad:
    """Runs one command for each round, to its end."""

    unit = "request"

    def __init__(self, command: str, *, within: float, counting: Counting | None = None) -> None:
        """Take `command`, split like a shell would, without one.

        A run may take `within` seconds. `counting` finds in its output how many requests it sent.
        Raises `LoadNotFound` if there is no such command.
        """
        self._argv = _split(command)
        self._within = within
        self._counting = counting or Counting()
        self._stopped = threading.Event()
        self._running: subprocess.Popen[bytes] | None = None

    def run_round(self, number: int) -> Served:
        """Run the command once; see `Load.run_round`.

        It reads the number of the round in `ROUND`, so that it can ask for something new in each.
        """
        begin = time.monotonic()
        with tempfile.TemporaryFile() as output:
            status = self._run(output, number)
            if self._stopped.is_set():
                return Served(seconds=time.monotonic() - begin)
            if status is None:
                raise LoadNeverEnds(
                    f"the load command still runs after {self._within:g} seconds"
                    f"{_last_words(output)}"
                )
            if status:
                raise LoadFailed(
                    f"the load command ended with status {status}{_last_words(output)}"
                )
            landed = self._counting.landed(_tail(output, _MOST_OUTPUT))
        return Served(asked=landed, landed=landed, seconds=time.monotonic() - begin)

    def stop(self) -> None:
        """End the current run and let there be no other; see `Load.stop`."""
        self._stopped.set()
        running = self._running
        if running is not None and running.poll() is None:
            running.terminate()

    def _run(self, output: IO[bytes], number: int) -> int | None:
        """Return how a run ended, None if it had to be ended."""
        if self._stopped.is_set():
            return None
        try:
            self._running = running = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, ROUND: str(number)},
            )
        except OSError as problem:
            raise _not_found(self._argv[0], problem.strerror) from None
        if self._stopped.is_set():
            running.terminate()
        try:
            return running.wait(self._within)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(running)


def _split(command: str) -> tuple[str, ...]:
    try:
        argv = tuple(shlex.split(command))
    except ValueError as problem:
        raise LoadNotFound(f"the load command makes no sense: {problem}") from None
    if not argv:
        raise LoadNotFound("the load command is empty")
    if shutil.which(argv[0]) is None:
        raise _not_found(argv[0], "no such command")
    return argv


def _not_found(name: str, reason: str | None) -> LoadNotFound:
    return LoadNotFound(f"cannot start the load command {name!r}: {reason}")


def _end(running: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, bounded in time."""
    if running.poll() is not None:
        return
    running.terminate()
    try:
        running.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _tail(output: IO[bytes], most: int) -> str:
    end = output.seek(0, 2)
    output.seek(max(0, end - most))
    return output.read().decode("utf-8", "replace")


def _last_words(output: IO[bytes]) -> str:
    """Return the end of what a command printed, for an error message."""
    text = _tail(output, _TAIL).strip()
    return f"; it printed:\n{text}" if text else " and printed nothing"
