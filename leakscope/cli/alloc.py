"""`leakscope alloc`: which lines allocate what stays."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.arguments import parse_pid
from leakscope.cli.console import colour_wanted, deliver, note, refuse_outputs, report_width
from leakscope.cli.options import (
    for_option,
    force_option,
    json_option,
    limit_option,
    sample_bytes_option,
)

_EPILOG = """\b
Examples:
  leakscope alloc 4242
  leakscope alloc 4242 --for 5m -o shop.pb.gz && go tool pprof -top shop.pb.gz
  leakscope alloc 4242 --folded - | flamegraph.pl > shop.svg
"""


@click.command("alloc", epilog=_EPILOG)
@click.argument("pid")
@for_option("30s")
@sample_bytes_option
@click.option(
    "--alloc",
    "allocated",
    is_flag=True,
    help="Show all that is allocated, not only what of it stays in use.",
)
@click.option("--no-types", is_flag=True, help="Do not look at the end which types they are.")
@limit_option("places", 10)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the profile in FILE as pprof reads it (profile.pb.gz).",
)
@click.option(
    "--folded",
    metavar="FILE|-",
    help="Write one line per stack to FILE, for flame graphs; `-` prints them instead of the text.",
)
@json_option
@force_option
def command(
    pid: str,
    duration: float,
    sample_bytes: int,
    allocated: bool,
    no_types: bool,
    limit: int,
    output: Path | None,
    folded: str | None,
    json_to: str | None,
    force: bool,
) -> None:
    """Show which lines of process PID allocate what stays in use.

    Allocations are sampled, one per 512 KiB on average, by hooks in the interpreter's allocators,
    from now on and for a while; what was there before is not seen. Large blocks are sampled more
    rarely (see --sample-bytes). That slows a service that does nothing but allocate by some
    percent. It takes at most 25 MiB in the process and half a KiB for each sample, usually less
    than one MiB, and all of it is taken out at the end. Ctrl-C ends it early with what there is.
    """
    from leakscope.capture.process import identify
    from leakscope.cli.diagnosing import stop_on_interrupt
    from leakscope.report.allocation import (
        render_allocations,
        render_allocations_json,
        render_folded,
    )
    from leakscope.report.pprof import render_pprof
    from leakscope.storage.output import write_atomically
    from leakscope.watching.allocation import SamplingPlan, profile_process
    from leakscope.watching.opening import connect_to

    if folded == "-" and json_to == "-":
        raise click.UsageError("--folded - and --json - cannot both be printed")
    refuse_outputs(output, json_to, force=force)
    refuse_outputs(None, folded, force=force)
    with connect_to(identify(parse_pid(pid))) as connected, stop_on_interrupt() as stop:
        said = f"{connected.description}; sampling allocations for {duration:g}s"
        plan = SamplingPlan(duration, sample_bytes, types=not no_types)
        profile = profile_process(connected, plan, stop, begun=lambda: note(said))
    lines = render_folded(profile, allocated=allocated) if folded else ""
    text = render_allocations(
        profile, allocated=allocated, limit=limit, width=report_width(), color=colour_wanted()
    )
    if folded and folded != "-":
        write_atomically(Path(folded), (lines + "\n").encode(), force=force)
        note(f"folded stacks written to {folded}")
    if output is not None:
        write_atomically(output, render_pprof(profile), force=force)
        note(f"profile written to {output}")
    deliver(
        lines if folded == "-" else text, render_allocations_json(profile), json_to, force=force
    )
