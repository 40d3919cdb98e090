"""Where output goes: the report to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from leakscope.errors import ExitCode, LeakscopeError


class OutputExists(LeakscopeError):
    """The file to be written is already there."""

    hint = "Name another file, or add --force to overwrite it."
    exit_code = ExitCode.USAGE


class CannotWrite(LeakscopeError):
    """A report file can not be written."""

    hint = "Name a file in a directory that exists and that you may write to."


def note(text: str) -> None:
    """Print one line of progress on stderr."""
    click.echo(text, err=True)


def colour_wanted() -> bool:
    """Whether stdout is a terminal whose user has not asked for plain text."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def report_width() -> int:
    """Columns for reports on stdout: the terminal's, 100 for a file or pipe."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def refuse_existing(path: Path | None, *, force: bool) -> None:
    """Raise `OutputExists` before any work is done if `path` would be overwritten unasked."""
    if path is not None and path.exists() and not force:
        raise OutputExists(f"{path} exists already")


def refuse_existing_json(json_to: str | None, *, force: bool) -> None:
    """Like `refuse_existing`, for the value of `--json`."""
    if json_to not in (None, "-"):
        refuse_existing(Path(str(json_to)), force=force)


def deliver(text: str, json_text: str, json_to: str | None, *, force: bool) -> None:
    """Print a report: JSON instead of text on stdout for `-`, and JSON to a file if named."""
    click.echo(json_text if json_to == "-" else text)
    if json_to in (None, "-"):
        return
    path = Path(str(json_to))
    refuse_existing(path, force=force)
    try:
        path.write_text(json_text + "\n", encoding="utf-8")
    except OSError as problem:
        raise CannotWrite(f"cannot write {path}: {problem.strerror}") from None
    note(f"report written to {path}")
