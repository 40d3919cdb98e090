"""What the process with the tests and the one that measures say to each other.

The measurer is asked for something and answers with requests of its own (load this, do a round),
until it says how it ended. Messages are pickled: either side is the other's parent or child, and
runs the same leakscope.
"""

from __future__ import annotations

import os
import pickle
import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from leakscope.errors import LeakscopeError

_SIZE = struct.Struct("=I")


class MeasurerGone(LeakscopeError):
    """The process that measures went away."""

    hint = "What it said last is in the captured output; run pytest with `-s` to see all."


class Outcome(str, Enum):
    """What a measurement amounts to, for a test."""

    CLEAN = "clean"
    LEAK = "leak"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not-measured"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How much is measured, and what may grow."""

    counted: int
    warm_up: int
    budgets: tuple[str, ...] = ()
    """As `analysis.budgets.parse_budget` takes them."""


@dataclass(frozen=True, slots=True)
class MeasureMe:
    """Measure the process that asks, which runs the rounds itself."""

    pid: int
    python: str
    """Version of its CPython."""
    rounds: Rounds


@dataclass(frozen=True, slots=True)
class StartService:
    """Start a service, and keep it until there is nobody to ask any more."""

    command: tuple[str, ...]
    within: float
    """Seconds until it must be ready."""
    url: str | None = None
    """It is ready once this is answered; a path is one of the port it listens on."""
    line: str | None = None
    """It is ready once it has printed a line that this regular expression matches."""


@dataclass(frozen=True, slots=True)
class CheckService:
    """Measure the service that was started; whoever asks drives it."""

    unit: str
    """What a round that counts its work counts."""
    rounds: Rounds


@dataclass(frozen=True, slots=True)
class LoadAgent:
    """Run this text."""

    source: bytes


@dataclass(frozen=True, slots=True)
class DoRound:
    """Do one round of work."""

    number: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """The text was run."""


@dataclass(frozen=True, slots=True)
class RoundDone:
    """One round was done."""

    asked: int | None = None
    landed: int | None = None
    failures: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No more rounds: the work itself failed."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The service can be driven."""

    pid: int
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over: what was asked for is done, and nothing of it is left."""

    outcome: Outcome
    reason: str
    """In a sentence without a full stop."""
    text: str = ""
    """What it rests on, for people, several lines."""


Asked = MeasureMe | StartService | CheckService
Request = LoadAgent | DoRound
Reply = Loaded | RoundDone | GivenUp


@dataclass(frozen=True, slots=True)
class Farewell:
    """There is nothing more to ask."""


Message = Asked | Request | Reply | Ready | Ended | Farewell


class Channel:
    """One end of a conversation: a pipe to read from, and one to write to.

    Pipes, since tests may have replaced what makes sockets.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing

    def send(self, message: Message) -> None:
        """Send a message; raise `MeasurerGone` if nobody is there."""
        body = pickle.dumps(message)
        rest = memoryview(_SIZE.pack(len(body)) + body)
        try:
            while rest:
                rest = rest[os.write(self._writing, rest) :]
        except OSError as error:
            raise MeasurerGone("nobody listens at the other end") from error

    def receive(self) -> Message:
        """Return the next message; raise `MeasurerGone` if none can come."""
        (size,) = _SIZE.unpack(self._exactly(_SIZE.size))
        message: Message = pickle.loads(self._exactly(size))
        return message

    @property
    def is_open(self) -> bool:
        """Whether this end has not hung up."""
        return self._reading >= 0

    def close(self) -> None:
        """Hang up. Idempotent, never raises."""
        descriptors = self._reading, self._writing
        self._reading = self._writing = -1
        for descriptor in descriptors:
            with suppress(OSError):
                os.close(descriptor)

    def _exactly(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            try:
                part = os.read(self._reading, size - len(received))
            except OSError as error:
                raise MeasurerGone("the connection broke") from error
            if not part:
                raise MeasurerGone("the other end hung up")
            received += part
        return received
