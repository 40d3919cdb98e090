"""The verdict in one sentence, and what the reader must know to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.analysis.findings import is_faint
from leakscope.analysis.growth import Growth
from leakscope.analysis.layers import layers_of, leading_layer
from leakscope.analysis.names import path_of, short_path, short_type
from leakscope.analysis.resources import RESOURCES
from leakscope.model.evidence import GARBAGE, is_garbage
from leakscope.model.finding import Finding, Status, Verdict
from leakscope.model.memory import LayerKind
from leakscope.model.recording import Ending, Recording
from leakscope.model.trend import KeyKind, Label, Trend

MUCH = float(4 << 20)
"""Bytes of RSS that must have come without any Python type before that is worth a word."""

_WORTH_A_WORD = 0.01
"""Share of all objects of a plain type that must be new before a faint rise is told at all."""

_NEXT = {
    LayerKind.NATIVE: "C code keeps memory: `leakscope alloc` tells what was asked for through "
    "Python, a native profiler the rest",
    LayerKind.GARBAGE: "cycles pile up that gc does not get to: `leakscope top --by garbage` on a "
    "snapshot tells which",
    LayerKind.MALLOC_FREE: "freed memory is not given back: try MALLOC_ARENA_MAX=2, or jemalloc",
    LayerKind.PYTHON_FREE: "small objects that live long keep whole arenas of others",
    LayerKind.STACKS: "`leakscope threads` tells what threads run",
    LayerKind.FILES: "files that are mapped and not closed",
}
"""What to do about the layer that grows."""
_ENDINGS = {
    Ending.TARGET_EXITED: "The target exited while it was watched; this is what was seen until "
    "then.",
    Ending.LOST: "The target could not be measured to the end; this is what was seen until then.",
}


def verdict_of(
    recording: Recording, growth: Growth, findings: Sequence[Finding]
) -> tuple[Verdict, str]:
    """Return the verdict and the reason for it, in one sentence without a full stop."""
    samples = len(recording.censuses)
    if samples < 2:
        return Verdict.NOT_MEASURED, "one sample alone shows no growth"
    if growth.axis.total <= 0:
        return Verdict.NOT_MEASURED, (
            "no work was done while the target was watched"
            if recording.counts_work
            else "no time went by between the samples"
        )
    if growth.missing:
        return Verdict.INCONCLUSIVE, _too_short(growth, samples)
    if not findings:
        return Verdict.CLEAN, f"nothing went on growing over {samples} samples{_amount(growth)}"
    if findings[0].status is Status.CONFIRMED:
        return Verdict.LEAKING, _leaking(findings)
    return Verdict.INCONCLUSIVE, f"{subject_of(findings[0])} may be growing; a longer watch tells"


def caveats_of(
    recording: Recording, growth: Growth, findings: Sequence[Finding]
) -> tuple[str, ...]:
    """Return the caveats of the recording and those of its analysis, one sentence each."""
    found = list(recording.caveats)
    if recording.ending in _ENDINGS and not any("while it was watched" in c for c in found):
        found.append(_ENDINGS[recording.ending])
    idle = len(recording.censuses) - len(growth.axis.x)
    if idle and growth.axis.total > 0:
        found.append(
            f"Next to no work was done before {idle} of {len(recording.censuses)} samples; "
            "they are not counted."
        )
    if not findings and growth.rss is not None and growth.rss.grows and growth.rss.gain >= MUCH:
        slope = growth.rss.trend.slope
        found.append(
            f"No Python type grows, yet RSS rises by {slope.estimate:,.0f} bytes per "
            f"{recording.work_unit}: {_what_grows(recording)}."
        )
    told = {finding.type for finding in findings}
    if any(finding.opened for finding in findings):
        told.add(RESOURCES[KeyKind.FDS])
    found += [
        _of_process(item.trend, recording.work_unit)
        for item in growth.process
        if item.grows and RESOURCES[item.followed.kind] not in told
    ]
    faint = [
        item.trend
        for item in growth.types
        if item.grows
        and is_faint(item.trend)
        and item.trend.last - item.trend.first >= _WORTH_A_WORD * item.trend.last
    ]
    if not findings and faint:
        most = max(faint, key=lambda trend: (trend.slope.estimate, trend.key))
        found.append(
            f"{short_type(most.key)} rose by {most.last - most.first:,.0f} of {most.last:,.0f} and "
            "nothing was seen to hold them: garbage that awaits collection looks like this; a "
            "longer watch tells."
        )
    return tuple(dict.fromkeys(found))


def _what_grows(recording: Recording) -> str:
    """Return what may make resident memory grow where no type does."""
    layers = layers_of(recording)
    leading = None if layers is None else leading_layer(layers)
    if leading is None:
        return "native memory or fragmentation"
    return f"{leading.value} grows; {_NEXT.get(leading, '`leakscope memory PID` tells more')}"


def _of_process(trend: Trend, unit: str) -> str:
    return (
        f"{RESOURCES[trend.kind].capitalize()} rise by {trend.slope.estimate:.3g} per {unit}, "
        f"from {trend.first:,.0f} to {trend.last:,.0f}."
    )


def _too_short(growth: Growth, samples: int) -> str:
    counted = len(growth.axis.x)
    between = " with work between them" if counted < samples else ""
    more = f"{growth.missing} more {'is' if growth.missing == 1 else 'are'} needed"
    return f"{counted} samples{between} are too few for a verdict; {more}"


def _amount(growth: Growth) -> str:
    unsettled = sum(item.trend.label is Label.UNCONFIRMED for item in growth.types)
    types = "1 type" if unsettled == 1 else f"{unsettled} types"
    return f" ({types} rose without being confirmed)" if unsettled else ""


def _leaking(findings: Sequence[Finding]) -> str:
    first = subject_of(findings[0])
    others = len(findings) - 1
    if not others:
        return f"{first} grows steadily"
    return f"{first} grows steadily, and so {'does' if others == 1 else 'do'} {others} more"


def subject_of(finding: Finding) -> str:
    """Return what grows, as the beginning of a sentence."""
    if finding.holder is not None:
        return f"{short_path(finding.holder.path)} ({short_type(finding.type)})"
    if finding.growth.is_of_bytes and finding.chain:
        return f"{short_path(path_of(finding.chain))} ({short_type(finding.type)})"
    if is_garbage(finding.chain):
        return f"{GARBAGE} ({short_type(finding.type)})"
    if finding.unheld:
        return f"{short_type(finding.type)}, which nobody seen holds,"
    counted = finding.type in RESOURCES.values()
    return f"the number of {finding.type}" if counted else finding.type
