"""Where output goes: the report to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from leakscope.storage.output import refuse_unwritable, write_atomically


def note(text: str) -> None:
    """Print one line of progress on stderr."""
    click.echo(text, err=True)


def colour_wanted() -> bool:
    """Whether stdout is a terminal whose user has not asked for plain text."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def report_width() -> int:
    """Columns for reports on stdout: the terminal's, 100 for a file or pipe."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def refuse_outputs(output: Path | None, json_to: str | None, *, force: bool) -> None:
    """Raise before any work is done if a file that was asked for can not be written."""
    if output is not None:
        refuse_unwritable(output, force=force)
    if json_to not in (None, "-"):
        refuse_unwritable(Path(str(json_to)), force=force)


def deliver(text: str, json_text: str, json_to: str | None, *, force: bool) -> None:
    """Print a report: JSON instead of text on stdout for `-`, and JSON to a file if named."""
    click.echo(json_text if json_to == "-" else text)
    if json_to in (None, "-"):
        return
    path = Path(str(json_to))
    write_atomically(path, (json_text + "\n").encode(), force=force)
    note(f"report written to {path}")
