"""Objects that get larger while their number stays, as findings: buffers, texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leakscope.analysis.beside import NO_OBJECTS, found_beside
from leakscope.analysis.explain import explain_size
from leakscope.analysis.follow import mean_size
from leakscope.analysis.growth import Growth as Grown
from leakscope.analysis.growth import Judged
from leakscope.analysis.names import is_named
from leakscope.analysis.sites import allocated_for
from leakscope.model.evidence import Step
from leakscope.model.finding import Finding, Growth
from leakscope.model.recording import Recording
from leakscope.model.typenames import bare

_BY_NUMBER = 0.5
"""Share of the bytes gained from which on it is the number of objects that grows."""
_HOLDING = frozenset(
    {"list", "dict", "tuple", "set", "frozenset", "deque", "OrderedDict", "defaultdict", "Counter"}
)
"""Types whose objects get larger by what they hold."""


def swelling_findings(
    recording: Recording, growth: Grown, findings: Sequence[Finding] = ()
) -> Iterator[Finding]:
    """Yield the types whose objects hold ever more bytes in the same number, most bytes first.

    A buffer that is only ever added to is one object, and gains in size alone. Not told is what
    `findings` explain: lists and dicts that get longer have entries, which are told there.
    """
    longer = {item.followed.type for item in growth.containers if item.grows or item.serious}
    longer |= {finding.holder.type for finding in findings if finding.holder is not None}
    told = {rate.type for finding in findings for rate in finding.types}
    for item in swelling(recording, growth):
        name = item.trend.key
        is_told = name in longer or name in told or (bool(findings) and bare(name) in _HOLDING)
        if not is_told:
            yield _finding(recording, item)


def swelling(recording: Recording, growth: Grown) -> list[Judged]:
    """Return the types whose objects, and not their number, get larger, most bytes first."""
    counts = {item.trend.key: item for item in growth.types}
    ordered = sorted(growth.sizes, key=lambda item: (-item.trend.slope.estimate, item.trend.key))
    return [
        item
        for item in ordered
        if item.grows and not _has_more(recording, item, counts[item.trend.key])
    ]


def _has_more(recording: Recording, size: Judged, count: Judged) -> bool:
    """Return whether it is the number of objects that makes their bytes grow."""
    if count.grows or count.serious:
        return True
    gained = count.trend.last - count.trend.first
    by_number = gained * mean_size(recording.censuses[0], size.trend.key)
    return by_number >= _BY_NUMBER * (size.trend.last - size.trend.first)


def _finding(recording: Recording, item: Judged) -> Finding:
    name = item.trend.key
    chain = _chain(recording, name)
    return found_beside(
        name,
        Growth(recording.work_unit, objects=NO_OBJECTS, bytes=item.trend.slope),
        item,
        explain_size(name, chain),
        chain=chain,
        allocated_at=allocated_for(recording.evidence.sites, type_name=name),
    )


def _chain(recording: Recording, name: str) -> tuple[Step, ...]:
    """Return the way to the object that grew most; empty if it has no name."""
    ways = [each.chain for each in recording.evidence.holders if each.type == name]
    return next((chain for chain in reversed(ways) if is_named(chain)), ())
