"""Where output goes: the report to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import click

from leakscope.storage.output import refuse_unwritable, write_atomically

_SHOWN_AFTER_S = 1.0


def note(text: str) -> None:
    """Print one line of progress on stderr."""
    click.echo(text, err=True)


def colour_wanted() -> bool:
    """Whether stdout is a terminal whose user has not asked for plain text."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def report_width() -> int:
    """Columns for reports on stdout: the terminal's, 100 for a file or pipe."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


@contextmanager
def progress(stages: int) -> Iterator[Callable[[str], None]]:
    """Yield what is to be told which of about so many stages begins.

    On a terminal they are shown as a bar on stderr, from the second on that all of it takes.
    """
    if not sys.stderr.isatty():
        yield lambda _stage: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=stages)
    shown = Timer(_SHOWN_AFTER_S, bar.start)
    shown.daemon = True
    shown.start()
    try:
        yield lambda stage: bar.update(task, advance=1, description=stage)
    finally:
        shown.cancel()
        shown.join()
        bar.stop()


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
