"""The root of every failure that leakscope expects, and the exit codes it ends with."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What every command's exit status means."""

    CLEAN = 0
    LEAKING = 1
    USAGE = 2
    NOT_MEASURED = 3
    INCONCLUSIVE = 4


class LeakscopeError(Exception):
    """A failure that was foreseen: one clear line for the user, and what to do about it.

    `str(error)` is the line. `hint` says what to do; a subclass gives its own, an instance may
    give a more precise one.
    """

    hint: ClassVar[str] = ""
    exit_code: ClassVar[ExitCode] = ExitCode.NOT_MEASURED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.remedy = hint if hint is not None else self.hint


class UsageError(LeakscopeError):
    """What the user asked for makes no sense as it stands."""

    exit_code = ExitCode.USAGE
