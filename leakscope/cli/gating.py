"""What `leakscope check` does: a server, a load, a recording, and budgets held against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge, parse_budget
from leakscope.capture.launch import launch
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.capture.work import WorkMeter
from leakscope.cli.console import colour_wanted, deliver, note, report_width
from leakscope.cli.diagnosing import EXIT_CODES, attached_recorder, keep_recording
from leakscope.cli.options import parse_duration
from leakscope.config import BadSettings, settings_from
from leakscope.errors import ExitCode, LeakscopeError, UsageError
from leakscope.model.finding import Diagnosis, Verdict
from leakscope.model.gate import Budget, GateResult
from leakscope.model.recording import Ending, Recording
from leakscope.report.gate import render_gate, render_gate_json
from leakscope.report.terminal import render_terminal
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.load import LoadLoop, load_running
from leakscope.watching.readiness import find_meter, wait_until_listening
from leakscope.watching.recorder import plan
from leakscope.watching.work import meter_for

_USUAL_EVERY_S = 2.0
_USUAL_DURATION_S = 30.0


class IncompleteCheck(UsageError):
    """The command line and the settings together do not say what to check."""

    hint = "For example: leakscope check --load 'wrk http://127.0.0.1:8080/' -- python -m shop"


class NothingServed(LeakscopeError):
    """The load ran and the server's work counter stood still."""

    hint = "Run the load command by itself: does it reach this server? Does --work count its work?"


class ServerEnded(LeakscopeError):
    """The server exited under load: that is no pass."""

    hint = "Its output is above; mend the server first."


