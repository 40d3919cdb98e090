"""`leakscope snapshot`: what is alive now, kept in a file."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.arguments import parse_pid
from leakscope.cli.console import note, refuse_outputs
from leakscope.cli.options import force_option, json_option, output_option

_TOP = 15


@click.command("snapshot")
@click.argument("pid")
@output_option(required=True, help_text="The file to write.")
@json_option
@force_option
def command(pid: str, output: Path, json_to: str | None, force: bool) -> None:
    """Record what is alive in process PID now, and print the most numerous types.

    Compare two or more snapshots with `leakscope diff`.
    """
    from leakscope.capture.process import identify
    from leakscope.cli.console import deliver, report_width
    from leakscope.report.census import render_census, render_census_json
    from leakscope.storage.files import save
    from leakscope.watching.opening import connect_to
    from leakscope.watching.recorder import single_census

    refuse_outputs(output, json_to, force=force)
    with connect_to(identify(parse_pid(pid))) as connected:
        recording = single_census(connected.target, connected.capture)
    text = render_census(recording, width=report_width(), rows=_TOP)
    deliver(text, render_census_json(recording), json_to, force=force)
    save(recording, output, force=force)
    note(f"snapshot written to {output}")
