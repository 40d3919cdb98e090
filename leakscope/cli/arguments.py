"""Positional arguments that mean a process."""

from __future__ import annotations

from pathlib import Path

import click


def parse_pid(text: str) -> int:
    """Return the pid that `text` is; fails the command if it is none."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise click.BadParameter(f"{text!r} is no pid", param_hint="PID")
    return int(text)


def pid_or_file(text: str) -> int | Path:
    """Return the pid that `text` is, or the file. A file whose name is a number is a file."""
    path = Path(text)
    return parse_pid(text) if text.isdigit() and not path.exists() else path


def pid_or_command(words: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    """Return the pid that was given, or None and the command that was given instead.

    One number alone is a pid; anything else is a command.
    """
    if not words:
        raise click.UsageError("Give the PID of a process, or `--` and a command to start.")
    if len(words) == 1 and words[0].lstrip("-").isdigit():
        return parse_pid(words[0]), ()
    return None, words
