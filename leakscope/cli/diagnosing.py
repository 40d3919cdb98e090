"""What `watch`, `check` and `demo` share: record, diagnose, report, keep."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import FrameType

from leakscope.capture.niceness import crowd, niceness
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.systems import System
from leakscope.capture.work import WorkMeter
from leakscope.cli.console import colour_wanted, deliver, note, report_width
from leakscope.cli.live import Progress
from leakscope.errors import ExitCode
from leakscope.load.interface import Load
from leakscope.model.finding import Diagnosis, Verdict
from leakscope.model.recording import Recording
from leakscope.watching.captures import CaptureChoice, heap_keeper
from leakscope.watching.following import Follower, Part
from leakscope.watching.memory import ledger_taker
from leakscope.watching.opening import Connected, connect_to
from leakscope.watching.recorder import Plan, Recorder
from leakscope.watching.rest import Rest
from leakscope.watching.rounds import RoundRecorder
from leakscope.watching.series import Observer, Series, Sites

EXIT_CODES = {
    Verdict.LEAKING: ExitCode.LEAKING,
    Verdict.CLEAN: ExitCode.CLEAN,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.NOT_MEASURED: ExitCode.NOT_MEASURED,
}
SHARE = 0.09
"""Of a processor: what leakscope keeps for itself while it watches a service on a busy machine."""


def record(
    identity: ProcessIdentity,
    plan: Plan,
    *,
    meter: WorkMeter | None = None,
    sites: Sites = Sites.NEVER,
    choice: CaptureChoice = CaptureChoice.AUTO,
    keep: bool = False,
    longer: bool = False,
    follow: bool = False,
) -> Recording:
    """Attach, take the samples of `plan`, detach; Ctrl-C ends it early with what there is.

    With `keep` the recording has heap snapshots from either end, where they can be taken. With
    `longer` it goes on once for as long again if nothing can be told by then. With `follow` the
    process that takes the place of one that exits is watched for the rest of the time.
    """
    with stop_on_interrupt() as stop:

        def once(one: ProcessIdentity, its_plan: Plan) -> Part:
            with attached_recorder(
                one, its_plan, meter=meter, sites=sites, choice=choice, keep=keep, stop=stop
            ) as recorder:
                recorder.longer = longer
                return Part(recorder.record(its_plan), recorder.seen_alive)

        if not follow:
            return once(identity, plan).recording
        return Follower(once, meter=meter, told=note, stop=stop).follow(identity, plan)


@contextmanager
def attached_recorder(
    identity: ProcessIdentity,
    plan: Plan,
    *,
    meter: WorkMeter | None = None,
    sites: Sites = Sites.NEVER,
    choice: CaptureChoice = CaptureChoice.AUTO,
    keep: bool = False,
    stop: Event | None = None,
) -> Iterator[Recorder]:
    """Yield a recorder of an attached target that shows its progress; detach on leaving.

    Meanwhile this thread lets the target, and all others, have the processors first. Ctrl-C ends
    the recording, unless `stop`, which ends it then, is given by who sees to that.
    """
    with connect_to(identity, choice) as connected, ExitStack() as shown:
        note(f"{connected.description}; sampling every {plan.every:g}s for {plan.duration:g}s")
        shown.enter_context(standing_back(identity.system))
        progress = shown.enter_context(Progress())
        if stop is None:
            stop = shown.enter_context(stop_on_interrupt())
        series = series_of(connected, progress, sites=sites, keep=keep)
        yield Recorder(series, meter=meter, stop=stop)


def series_of(connected: Connected, observer: Observer, *, sites: Sites, keep: bool) -> Series:
    """Return the series of a connected target, told to `observer`; `keep` its heaps or not."""
    return Series(
        connected.target,
        connected.capture,
        observer=observer,
        sites=sites,
        keep_heap=heap_keeper(connected.capture) if keep else None,
        take_ledger=ledger_taker(connected.capture, connected.identity.pid),
        system=connected.identity.system,
    )


@contextmanager
def standing_back(system: System) -> Iterator[None]:
    """Let others have the processors first meanwhile, as far as samples still come in time."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(before, niceness(SHARE, crowd(system))))
    try:
        yield
    finally:
        with suppress(PermissionError):  # Only root may be less nice again.
            os.setpriority(os.PRIO_PROCESS, 0, before)


@contextmanager
def attached_rounds(
    identity: ProcessIdentity,
    load: Load,
    *,
    meter: WorkMeter | None = None,
    sites: Sites = Sites.NEVER,
    choice: CaptureChoice = CaptureChoice.AUTO,
    keep: bool = False,
) -> Iterator[RoundRecorder]:
    """Yield a recorder of rounds of `load`, as `attached_recorder` does; Ctrl-C ends a round."""
    with connect_to(identity, choice, at_rest=True) as connected:
        note(f"{connected.description}; a sample after each round of the load")
        with Progress() as progress, stop_on_interrupt(load.stop) as stop:
            series = series_of(connected, progress, sites=sites, keep=keep)
            yield RoundRecorder(series, load, Rest(identity), meter=meter, stop=stop)


def conclude(
    recording: Recording,
    *,
    output: Path | None = None,
    json_to: str | None = None,
    force: bool = False,
) -> Diagnosis:
    """Print the diagnosis, keep the recording if asked to, return the diagnosis."""
    from leakscope.analysis.diagnose import diagnose
    from leakscope.report.json import render_json
    from leakscope.report.terminal import render_terminal

    diagnosis = diagnose(recording)
    text = render_terminal(diagnosis, width=report_width(), color=colour_wanted())
    deliver(text, render_json(diagnosis), json_to, force=force)
    if output is not None:
        keep_recording(recording, output, force=force)
        note(f"recording written to {output}")
    return diagnosis


def keep_recording(recording: Recording, output: Path, *, force: bool) -> None:
    """Write a recording; without its heap snapshots, which is said, if they do not fit."""
    from leakscope.storage.errors import UnsavableRecording
    from leakscope.storage.files import save

    try:
        save(recording, output, force=force)
    except UnsavableRecording as problem:
        if not recording.heaps:
            raise
        save(replace(recording, heaps=()), output, force=force)
        note(f"its heap snapshots are left out: {problem}")


@contextmanager
def stop_on_interrupt(also: Callable[[], None] = lambda: None) -> Iterator[Event]:
    """Yield an event that the first Ctrl-C (or SIGTERM) sets; a second one interrupts.

    `also` is called then.
    """
    stop = Event()

    def end_early(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        also()

    previous = {number: signal.signal(number, end_early) for number in _ENDING_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
