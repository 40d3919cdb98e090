"""`leakscope snapshot`: what is alive now, kept in a file."""

from __future__ import annotations

from pathlib import Path

import click

from leakscope.cli.arguments import parse_pid
from leakscope.cli.console import note, progress, refuse_outputs
from leakscope.cli.options import capture_option, force_option, json_option, output_option

_TOP = 15
_STAGES = 5


@click.command("snapshot")
@click.argument("pid")
@capture_option
@output_option(required=True, help_text="The file to write.")
@json_option
@force_option
def command(pid: str, capture_kind: str, output: Path, json_to: str | None, force: bool) -> None:
    """Record every object of process PID and who refers to whom, and print what there is most of.

    Look into FILE with `leakscope top` and `leakscope why`, on any machine; compare two or more
    with `leakscope diff`. Where the heap cannot be frozen, FILE only counts types.
    """
    from leakscope.capture.process import identify
    from leakscope.cli.console import colour_wanted, deliver, report_width
    from leakscope.cli.diagnosing import keep_recording
    from leakscope.report.census import render_census, render_census_json
    from leakscope.watching.captures import CaptureChoice, heap_keeper
    from leakscope.watching.heap_top import summary_of
    from leakscope.watching.heap_view import HeapView
    from leakscope.watching.memory import ledger_taker
    from leakscope.watching.opening import connect_to
    from leakscope.watching.recorder import single_census

    refuse_outputs(output, json_to, force=force)
    choice = CaptureChoice(capture_kind)
    with connect_to(identify(parse_pid(pid)), choice) as connected, progress(_STAGES) as told:
        keep = heap_keeper(connected.capture, told)
        ledger = ledger_taker(connected.capture, connected.identity.pid)
        recording = single_census(connected.target, connected.capture, keep, ledger)
    heap = summary_of(HeapView(recording.heaps[-1])) if recording.heaps else None
    text = render_census(recording, heap, width=report_width(), rows=_TOP, color=colour_wanted())
    deliver(text, render_census_json(recording, heap), json_to, force=force)
    keep_recording(recording, output, force=force)
    note(f"snapshot written to {output}")
