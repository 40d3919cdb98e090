"""`leakscope tasks`: where the tasks of a process wait."""

from __future__ import annotations

import click

from leakscope.cli.arguments import pid_or_file
from leakscope.cli.console import colour_wanted, deliver, refuse_outputs, report_width
from leakscope.cli.options import (
    Duration,
    capture_option,
    force_option,
    json_option,
    limit_option,
)
from leakscope.cli.sources import asked_of

_STAGES = 4
_STAGES_BEFORE = 3


@click.command("tasks")
@click.argument("source", metavar="PID|FILE")
@limit_option("places")
@click.option(
    "--over",
    type=Duration(),
    help="Look twice, so much time apart, and tell which tasks are older than that.",
)
@capture_option
@json_option
@force_option
def command(
    source: str,
    limit: int,
    over: float | None,
    capture_kind: str,
    json_to: str | None,
    force: bool,
) -> None:
    """Show where tasks and greenlets wait, of process PID or of the last heap snapshot in FILE.

    Those that wait at the same place are told together: how many there are, what would be freed
    with them, who holds them. A task of asyncio can never finish if nothing leads to what it
    awaits but the tasks that await it: no timer, connection, running function or name.
    """
    from leakscope.report.tasks import render_tasks, render_tasks_json
    from leakscope.watching.tasks import tasks_from_file, tasks_from_process

    refuse_outputs(None, json_to, force=force)
    if over is not None and not isinstance(pid_or_file(source), int):
        raise click.UsageError("--over needs a process to look at, not a file.")
    picture = asked_of(
        source,
        capture_kind,
        "where tasks wait",
        stages=_STAGES + (0 if over is None else _STAGES_BEFORE),
        process=lambda pid, choice, told: tasks_from_process(pid, choice, limit, told, over=over),
        file=lambda path, told: tasks_from_file(path, limit, told),
    )
    text = render_tasks(picture, width=report_width(), color=colour_wanted())
    deliver(text, render_tasks_json(picture), json_to, force=force)