@dataclass(frozen=True, slots=True)
class Request:
    """Everything a check needs to know."""

    server: tuple[str, ...]
    pid: int | None
    budgets: tuple[Budget, ...]
    load: str
    work: str | None
    every: float | None
    duration: float
    ready_timeout: float
    choice: CaptureChoice = CaptureChoice.AUTO

    @classmethod
    def merged(
        cls,
        *,
        server: tuple[str, ...],
        pid: int | None,
        max_growth: tuple[str, ...],
        load: str | None,
        work: str | None,
        every: float | None,
        duration: float | None,
        ready_timeout: float,
        choice: CaptureChoice = CaptureChoice.AUTO,
    ) -> Request:
        """Return what the command line says, completed by the project's settings.

        Raises a `UsageError` if something is missing or makes no sense.
        """
        settings = settings_from(Path.cwd())
        server = server or (() if pid is not None else settings.server)
        load = load or settings.load
        if not load:
            raise IncompleteCheck("no load command: nothing would be measured")
        if bool(server) == (pid is not None):
            raise IncompleteCheck("give either a server command behind `--` or --pid")
        return cls(
            server=server,
            pid=pid,
            budgets=tuple(parse_budget(text) for text in max_growth or settings.max_growth),
            load=load,
            work=work or settings.work,
            every=every if every is not None else _seconds(settings.every, "every"),
            duration=duration or _seconds(settings.duration, "for") or _USUAL_DURATION_S,
            ready_timeout=ready_timeout,
            choice=choice,
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """One measurement and what the gate says of it."""

    recording: Recording
    diagnosis: Diagnosis
    result: GateResult

    @classmethod
    def of(cls, recording: Recording, budgets: tuple[Budget, ...]) -> _Judged:
        diagnosis = diagnose(recording)
        return cls(recording, diagnosis, judge(diagnosis, recording, budgets))

    @property
    def is_doubtful(self) -> bool:
        """Whether another measurement is worth its time before a build fails of this one."""
        unsure = self.diagnosis.verdict is Verdict.INCONCLUSIVE and bool(self.diagnosis.findings)
        return self.recording.ending is Ending.COMPLETE and (unsure or bool(self.result.breaches))

    def after(self, first: _Judged) -> _Judged:
        """Return this measurement, told that it is the second of two."""
        grown = ", ".join(sorted({finding.type for finding in first.diagnosis.findings}))
        words = "goes on growing" if self.result.breaches else "does not grow in the second"
        told = f"Measured twice: {grown} grew in the first measurement and {words}."
        caveats = (*self.diagnosis.caveats, told)
        return replace(self, diagnosis=replace(self.diagnosis, caveats=caveats))


def run_gate(request: Request, *, output: Path | None, json_to: str | None, force: bool) -> int:
    """Measure, report, decide; return the exit code.

    What would fail the build is measured a second time, and only fails it if it goes on.
    """
    with _server(request) as identity:
        ports = wait_until_listening(identity, request.ready_timeout)
        with load_running(request.load) as load:
            meter = _meter(request, ports)
            judged = _measured(request, identity, meter, load, keep=output is not None)
        failure = load.failure
    recording, diagnosis, result = judged.recording, judged.diagnosis, judged.result
    text = render_terminal(diagnosis, width=report_width(), color=colour_wanted())
    deliver(
        f"{text.rstrip()}\n{render_gate(result, recording.work_unit, width=report_width())}",
        render_gate_json(diagnosis, result),
        json_to,
        force=force,
    )
    if output is not None:
        keep_recording(recording, output, force=force)
        note(f"recording written to {output}")
    if failure is not None:
        raise failure
    if recording.ending is Ending.TARGET_EXITED:
        raise ServerEnded("the server exited while it was measured")
    if result.breaches:
        return ExitCode.LEAKING
    if diagnosis.verdict is Verdict.LEAKING:  # Within its budget.
        return ExitCode.CLEAN
    return EXIT_CODES[diagnosis.verdict]


def _measured(
    request: Request,
    identity: ProcessIdentity,
    meter: WorkMeter | None,
    load: LoadLoop,
    *,
    keep: bool,
) -> _Judged:
    first = _Judged.of(_record(request, identity, meter, load, keep=keep), request.budgets)
    if load.failure is not None or not first.is_doubtful:
        return first
    note("something grows: measuring a second time, to be sure")
    second = _Judged.of(_record(request, identity, meter, load, keep=keep), request.budgets)
    return second.after(first)


def _record(
    request: Request,
    identity: ProcessIdentity,
    meter: WorkMeter | None,
    load: LoadLoop,
    *,
    keep: bool,
) -> Recording:
    schedule = plan(request.every, request.duration, usual=_USUAL_EVERY_S)
    with attached_recorder(
        identity, schedule, meter=meter, choice=request.choice, keep=keep
    ) as recorder:
        recorder.finished = load.failed
        recording = recorder.record(schedule)
    work = [census.work for census in recording.censuses if census.work is not None]
    if meter is not None and load.failure is None and len(work) > 1 and work[-1] <= work[0]:
        raise NothingServed(f"nothing was served: the counter stood still at {work[-1]:g}")
    return recording


def _meter(request: Request, ports: tuple[int, ...]) -> WorkMeter | None:
    """Return the work meter: the one asked for, or one that the server offers."""
    meter = meter_for(request.work) or find_meter(ports)
    per_work = [b for b in request.budgets if b.unit not in ("", "second")]
    if meter is None and per_work:
        raise IncompleteCheck(
            f"a budget is per {per_work[0].unit}, and no counter says how many there were",
            hint="Give --work URL#NAME, or a budget per second.",
        )
    return meter


@contextmanager
def _server(request: Request) -> Iterator[ProcessIdentity]:
    if request.pid is not None:
        yield identify(request.pid)
        return
    with launch(request.server, stop="terminate", stdout_to_stderr=True) as launched:
        yield launched.identity


def _seconds(text: str | None, key: str) -> float | None:
    if text is None:
        return None
    seconds = parse_duration(text)
    if seconds is None or seconds <= 0:
        raise BadSettings(f"tool.leakscope.{key}: {text!r} is no time span")
    return seconds
