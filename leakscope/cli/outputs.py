"""The reports that CI takes: where they were asked for, and writing them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from leakscope.cli.console import deliver, note
from leakscope.errors import UsageError
from leakscope.storage.output import refuse_unwritable, write_atomically

if TYPE_CHECKING:
    from leakscope.model.finding import Diagnosis
    from leakscope.model.gate import GateResult
    from leakscope.report.places import Checkout

STDOUT = "-"

Command = TypeVar("Command", bound=Callable[..., Any])


class CrossedOutputs(UsageError):
    """Two reports would end up in one place."""

    hint = "Give each report a file of its own; only one can be `-`, and then stdout has it alone."


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which reports are wanted, and where: a file each, or `-` for stdout."""

    markdown: str | None = None
    junit: str | None = None
    sarif: str | None = None
    annotations: bool | None = None
    """On stdout, below the report. None means: in a workflow of GitHub Actions, if stdout has the
    report for people."""

    def targets(self) -> tuple[tuple[str, str], ...]:
        """Return the options that were given, with their targets."""
        named = (("--markdown", self.markdown), ("--junit", self.junit), ("--sarif", self.sarif))
        return tuple((option, to) for option, to in named if to is not None)

    def annotates(self, json_to: str | None) -> bool:
        """Return whether annotations are printed."""
        if self.annotations is None:
            taken = STDOUT in (json_to, *(to for _, to in self.targets()))
            return os.environ.get("GITHUB_ACTIONS") == "true" and not taken
        return self.annotations


@dataclass(frozen=True, slots=True)
class _Report:
    """One report that is wanted."""

    option: str
    to: str
    text: str


def outputs_options(command: Command) -> Command:
    """`--markdown`, `--junit`, `--sarif`, `--annotations`: the command gets them as `outputs`."""

    @wraps(command)
    def gathered(
        *args: Any,  # noqa: ANN401  # What other options give is for the command alone.
        markdown_to: str | None,
        junit_to: str | None,
        sarif_to: str | None,
        annotations: bool | None,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        outputs = Outputs(markdown_to, junit_to, sarif_to, annotations)
        return command(*args, outputs=outputs, **options)

    wanted: Any = gathered
    for option in reversed(_OPTIONS):
        wanted = option(wanted)
    return wanted  # type: ignore[no-any-return]


def report_option(name: str, what: str) -> Callable[[Command], Command]:
    """`--NAME FILE|-`: where a report goes that says `what`; the command gets it as `NAME_to`."""
    return click.option(
        f"--{name}",
        f"{name}_to",
        metavar="FILE|-",
        help=f"Write {what} to FILE; `-` prints it on stdout instead of the text.",
    )


_OPTIONS = (
    report_option("markdown", "a summary in GitHub's Markdown"),
    report_option("junit", "JUnit XML"),
    report_option("sarif", "SARIF 2.1.0, for code scanning,"),
    click.option(
        "--annotations/--no-annotations",
        default=None,
        help="Print GitHub workflow commands that annotate the run.  "
        "[default: if GITHUB_ACTIONS=true]",
    ),
)


def refuse_reports(
    outputs: Outputs, json_to: str | None, *, recording: Path | None = None, force: bool
) -> None:
    """Raise before any work is done if the reports can not all be written where they should.

    Raises `CrossedOutputs` if two of them, the JSON report and the recording share a target,
    `OutputExists` or `CannotWrite` for the file of a report.
    """
    taken: dict[str, str] = {}
    others = (("--output", recording), ("--json", json_to))
    given = [(option, str(to)) for option, to in others if to is not None]
    for option, to in (*given, *outputs.targets()):
        place = to if to == STDOUT else os.path.realpath(to)
        if place in taken:
            raise CrossedOutputs(f"{taken[place]} and {option} both write to {to}")
        taken[place] = option
    if outputs.annotations and STDOUT in taken:
        raise CrossedOutputs(f"{taken[STDOUT]} and --annotations both write to {STDOUT}")
    for _, to in outputs.targets():
        if to != STDOUT:
            refuse_unwritable(Path(to), force=force)


def deliver_reports(
    outputs: Outputs,
    diagnosis: Diagnosis,
    gate: GateResult | None,
    *,
    text: str,
    json_text: str,
    json_to: str | None,
    force: bool,
) -> None:
    """Print the report that stdout is to have, write all others to their files, then annotate.

    `text` is for stdout unless another report was asked for there. Each file is there whole or not
    at all; nothing is written if one of them can not be. Where there are annotations, the runner
    is told to take no line of the text for a command: names of the target are in it.
    """
    refuse_reports(outputs, json_to, force=force)
    reports = tuple(_rendered(outputs, diagnosis, gate))
    printed = next((report.text for report in reports if report.to == STDOUT), text)
    annotates = outputs.annotates(json_to)
    if annotates:
        end = os.urandom(16).hex()
        printed = f"::stop-commands::{end}\n{printed}\n::{end}::"
    deliver(printed, json_text, json_to, force=force)
    for report in reports:
        if report.to != STDOUT:
            write_atomically(Path(report.to), f"{report.text}\n".encode(), force=force)
            note(f"{report.option.removeprefix('--')} report written to {report.to}")
    if annotates:
        from leakscope.report.annotations import render_annotations

        commands = render_annotations(diagnosis, gate, _checkout())
        if commands:
            click.echo(commands)


def _rendered(outputs: Outputs, diagnosis: Diagnosis, gate: GateResult | None) -> Iterator[_Report]:
    for option, to in outputs.targets():
        yield _Report(option, to, _render(option, diagnosis, gate))


def _render(option: str, diagnosis: Diagnosis, gate: GateResult | None) -> str:
    if option == "--markdown":
        from leakscope.report.markdown import render_markdown

        return render_markdown(diagnosis, gate)
    if option == "--junit":
        from leakscope.report.junit import render_junit

        return render_junit(diagnosis, gate)
    from leakscope.report.sarif import render_sarif

    return render_sarif(diagnosis, gate, _checkout())


def _checkout() -> Checkout:
    from leakscope.report.places import Checkout

    here = str(Path.cwd())
    return Checkout(root=os.environ.get("GITHUB_WORKSPACE") or here, start=here)
