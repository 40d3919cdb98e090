"""What `leakscope check` does: a server, a load, a recording, and budgets held against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from leakscope.analysis.budgets import units_of
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.capture.launch import launch
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.capture.work import WorkMeter
from leakscope.cli.check_request import IncompleteCheck, Request
from leakscope.cli.console import colour_wanted, note, report_width
from leakscope.cli.diagnosing import attached_recorder, attached_rounds, keep_recording
from leakscope.cli.outputs import Outputs, deliver_reports
from leakscope.errors import ExitCode, LeakscopeError
from leakscope.load.command import CommandLoad
from leakscope.load.counted import Counting
from leakscope.load.interface import Load
from leakscope.load.loop import load_running
from leakscope.model.finding import Diagnosis, Verdict
from leakscope.model.gate import CanaryResult, GateResult, KnownLeak
from leakscope.model.recording import Ending, Recording
from leakscope.report.gate import render_gate, render_gate_json
from leakscope.report.terminal import render_terminal
from leakscope.storage.baseline import load_baseline, save_baseline
from leakscope.watching.canary import Canary, require_found
from leakscope.watching.captures import planting
from leakscope.watching.printed import Printed, printed
from leakscope.watching.readiness import (
    find_meter,
    wait_for,
    wait_until_answering,
    wait_until_listening,
    wait_until_said,
)
from leakscope.watching.recorder import Plan
from leakscope.watching.rounds import NothingServed, RoundPlan
from leakscope.watching.work import meter_for

_NOWHERE = "http://127.0.0.1:1"


class ServerEnded(LeakscopeError):
    """The server exited under load: that is no pass."""

    hint = "Its output is above; mend the server first."


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that is ready to be driven."""

    identity: ProcessIdentity
    ports: tuple[int, ...]
    """TCP ports it listens on, then those of its children."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was measured, and why no more."""

    recording: Recording
    failure: LeakscopeError | None = None
    canary: CanaryResult | None = None


@dataclass(frozen=True, slots=True)
class _Gate:
    """Judges recordings by what was asked for."""

    request: Request
    known: tuple[KnownLeak, ...]
    today: date

    def judge(self, recording: Recording) -> tuple[Diagnosis, GateResult]:
        diagnosis = diagnose(recording)
        result = judge(
            diagnosis, recording, self.request.budgets, known=self.known, today=self.today
        )
        return diagnosis, result

    def doubt(self, recording: Recording) -> str | None:
        """Return why a recording is not enough to decide, None if it is.

        Before a build fails, what grows has to go on.
        """
        diagnosis, result = self.judge(recording)
        if result.passed:
            return None
        names = [f.holder.path if f.holder is not None else f.type for f in diagnosis.findings]
        names += [breach.type for breach in result.unsettled if not breach.fingerprint]
        told = names[0] if names else diagnosis.reason
        return f"to be sure of what grows ({told})"


def run_gate(
    request: Request, *, output: Path | None, json_to: str | None, outputs: Outputs, force: bool
) -> int:
    """Measure, report, decide; return the exit code.

    What would fail the build is measured for as long again, and only fails it if it goes on.
    """
    known = load_baseline(request.baseline) if request.baseline is not None else ()
    gate = _Gate(request, known, date.today())
    _load(request, _NOWHERE)  # What makes no sense is told before anything starts.
    with _server(request) as server:
        load = _load(request, _base(server))
        measured = _measure(request, server, load, gate, keep=output is not None)
    recording = measured.recording
    diagnosis, result = gate.judge(recording)
    whole = measured.failure is None and (measured.canary is None or measured.canary.found)
    result = replace(result, passed=result.passed and whole, canary=measured.canary)
    text = render_terminal(diagnosis, width=report_width(), color=colour_wanted())
    decision = render_gate(result, recording.work_unit, width=report_width(), color=colour_wanted())
    deliver_reports(
        outputs,
        diagnosis,
        result,
        text=f"{text.rstrip()}\n{decision}",
        json_text=render_gate_json(diagnosis, result),
        json_to=json_to,
        force=force,
    )
    if output is not None:
        keep_recording(recording, output, force=force)
        note(f"recording written to {output}")
    if measured.failure is not None:
        raise measured.failure
    if recording.ending is Ending.TARGET_EXITED:
        raise ServerEnded("the server exited while it was measured")
    if measured.canary is not None:
        require_found(measured.canary, recording.work_unit)
    return _conclude(request, diagnosis, result)


def _load(request: Request, base: str) -> Load:
    """Return the load; `base` is the server whose paths may be asked for."""
    if request.load is not None:
        counting = Counting.by(request.count)
        return CommandLoad(request.load, within=request.round_timeout, counting=counting)
    from leakscope.load.http import HttpLoad

    return HttpLoad(request.client, base=base, within=request.round_timeout)


def _base(server: _Server) -> str:
    """Return the URL of a server: of its own lowest port, if it has any."""
    return f"http://127.0.0.1:{server.ports[0]}" if server.ports else _NOWHERE


