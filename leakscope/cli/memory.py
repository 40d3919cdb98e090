"""`leakscope memory`: where the memory of a process went."""

from __future__ import annotations

import click

from leakscope.cli.console import colour_wanted, deliver, refuse_outputs, report_width
from leakscope.cli.options import capture_option, force_option, json_option
from leakscope.cli.sources import asked_of

_STAGES = 3


@click.command("memory")
@click.argument("source", metavar="PID|FILE")
@capture_option
@json_option
@force_option
def command(source: str, capture_kind: str, json_to: str | None, force: bool) -> None:
    """Show where the memory of process PID went, or of the one that FILE is of, layer by layer.

    The layers add up to its resident memory (RSS): objects that are alive, garbage, what the
    allocators of Python and of the C library have free, what C code has, stacks, files.
    """
    from leakscope.report.memory import render_ledger, render_ledger_json
    from leakscope.watching.memory import ledger_from_file, ledger_from_process

    refuse_outputs(None, json_to, force=force)
    ledger = asked_of(
        source,
        capture_kind,
        "which objects are alive",
        stages=_STAGES,
        process=ledger_from_process,
        file=lambda path, _told: ledger_from_file(path),
    )
    text = render_ledger(ledger, width=report_width(), color=colour_wanted())
    deliver(text, render_ledger_json(ledger), json_to, force=force)
