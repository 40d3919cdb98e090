"""`leakscope doctor`: can a process be diagnosed, and what is missing."""

from __future__ import annotations

import click

from leakscope.cli.arguments import parse_pid
from leakscope.cli.console import colour_wanted, deliver, refuse_outputs, report_width
from leakscope.cli.options import force_option, json_option
from leakscope.errors import ExitCode


@click.command("doctor")
@click.argument("pid", required=False)
@json_option
@force_option
def command(pid: str | None, json_to: str | None, force: bool) -> None:
    """Check this machine, and process PID if given: each precondition, and what to do.

    Nothing is run in the process. Exit status 3 if a check failed.
    """
    from leakscope.capture.checks import run_checks
    from leakscope.report.checks import render_checks, render_checks_json

    refuse_outputs(None, json_to, force=force)
    checks = run_checks(None if pid is None else parse_pid(pid))
    text = render_checks(checks, width=report_width(), color=colour_wanted())
    deliver(text, render_checks_json(checks), json_to, force=force)
    if any(check.status == "failed" for check in checks):
        raise SystemExit(ExitCode.NOT_MEASURED)
