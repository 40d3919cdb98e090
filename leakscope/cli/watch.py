"""`leakscope watch`: from a pid or a command to a verdict."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from leakscope.cli.arguments import pid_or_command
from leakscope.cli.console import note, refuse_outputs
from leakscope.cli.options import (
    capture_option,
    chosen_sites,
    every_option,
    for_option,
    force_option,
    json_option,
    output_option,
    sites_option,
    work_option,
)
from leakscope.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from leakscope.capture.process import ProcessIdentity

Recorded = TypeVar("Recorded")

_EPILOG = """\b
Examples:
  leakscope watch 4242
  leakscope watch 4242 --for 10m --work http://127.0.0.1:8080/metrics#http_requests_total
  leakscope watch 4242 --children
  leakscope watch -o shop.lscope -- python -m shop --port 8080
"""


@click.command("watch", epilog=_EPILOG)
@click.argument("what", nargs=-1, metavar="PID | -- CMD...", type=click.UNPROCESSED)
@every_option("5s")
@for_option("60s")
@click.option(
    "--no-longer",
    is_flag=True,
    help="End after --for even if nothing can be told by then. Otherwise the watch goes on once, "
    "for as long again.",
)
@click.option(
    "--children",
    is_flag=True,
    help="The PID is the master of a pre-fork server: watch it and each Python process below it, "
    "at most 16 at a time, and report what they share.",
)
@click.option(
    "--no-follow",
    is_flag=True,
    help="If the process exits, do not go on with the one that is started in its place.",
)
@work_option
@capture_option
@sites_option
@output_option(
    required=False,
    help_text="Keep the recording in FILE, for compare, diff, top and why. With --children a file "
    "per process: the pid comes before the suffix.",
)
@json_option
@force_option
def command(
    what: tuple[str, ...],
    every: float | None,
    duration: float,
    no_longer: bool,
    children: bool,
    no_follow: bool,
    work: str | None,
    capture_kind: str,
    sites: str,
    output: Path | None,
    json_to: str | None,
    force: bool,
) -> None:
    """Watch a process and say what leaks, how fast and who holds it.

    Give the PID of a running Python service, or `--` and a command to start. Ctrl-C ends the
    measurement early, with a verdict from what was seen.

    A command that was started gets its signals passed on and is told to end (SIGTERM) after the
    measurement. If it ends by itself before, with no leak found, its exit status is leakscope's.
    """
    from leakscope.cli.diagnosing import EXIT_CODES, conclude, record
    from leakscope.cli.family import conclude_family, file_of, record_family
    from leakscope.watching.captures import CaptureChoice
    from leakscope.watching.recorder import plan
    from leakscope.watching.work import meter_for

    pid, argv = pid_or_command(what)
    kept = file_of(output, pid) if children and output and pid else output
    refuse_outputs(kept, json_to, force=force)
    choice = CaptureChoice(capture_kind)
    tracing = chosen_sites(sites, choice)
    meter = meter_for(work)
    schedule, keep = plan(every, duration), output is not None
    if children:
        together = partial(
            record_family, plan=schedule, work=work, sites=tracing, choice=choice, keep=keep
        )
        family, status = _recorded(pid, argv, partial(together, longer=not no_longer))
        verdict = conclude_family(family, output=output, json_to=json_to, force=force).verdict
    else:
        alone = partial(record, plan=schedule, meter=meter, sites=tracing, choice=choice, keep=keep)
        follow = partial(alone, longer=not no_longer, follow=not no_follow)
        recording, status = _recorded(pid, argv, follow)
        verdict = conclude(recording, output=output, json_to=json_to, force=force).verdict
    code = EXIT_CODES[verdict]
    raise SystemExit(status if status and code != ExitCode.LEAKING else int(code))


def _recorded(
    pid: int | None, argv: tuple[str, ...], record: Callable[[ProcessIdentity], Recorded]
) -> tuple[Recorded, int]:
    """Record a process, or a command; return its exit status too if it ended by itself."""
    from leakscope.capture.launch import launch
    from leakscope.capture.process import identify

    if pid is not None:
        return record(identify(pid)), 0
    with launch(argv, stop="terminate", stdout_to_stderr=True) as launched:
        recording = record(launched.identity)
        status = launched.returncode
    if status:
        note(f"the command ended with status {status}")
    return recording, status or 0
