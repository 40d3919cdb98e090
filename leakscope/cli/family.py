"""`leakscope watch --children`: record a master and its workers, report what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leakscope.capture.process import ProcessIdentity
from leakscope.capture.work import PrometheusCounter
from leakscope.cli.console import colour_wanted, deliver, note, report_width
from leakscope.cli.diagnosing import keep_recording, series_of, standing_back, stop_on_interrupt
from leakscope.cli.family_live import FamilyProgress
from leakscope.errors import LeakscopeError
from leakscope.model.family import FamilyDiagnosis, FamilyRecording
from leakscope.model.recording import Recording
from leakscope.report.text import duration, printable
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.family import FamilyRecorder
from leakscope.watching.opening import connect_to
from leakscope.watching.recorder import Plan
from leakscope.watching.series import Series, Sites
from leakscope.watching.shared_work import SharedWork


def record_family(
    master: ProcessIdentity,
    plan: Plan,
    *,
    work: str | None = None,
    sites: Sites = Sites.NEVER,
    choice: CaptureChoice = CaptureChoice.AUTO,
    keep: bool = False,
    longer: bool = False,
) -> FamilyRecording:
    """Attach to a master and its workers, take the samples of `plan`, detach from all.

    Ctrl-C ends it early with what there is. `keep` and `longer` are as for `record`.
    """
    with (
        FamilyProgress() as progress,
        stop_on_interrupt() as stop,
        standing_back(master.system),
    ):

        @contextmanager
        def opened(identity: ProcessIdentity) -> Iterator[Series]:
            with connect_to(identity, choice) as connected:
                progress.noted(connected.description)
                yield series_of(connected, progress.of_one(identity.pid), sites=sites, keep=keep)

        counter = None if work is None else SharedWork(PrometheusCounter.from_option(work))
        recorder = FamilyRecorder(
            master, opened, work=counter, observer=progress, longer=longer, stop=stop
        )
        progress.noted(
            f"sampling pid {master.pid} and its workers, one after the other, every "
            f"{plan.every:.3g}s for {duration(plan.duration)}"
        )
        return recorder.record(plan)


def conclude_family(
    recording: FamilyRecording,
    *,
    output: Path | None = None,
    json_to: str | None = None,
    force: bool = False,
) -> FamilyDiagnosis:
    """Print the diagnosis, keep a recording per process if asked to, return the diagnosis."""
    from leakscope.analysis.family import diagnose_family
    from leakscope.report.family import render_family
    from leakscope.report.family_json import render_family_json

    family = diagnose_family(recording)
    text = render_family(family, width=report_width(), color=colour_wanted())
    deliver(text, render_family_json(family), json_to, force=force)
    if output is not None:
        _keep(recording, output, force=force)
    return family


def file_of(output: Path, pid: int) -> Path:
    """Return where the recording of one process goes: `a.4242.lscope` for `a.lscope`."""
    return output.with_name(f"{output.stem}.{pid}{output.suffix}")


def _keep(family: FamilyRecording, output: Path, *, force: bool) -> None:
    """Write all recordings; one that cannot be written does not keep the others from it."""
    problems = [
        problem
        for member in family.members
        if (problem := _kept(member.recording, output, force=force)) is not None
    ]
    if problems:
        raise problems[0]


def _kept(recording: Recording, output: Path, *, force: bool) -> LeakscopeError | None:
    path = file_of(output, recording.target.pid)
    try:
        keep_recording(recording, path, force=force)
    except LeakscopeError as problem:
        note(f"{path} was not written: {printable(str(problem))}")
        return problem
    note(f"recording of pid {recording.target.pid} written to {path}")
    return None
