"""Threads and open descriptors that grow, as findings or with those of objects. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from leakscope.analysis.beside import found_beside
from leakscope.analysis.growth import Growth as Grown
from leakscope.analysis.growth import Judged
from leakscope.analysis.holdings import same_rate
from leakscope.analysis.window import least_gains
from leakscope.model.finding import Exhausted, Finding, Growth
from leakscope.model.recording import Recording
from leakscope.model.trend import Interval, KeyKind

RESOURCES = {KeyKind.THREADS: "threads", KeyKind.FDS: "open descriptors"}
"""What is counted of a process, by the name that a finding and a budget have for it."""
_WHY = {
    KeyKind.THREADS: "Threads are started that never end, and no type of object was seen to grow "
    "with them: C code may start them. `leakscope threads PID` tells what they run and what they "
    "are called.",
    KeyKind.FDS: "Sockets, files or pipes are opened and never closed, and no type of object was "
    "seen to grow with them. `leakscope fds PID` tells where they lead and which objects they "
    "belong to; at the limit (`ulimit -n`) the process can open nothing more.",
}


def resource_findings(
    recording: Recording, growth: Grown, findings: Sequence[Finding] = ()
) -> Iterator[Finding]:
    """Yield what a process has ever more of, threads first, and none of `findings` explains.

    As much of it as it takes of objects: each time that the target is asked for its counter it
    may keep a connection for a while, and the descriptor with it.
    """
    (least,) = least_gains(growth.axis, [KeyKind.TYPE])
    for item in growth.process:
        is_much = item.grows and item.gain >= least
        if is_much and not any(_explains(finding, item) for finding in findings):
            kind = item.followed.kind
            grown = Growth(recording.work_unit, objects=item.trend.slope, bytes=None)
            found = found_beside(RESOURCES[kind], grown, item, _WHY[kind])
            yield _opening(found, recording, growth, item) if kind is KeyKind.FDS else found


def with_descriptors(
    findings: Sequence[Finding], recording: Recording, growth: Grown
) -> tuple[Finding, ...]:
    """Return findings, the one with the descriptors that grow as fast as one of its types.

    A leak of open files or connections ends when there can be no more of them, long before memory
    does. The first is taken that fits.
    """
    item = next((each for each in growth.process if each.followed.kind is KeyKind.FDS), None)
    if item is None or not item.grows:
        return tuple(findings)
    for place, finding in enumerate(findings):
        if _explains(finding, item):
            told = _opening(finding, recording, growth, item)
            return (*findings[:place], told, *findings[place + 1 :])
    return tuple(findings)


def _explains(finding: Finding, item: Judged) -> bool:
    """Return whether a type of a finding grows as fast as threads or descriptors do."""
    rates = (rate.objects_per_work for rate in finding.types)
    return any(same_rate(item.trend.slope, Interval(rate, rate, rate)) for rate in rates)


def _opening(finding: Finding, recording: Recording, growth: Grown, item: Judged) -> Finding:
    """Return a finding with what of the descriptors `item` came, and when there can be no more."""
    evidence = recording.evidence
    pace = item.trend.slope.estimate * growth.axis.per_second
    exhausted = None
    if evidence.most_open is not None and pace > 0:
        room = max(0.0, evidence.most_open - item.trend.last)
        exhausted = Exhausted(evidence.most_open, room / pace)
    return replace(finding, opened=evidence.opened, exhausted=exhausted)
