"""`leakscope diff`: what grew from one file to the next."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.console import deliver, refuse_outputs, report_width
from leakscope.cli.options import force_option, json_option


@click.command("diff")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(1),
    default=25,
    show_default=True,
    help="How many types to show; the JSON has them all.",
)
@json_option
@force_option
def command(files: tuple[Path, ...], top: int, json_to: str | None, force: bool) -> None:
    """Show how the types grew from file to file (snapshots or recordings), most first.

    With three files or more each type has a slope with its 95 % interval. One recording alone is
    compared with itself, first sample to last.
    """
    from leakscope.analysis.compare import compare
    from leakscope.report.comparison import render_comparison, render_comparison_json
    from leakscope.storage.files import load

    refuse_outputs(None, json_to, force=force)
    comparison = compare([load(file) for file in files])
    text = render_comparison(comparison, width=report_width(), rows=top)
    deliver(text, render_comparison_json(comparison), json_to, force=force)
