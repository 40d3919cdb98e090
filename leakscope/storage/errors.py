"""What can go wrong with files: each failure says which file, and what to do about it."""

from __future__ import annotations

from leakscope.errors import ExitCode, LeakscopeError


def cause(problem: BaseException) -> str:
    """Return a foreign error's first line, short and printable: it may quote a hostile file."""
    line = (str(problem).splitlines() or [""])[0][:200] or type(problem).__name__
    return "".join(c if c.isprintable() else "?" for c in line)


class OutputExists(LeakscopeError):
    """The file to be written is already there."""

    hint = "Name another file, or add --force to overwrite it."
    exit_code = ExitCode.USAGE


class CannotWrite(LeakscopeError):
    """The file can not be written where it was asked for."""

    hint = "Name a file in a directory that exists, that you may write to and that has room."


class UnsavableRecording(LeakscopeError):
    """A recording holds figures that no process can have, or too many: it would never load."""

    hint = "The capture returned nonsense; please report it with the line above."


class UnreadableFile(LeakscopeError):
    """The file can not be read as a recording."""

    hint = "Name a .lscope file that `leakscope watch -o` or `leakscope snapshot -o` has written."


class NoSuchFile(UnreadableFile):
    """There is no file of that name."""

    exit_code = ExitCode.USAGE


class ForeignFile(UnreadableFile):
    """The file is something else than a recording."""


class TruncatedFile(UnreadableFile):
    """The file is the beginning of a recording, or the rest of one."""

    hint = "It was copied incompletely or damaged; copy it again or record again."


class CorruptedFile(UnreadableFile):
    """The file is a recording whose contents contradict themselves."""

    hint = "It was damaged or tampered with; copy it again or record again."


class DoesNotFit(UnreadableFile):
    """The file may well be a recording, but it is too large for this machine."""

    hint = (
        "Read it where there is more memory, or without its heaps: `leakscope export` needs little."
    )


class NewerFormat(UnreadableFile):
    """The file was written by a later leakscope."""

    hint = "Upgrade leakscope: pip install --upgrade leakscope-toolkit"
