"""`leakscope top`: what there is most of in a heap snapshot."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.console import colour_wanted, deliver, progress, refuse_outputs, report_width
from leakscope.cli.options import force_option, json_option

_STAGES = 4


@click.command("top")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--by",
    type=click.Choice(["type", "retained", "holder", "garbage", "unheld"]),
    default="type",
    show_default=True,
    help="`type`: types by bytes. `retained`: objects by what would be freed with them. `holder`: "
    "containers by their entries. `garbage`: types of what only waits for the collector. `unheld`: "
    "types of what nobody seen holds: C code has references to it, or forgot to give them back.",
)
@click.option(
    "--rows", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to show."
)
@json_option
@force_option
def command(file: Path, by: str, rows: int, json_to: str | None, force: bool) -> None:
    """Show what there is most of in FILE, a snapshot or a recording with heap snapshots.

    Of several heap snapshots the last one counts. `leakscope why FILE @ADDRESS` tells more of an
    object.
    """
    from leakscope.report.top import render_top, render_top_json
    from leakscope.storage.files import load
    from leakscope.watching.explaining import last_heap
    from leakscope.watching.heap_top import TopBy, top_of

    refuse_outputs(None, json_to, force=force)
    with progress(_STAGES) as told:
        told("objects and references")
        top = top_of(last_heap(load(file, heaps=(-1,)), file, told), TopBy(by), rows)
    text = render_top(top, width=report_width(), color=colour_wanted())
    deliver(text, render_top_json(top), json_to, force=force)