def _conclude(request: Request, diagnosis: Diagnosis, result: GateResult) -> int:
    """Return the exit code; write the baseline first if that was asked for."""
    if result.passed or result.breaches:
        if request.update_baseline and request.baseline is not None:
            save_baseline(request.baseline, result.found)
            note(f"{len(result.found)} known leaks written to {request.baseline}")
            return ExitCode.CLEAN
        return ExitCode.LEAKING if result.breaches else ExitCode.CLEAN
    if diagnosis.verdict is Verdict.NOT_MEASURED:
        return ExitCode.NOT_MEASURED
    return ExitCode.INCONCLUSIVE


def _measure(
    request: Request, server: _Server, load: Load, gate: _Gate, *, keep: bool
) -> _Measured:
    if isinstance(request.pace, RoundPlan):
        return _by_rounds(request, request.pace, server, load, gate, keep=keep)
    return _by_the_clock(request, request.pace, server, load, gate, keep=keep)


def _by_rounds(
    request: Request, pace: RoundPlan, server: _Server, load: Load, gate: _Gate, *, keep: bool
) -> _Measured:
    meter = _meter(request, server)
    with attached_rounds(
        server.identity, load, meter=meter, sites=request.sites, choice=request.choice, keep=keep
    ) as recorder:
        recorder.accept = partial(_require_units, request)
        if request.canary is not None:
            recorder.canary = Canary(planting(recorder.series.capture), request.canary)
        if request.longer:
            recorder.doubt = gate.doubt
        recording = recorder.record(pace)
    if recorder.canary is None or recording.ending is not Ending.COMPLETE:
        return _Measured(recording, recorder.failure)
    return _Measured(recording, recorder.failure, recorder.canary.result(recording))


def _by_the_clock(
    request: Request, pace: Plan, server: _Server, load: Load, gate: _Gate, *, keep: bool
) -> _Measured:
    """Measure under load that goes on; a second time if the first would fail the build."""
    with load_running(load) as loop:
        meter = _meter(request, server)

        def once() -> Recording:
            with attached_recorder(
                server.identity,
                pace,
                meter=meter,
                sites=request.sites,
                choice=request.choice,
                keep=keep,
            ) as recorder:
                recorder.finished = loop.failed
                return recorder.record(pace)

        recording = once()
        _require_units(request, recording.work_unit)
        reason = gate.doubt(recording) if request.longer else None
        whole = recording.ending is Ending.COMPLETE and not loop.failed()
        if whole and reason is not None:
            note(f"something grows: measuring a second time, {reason}")
            recording = _told_twice(recording, once(), gate)
        failure = loop.failure
    work = [census.work for census in recording.censuses if census.work is not None]
    if meter is not None and failure is None and len(work) > 1 and work[-1] <= work[0]:
        failure = NothingServed(f"nothing was served: the counter stood still at {work[-1]:g}")
    return _Measured(recording, failure)


def _told_twice(first: Recording, second: Recording, gate: _Gate) -> Recording:
    """Return the second of two measurements, with what the first one showed."""
    grown = ", ".join(sorted({finding.type for finding in gate.judge(first)[0].findings}))
    goes_on = bool(gate.judge(second)[1].breaches)
    words = "goes on growing" if goes_on else "does not grow in the second"
    told = f"Measured twice: {grown} grew in the first measurement and {words}."
    return replace(second, caveats=(*second.caveats, told)) if grown else second


def _meter(request: Request, server: _Server) -> WorkMeter | None:
    """Return the work meter: the one asked for, or one that the server offers.

    None where the built-in client counts, round by round.
    """
    if request.work is not None:
        return meter_for(request.work)
    counts = request.load is None and isinstance(request.pace, RoundPlan)
    return None if counts else find_meter(server.ports)


def _require_units(request: Request, counted: str) -> None:
    """Raise unless what the budgets are per was counted."""
    units = units_of(request.budgets)
    if units and counted in ("second", "round"):
        raise IncompleteCheck(
            f"a budget is per {units[0]}, and nothing says how many there were",
            hint="Give --work URL#NAME, or --count with what the load command prints, or a budget "
            f"per {counted}.",
        )


@contextmanager
def _server(request: Request) -> Iterator[_Server]:
    """Yield the server once it is ready; end it on leaving if we started it."""
    if request.pid is not None:
        identity = identify(request.pid)
        yield _Server(identity, _ready(request, identity, None))
        return
    if request.ready.line is None:
        with launch(request.server, stop="terminate", stdout_to_stderr=True) as launched:
            with launched.awaited():
                ports = _ready(request, launched.identity, None)
            yield _Server(launched.identity, ports)
        return
    with (
        printed(request.ready.line) as output,
        launch(request.server, stop="terminate", output=output.descriptor) as launched,
    ):
        with launched.awaited():
            ports = _ready(request, launched.identity, output)
        yield _Server(launched.identity, ports)


def _ready(request: Request, identity: ProcessIdentity, output: Printed | None) -> tuple[int, ...]:
    """Wait until the server is ready; return its ports."""
    ready = request.ready
    if output is not None:
        wait_until_said(identity, output, ready.timeout)
    if ready.url is not None:
        wait_until_answering(identity, ready.url, ready.timeout)
    if ready.after is not None:
        return wait_for(identity, ready.after)
    return wait_until_listening(identity, ready.timeout)
