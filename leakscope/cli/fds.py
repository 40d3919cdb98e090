"""`leakscope fds`: what a process has open."""

from __future__ import annotations

import click

from leakscope.cli.arguments import parse_pid
from leakscope.cli.console import colour_wanted, deliver, progress, refuse_outputs, report_width
from leakscope.cli.options import capture_option, force_option, json_option, limit_option

_STAGES = 4


@click.command("fds")
@click.argument("pid")
@limit_option("groups")
@capture_option
@json_option
@force_option
def command(pid: str, limit: int, capture_kind: str, json_to: str | None, force: bool) -> None:
    """Show what process PID has open: sockets, files, pipes and the rest.

    What leads to the same place is told together: connections to one server in one state, those
    from one client, files in one folder. With it comes the Python object that it belongs to, and
    who holds that. With `--capture readonly` nothing is run in the process, and what is open is
    told without the objects.
    """
    from leakscope.report.descriptors import render_descriptors, render_descriptors_json
    from leakscope.watching.captures import CaptureChoice
    from leakscope.watching.descriptors import descriptors_from_process

    refuse_outputs(None, json_to, force=force)
    with progress(_STAGES) as told:
        picture = descriptors_from_process(parse_pid(pid), CaptureChoice(capture_kind), limit, told)
    text = render_descriptors(picture, width=report_width(), color=colour_wanted())
    deliver(text, render_descriptors_json(picture), json_to, force=force)
