"""`leakscope compare`: whether a leak is gone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leakscope.cli.console import colour_wanted, deliver, note, report_width
from leakscope.cli.options import force_option, json_option
from leakscope.cli.outputs import STDOUT, Outputs, refuse_reports, report_option
from leakscope.errors import ExitCode
from leakscope.storage.output import write_atomically

if TYPE_CHECKING:
    from leakscope.model.fixes import Fixes
    from leakscope.model.measurement import Measurement

_EPILOG = """\b
Examples:
  leakscope compare before.lscope after.lscope
  leakscope compare main.json branch.json --markdown summary.md

Exit status: 0 everything is fixed and nothing is new, 1 something still grows, 3 one of the files
holds no measurement, 4 unclear.
"""


@click.command("compare", epilog=_EPILOG)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@json_option
@report_option("markdown", "the answer in GitHub's Markdown")
@force_option
def command(
    before: Path, after: Path, json_to: str | None, markdown_to: str | None, force: bool
) -> None:
    """Say whether the leaks of one run are gone in another: whether the fix worked.

    BEFORE and AFTER are recordings (`watch -o`, `check -o`) or JSON reports of `check`, in any mix.
    Each leak is shown with its rate before and after and the 95 % interval of both. It is fixed
    when the rate after is compatible with none and its upper bound is at most a tenth of the rate
    before.

    To see what grew within one process from file to file, use `leakscope diff`.
    """
    from leakscope.analysis.fixes import compare_runs
    from leakscope.report.fixes import render_fixes, render_fixes_markdown
    from leakscope.report.fixes_json import render_fixes_json

    refuse_reports(Outputs(markdown=markdown_to), json_to, force=force)
    fixes = compare_runs(*_measurements(before, after))
    printed = render_fixes(fixes, width=report_width(), color=colour_wanted())
    if markdown_to is not None:
        markdown = render_fixes_markdown(fixes)
        if markdown_to == STDOUT:
            printed = markdown
        else:
            write_atomically(Path(markdown_to), f"{markdown}\n".encode(), force=force)
            note(f"markdown report written to {markdown_to}")
    deliver(printed, render_fixes_json(fixes), json_to, force=force)
    raise SystemExit(int(_exit_code(fixes)))


def _exit_code(fixes: Fixes) -> ExitCode:
    from leakscope.model.fixes import Fix

    if fixes.leaks:
        return ExitCode.LEAKING
    return ExitCode.INCONCLUSIVE if fixes.fix is Fix.UNCLEAR else ExitCode.CLEAN


def _measurements(before: Path, after: Path) -> tuple[Measurement, Measurement]:
    """Return what two files measured; they are called by their names, or paths if those agree."""
    alike = before.name == after.name
    first, second = (str(file) if alike else file.name for file in (before, after))
    return _measurement(before, first), _measurement(after, second)


def _measurement(file: Path, name: str) -> Measurement:
    from leakscope.analysis.measurement import measurement_of
    from leakscope.storage.files import load
    from leakscope.storage.reports import is_report, load_report

    if is_report(file):
        return load_report(file, name)
    return measurement_of(load(file, heaps=False), name)
