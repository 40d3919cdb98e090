"""`leakscope check`: a gate that fails when a server leaks under load."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.check_options import budget_options, pace_options, ready_options
from leakscope.cli.console import refuse_outputs
from leakscope.cli.load_options import load_options
from leakscope.cli.options import (
    capture_option,
    chosen_sites,
    force_option,
    json_option,
    output_option,
    sites_option,
    work_option,
)
from leakscope.cli.outputs import Outputs, outputs_options, refuse_reports
from leakscope.cli.project import ProjectCommand, was_typed
from leakscope.load.plan import ClientPlan

_EPILOG = """\b
Examples:
  leakscope check --url '/orders/{n}' -- python -m shop --port 8080
  leakscope check --max-growth 'shop.*=0.01/request' \\
      --load 'wrk -d 2 http://127.0.0.1:8080/' -- python -m shop --port 8080

What is not given is taken from [tool.leakscope] in the nearest pyproject.toml: max-growth for
--max-growth, server for the command, and so on.

Exit status: 0 passed, 1 leak, 2 wrong usage, 3 not measured, 4 inconclusive. For `git bisect run`
use 125 instead of 3 and 4: sh -c 'leakscope check ...; s=$?; [ $s -gt 1 ] && exit 125; exit $s'
"""


@click.command("check", cls=ProjectCommand, epilog=_EPILOG)
@click.argument("server", nargs=-1, metavar="[-- SERVER-CMD...]", type=click.UNPROCESSED)
@click.option("--pid", type=click.IntRange(1), help="Check a server that runs already.")
@click.option("--load", metavar="CMD", help="The command that drives the server: one run, a round.")
@click.option(
    "--count",
    metavar="REGEX",
    help="Finds in what the load command prints how many requests it sent; one group. What wrk, "
    "ab, hey, oha, k6, locust, vegeta and others print is known.",
)
@load_options
@pace_options
@ready_options
@work_option
@budget_options
@capture_option
@sites_option
@output_option(required=False, help_text="Keep the recording in FILE.")
@json_option
@outputs_options
@force_option
@click.pass_context
def command(
    context: click.Context,
    server: tuple[str, ...],
    pid: int | None,
    load: str | None,
    count: str | None,
    client: ClientPlan,
    rounds: int | None,
    warm_up: int | None,
    round_timeout: float,
    every: float | None,
    duration: float | None,
    canary: float | None,
    no_longer: bool,
    ready_timeout: float,
    ready_url: str | None,
    ready_line: str | None,
    ready_after: float | None,
    work: str | None,
    max_growth: tuple[str, ...],
    baseline: Path | None,
    update_baseline: bool,
    capture_kind: str,
    sites: str,
    output: Path | None,
    json_to: str | None,
    outputs: Outputs,
    force: bool,
) -> None:
    """Start a server, drive it with identical rounds of load, and fail if it leaks.

    After each round the server comes to rest, and what is alive is counted. The gate compares the
    lower bound of each growth with its budget; a pass says what it could have missed. What would
    fail the build is measured for as long again first. Native memory that grows fails it as well.

    The load is a command, or the built-in client with --url or --requests. Work is counted by
    --work, or by the client, or by a request counter that the server publishes at /metrics, or by
    what the load command prints; else growth is per round.
    """
    from leakscope.analysis.budgets import parse_budget
    from leakscope.cli.check_request import ReadyWhen, Request, pace_of
    from leakscope.cli.gating import run_gate
    from leakscope.watching.captures import CaptureChoice

    refuse_outputs(output, json_to, force=force)
    refuse_reports(outputs, json_to, recording=output, force=force)
    choice = CaptureChoice(capture_kind)
    chosen = chosen_sites(sites, choice)
    asked = was_typed(context, "urls", "requests")
    request = Request(
        server=() if was_typed(context, "pid") and not was_typed(context, "server") else server,
        pid=None if was_typed(context, "server") and not was_typed(context, "pid") else pid,
        load=None if asked and not was_typed(context, "load") else load,
        client=ClientPlan() if was_typed(context, "load") and not asked else client,
        count=count,
        pace=pace_of(rounds=rounds, warm_up=warm_up, every=every, duration=duration),
        round_timeout=round_timeout,
        longer=not no_longer,
        canary=canary,
        ready=ReadyWhen.of(ready_timeout, ready_url, ready_line, ready_after),
        work=work,
        budgets=tuple(parse_budget(text) for text in max_growth),
        baseline=baseline,
        update_baseline=update_baseline,
        choice=choice,
        sites=chosen,
    )
    raise SystemExit(
        run_gate(request, output=output, json_to=json_to, outputs=outputs, force=force)
    )
