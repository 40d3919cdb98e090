"""`leakscope threads`: what the threads of a process run."""

from __future__ import annotations

import click

from leakscope.cli.console import colour_wanted, deliver, refuse_outputs, report_width
from leakscope.cli.options import capture_option, force_option, json_option, limit_option
from leakscope.cli.sources import asked_of

_STAGES = 2


@click.command("threads")
@click.argument("source", metavar="PID|FILE")
@limit_option("groups")
@capture_option
@json_option
@force_option
def command(source: str, limit: int, capture_kind: str, json_to: str | None, force: bool) -> None:
    """Show what threads run, of process PID or of the last heap snapshot in FILE.

    Threads that run the same calls are told together, innermost call first: how many there are,
    what they are called, whether they run, and how much processor time they have used. Threads
    that run no Python are told by the name that the kernel has.
    """
    from leakscope.report.threads import render_threads, render_threads_json
    from leakscope.watching.threads import threads_from_file, threads_from_process

    refuse_outputs(None, json_to, force=force)
    picture = asked_of(
        source,
        capture_kind,
        "what threads run",
        stages=_STAGES,
        process=lambda pid, choice, told: threads_from_process(pid, choice, limit, told),
        file=lambda path, told: threads_from_file(path, limit, told),
    )
    text = render_threads(picture, width=report_width(), color=colour_wanted())
    deliver(text, render_threads_json(picture), json_to, force=force)
