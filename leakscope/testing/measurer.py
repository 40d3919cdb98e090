"""The process that measures, as the tests' own process sees it.

Nothing of the analysis, and no module that it takes, comes into the process with the tests. What is
there while a test is measured, the agent, is gone when its measurement ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from leakscope.testing.messages import (
    Asked,
    Channel,
    DoRound,
    Ended,
    Farewell,
    GivenUp,
    LoadAgent,
    Loaded,
    MeasurerGone,
    Message,
    Ready,
    RoundDone,
)

_ENDS_WITHIN_S = 15.0
_MOST_SAID = 1 << 13
_START = """\
import sys
sys.path[:] = [*(p for p in sys.path if p), *(p for p in {path!r} if p not in sys.path)]
from leakscope.testing.measuring import main
main({reading}, {writing})
"""


class Measurer:
    """A process that measures this one, or a service that it starts. A context manager.

    Made by one process, it is of no use to a fork of it.
    """

    def __init__(self) -> None:
        """Start it; what it and its service print is kept: see `said`."""
        hearing, its_mouth = os.pipe()
        its_ear, speaking = os.pipe()
        self._channel = Channel(hearing, speaking)
        self._made_by = os.getpid()
        self._output, name = tempfile.mkstemp(prefix="leakscope-")
        Path(name).unlink()
        path = [folder for folder in sys.path if folder]
        code = _START.format(path=path, reading=its_ear, writing=its_mouth)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=[its_ear, its_mouth],
                start_new_session=True,
            )
        except BaseException:
            self._channel.close()
            self._forget_output()
            raise
        finally:
            os.close(its_ear)
            os.close(its_mouth)

    def __enter__(self) -> Measurer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_usable(self) -> bool:
        """Whether it runs, and listens to this process; not after a conversation was cut short."""
        runs = self._made_by == os.getpid() and self._process.poll() is None
        return runs and self._channel.is_open

    def start(self, asked: Asked) -> Ready | Ended:
        """Ask for what takes no rounds, and return the answer."""
        answer = self._converse(asked)
        if isinstance(answer, Ready | Ended):
            return answer
        raise MeasurerGone(f"an answer that was not asked for: {answer}")

    def measure(self, asked: Asked) -> Measurement:
        """Return a measurement whose rounds the caller does."""
        return Measurement(asked, self._converse)

    def close(self) -> None:
        """End it, and its service with it; bounded in time. Idempotent."""
        if self._made_by == os.getpid():
            with suppress(MeasurerGone):  # Forks of this process may keep the pipes open.
                self._channel.send(Farewell())
        self._channel.close()
        if self._made_by == os.getpid():
            try:
                self._process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._forget_output()

    def said(self) -> str:
        """Return what it and its service have printed, the end of it if it is much."""
        if self._output < 0:
            return ""
        size = os.fstat(self._output).st_size
        return os.pread(self._output, _MOST_SAID, max(0, size - _MOST_SAID)).decode(
            "utf-8", "replace"
        )

    def _forget_output(self) -> None:
        descriptor, self._output = self._output, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _converse(self, message: Message) -> Message:
        """Say something and return the answer; if that is interrupted, nothing more can be said."""
        try:
            self._channel.send(message)
            return self._channel.receive()
        except BaseException:
            self._channel.close()
            raise


class Measurement:
    """One measurement, driven round by round. A context manager.

        with measurer.measure(asked) as measurement:
            while measurement.wants_round():
                work()
                measurement.done(landed=1)
        measurement.ended

    Left early, by an exception, it is ended; the agent is out of the process in either case.
    """

    def __init__(self, asked: Asked, converse: Callable[[Message], Message]) -> None:
        self._next: Message = asked
        self._converse = converse
        self.ended: Ended | None = None
        """How it ended, None until then."""

    def __enter__(self) -> Measurement:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.ended is None:
            with suppress(MeasurerGone):
                self._give_up()

    def wants_round(self) -> bool:
        """Return whether another round is to be done; raise `MeasurerGone`."""
        while True:
            request = self._converse(self._next)
            if isinstance(request, LoadAgent):
                _run(request.source)
                self._next = Loaded()
            elif isinstance(request, DoRound):
                self._next = RoundDone()
                return True
            elif isinstance(request, Ended):
                self.ended = request
                return False
            else:
                raise MeasurerGone(f"a request that makes no sense: {request}")

    def done(
        self,
        *,
        asked: int | None = None,
        landed: int | None = None,
        failures: tuple[tuple[str, int], ...] = (),
    ) -> None:
        """Say how much was done in this round; without it, a round counts as one."""
        self._next = RoundDone(asked, landed, failures)

    def _give_up(self) -> None:
        answer = self._converse(GivenUp())
        while not isinstance(answer, Ended):
            if isinstance(answer, LoadAgent):
                _run(answer.source)
            answer = self._converse(GivenUp())
        self.ended = answer


def _run(source: bytes) -> None:
    """Run a text that never raises and leaves no name behind, as a door would have it run."""
    exec(source, {})
