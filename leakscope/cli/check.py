"""`leakscope check`: a gate that fails when a server leaks under load."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.console import refuse_outputs
from leakscope.cli.options import (
    Duration,
    capture_option,
    every_option,
    force_option,
    json_option,
    output_option,
    work_option,
)

_EPILOG = """\b
Example:
  leakscope check --max-growth 'shop.*=0.01/request' \\
      --load 'wrk -d 10 http://127.0.0.1:8080/' -- python -m shop --port 8080

What is not given is taken from [tool.leakscope] in the nearest pyproject.toml.
"""


@click.command("check", epilog=_EPILOG)
@click.argument("server", nargs=-1, metavar="[-- SERVER-CMD...]", type=click.UNPROCESSED)
@click.option(
    "--max-growth",
    multiple=True,
    metavar="GLOB=RATE/UNIT",
    help="How fast types that match GLOB may grow, for example 'shop.*=0.01/request'; may be "
    "given several times, the longest pattern that matches counts. Nothing may grow by default.",
)
@click.option("--load", metavar="CMD", help="The command that drives the server; run repeatedly.")
@click.option("--pid", type=click.IntRange(1), help="Check a server that runs already.")
@every_option("2s")
@click.option("--for", "duration", type=Duration(least=0.2), help="How long.  [default: 30s]")
@click.option(
    "--ready-timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    help="How long the server may take until it listens.",
)
@work_option
@capture_option
@output_option(required=False, help_text="Keep the recording in FILE.")
@json_option
@force_option
def command(
    server: tuple[str, ...],
    max_growth: tuple[str, ...],
    load: str | None,
    pid: int | None,
    every: float | None,
    duration: float | None,
    ready_timeout: float,
    work: str | None,
    capture_kind: str,
    output: Path | None,
    json_to: str | None,
    force: bool,
) -> None:
    """Start a server, drive it with a load command, and fail if it leaks.

    The gate compares the lower bound of each growth with its budget. Work is counted by --work,
    or by a request counter that the server publishes at /metrics.
    """
    from leakscope.cli.gating import Request, run_gate
    from leakscope.watching.captures import CaptureChoice

    refuse_outputs(output, json_to, force=force)
    request = Request.merged(
        server=server,
        pid=pid,
        max_growth=max_growth,
        load=load,
        work=work,
        every=every,
        duration=duration,
        ready_timeout=ready_timeout,
        choice=CaptureChoice(capture_kind),
    )
    raise SystemExit(run_gate(request, output=output, json_to=json_to, force=force))
