"""`leakscope why`: the chain that keeps objects of a type alive."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.arguments import parse_pid
from leakscope.cli.console import deliver, refuse_outputs, report_width
from leakscope.cli.options import force_option, json_option


@click.command("why")
@click.argument("source", metavar="PID|FILE")
@click.argument("type_name", metavar="TYPE")
@json_option
@force_option
def command(source: str, type_name: str, json_to: str | None, force: bool) -> None:
    """Show why objects of TYPE are alive: who holds them, from a named root down.

    TYPE is a qualified name such as `shop.audit.Record`; the last part is enough if only one
    type is called so.
    """
    from leakscope.report.why import render_why, render_why_json
    from leakscope.watching.explaining import explain_from_file, explain_from_process

    refuse_outputs(None, json_to, force=force)
    if source.isdigit() and not Path(source).exists():
        answer = explain_from_process(parse_pid(source), type_name)
    else:
        answer = explain_from_file(Path(source), type_name)
    deliver(
        render_why(answer.type, answer.evidence, width=report_width()),
        render_why_json(answer.type, answer.evidence),
        json_to,
        force=force,
    )
