"""What became of the leaks of one run in another one. Pure.

A leak counts as fixed when its rate afterwards is compatible with nothing at all and no more than
`SMALL` of what it was can have been missed. The first alone would call every short run a fix.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from leakscope.analysis.counterpart import counterpart
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.finding import Verdict
from leakscope.model.fixes import SMALL, Basis, Fix, Fixes, Match, Resident, Row, Side
from leakscope.model.measurement import MeasuredLeak, Measurement, Rate, Rises

_WORST_FIRST = (Fix.WORSE, Fix.NEW, Fix.UNCHANGED, Fix.REDUCED, Fix.UNCLEAR, Fix.FIXED)

_Pairs = dict[int, tuple[int, Match]]


class NoMeasurement(LeakscopeError):
    """One of the two files tells nothing of growth."""

    hint = "Name recordings of `watch -o` or `check -o`, or JSON reports of `check`."


class DifferentUnits(UsageError):
    """Rates that are per different things cannot be held against each other."""

    hint = "Measure both in the same way: with --work, or both without."


def compare_runs(before: Measurement, after: Measurement) -> Fixes:
    """Return what became of every leak of `before` in `after`, and what is new there.

    Findings are matched one to one: by fingerprint, then by leading type and holder, then by
    leading type alone. Where one run has no finding, its side is the rate of the same container if
    it is the same process, else of the leading type. Where one run is per second and the other per
    unit of steady work both are taken per second. Raises `NoMeasurement`, `DifferentUnits`.
    """
    for run in (before, after):
        if run.verdict is Verdict.NOT_MEASURED:
            raise NoMeasurement(f"{run.name} holds no measurement: {run.reason}")
    units = before.unit, after.unit
    before, after = _in_one_unit(before, after)
    rows = tuple(_rows(before, after))
    return Fixes(
        before=before,
        after=after,
        unit=after.unit,
        rows=rows,
        fix=_worst(rows, settled=before.settled and after.settled),
        rss=_resident(before.rss, after.rss),
        notes=tuple(_notes(before, after, units)),
    )


def fix_of(before: Rate | None, after: Rate | None) -> Fix:
    """Return what became of a leak with these rates.

    Swapping the two swaps `fixed` and `new`, `reduced` and `worse`.
    """
    if before is None or after is None:
        return Fix.UNCLEAR
    sure = before.rises is Rises.YES, after.rises is Rises.YES
    if sure == (True, True):
        if after.slope.high < before.slope.low:
            return Fix.REDUCED
        return Fix.WORSE if after.slope.low > before.slope.high else Fix.UNCHANGED
    if sure[0] and _is_gone(after, before):
        return Fix.FIXED
    if sure[1] and _is_gone(before, after):
        return Fix.NEW
    return Fix.UNCLEAR


def _is_gone(rate: Rate, other: Rate) -> bool:
    return rate.rises is Rises.NO and rate.slope.high <= SMALL * other.slope.estimate


def _rows(before: Measurement, after: Measurement) -> Iterator[Row]:
    pairs = _matched(before.leaks, after.leaks)
    for place, leak in enumerate(before.leaks):
        partner, match = pairs.get(place, (None, None))
        there = (
            counterpart(leak, before, after)
            if partner is None
            else _found(after.leaks[partner], after)
        )
        yield _row(leak.type, _found(leak, before), there, match)
    taken = {partner for partner, _ in pairs.values()}
    for place, leak in enumerate(after.leaks):
        if place not in taken:
            yield _row(leak.type, counterpart(leak, after, before), _found(leak, after), None)


def _row(name: str, before: Side, after: Side, match: Match | None) -> Row:
    return Row(name, before, after, fix_of(before.rate, after.rate), match)


def _found(leak: MeasuredLeak, run: Measurement) -> Side:
    doubt = f"only suspected in {run.name}" if leak.rate.rises is Rises.PERHAPS else ""
    return Side(leak.rate, Basis.FINDING, leak.holder, leak.fingerprint, doubt)


def _matched(before: Sequence[MeasuredLeak], after: Sequence[MeasuredLeak]) -> _Pairs:
    """Return the place in `after` of each leak of `before` that is there, and by what it matched.

    Leaks that differ in a key only have one fingerprint: those whose paths agree come first.
    """
    pairs: _Pairs = {}
    steps: list[tuple[Match, Callable[[MeasuredLeak], Hashable]]] = [
        (Match.FINGERPRINT, lambda leak: (leak.fingerprint, leak.holder)),
        (Match.FINGERPRINT, lambda leak: leak.fingerprint),
        (Match.HOLDER, lambda leak: leak.holder and (leak.type, leak.holder)),
        (Match.TYPE, lambda leak: leak.type),
    ]
    for match, key in steps:
        taken = {place for place, _ in pairs.values()}
        waiting: dict[Hashable, list[int]] = {}
        for place in reversed(range(len(after))):
            if place not in taken and key(after[place]):
                waiting.setdefault(key(after[place]), []).append(place)
        for place, leak in enumerate(before):
            if place not in pairs and waiting.get(key(leak)):
                pairs[place] = waiting[key(leak)].pop(), match
    return pairs


def _worst(rows: Sequence[Row], *, settled: bool) -> Fix | None:
    found = {row.fix for row in rows}
    if not settled:
        found.add(Fix.UNCLEAR)
    return min(found, key=_WORST_FIRST.index, default=None)


def _resident(before: Rate | None, after: Rate | None) -> Resident:
    rises = any(rate is not None and rate.rises is Rises.YES for rate in (before, after))
    told = rises and before is not None and after is not None
    return Resident(before, after, fix_of(before, after) if told else None)


def _in_one_unit(before: Measurement, after: Measurement) -> tuple[Measurement, Measurement]:
    if before.unit == after.unit:
        return before, after
    seconds = before.per_second(), after.per_second()
    if seconds[0] is None or seconds[1] is None:
        raise DifferentUnits(
            f"{before.name} is per {before.unit}, {after.name} per {after.unit}: "
            "such rates cannot be compared"
        )
    return seconds[0], seconds[1]


def _notes(before: Measurement, after: Measurement, units: tuple[str, str]) -> Iterator[str]:
    for run in (before, after):
        if not run.settled:
            yield f"{run.name} is too short: {run.reason}"
    if units[0] != units[1]:
        yield f"one is per {units[0]}, the other per {units[1]}: both are taken per second"
    if after.unit == "second":
        yield "rates are per second: they can be compared if both runs did as much in a second"
    if _is_same_process(before, after):
        yield "both are of the same process"
    elif before.target.python != after.target.python:
        yield f"Python was {before.target.python} before and is {after.target.python} after"
    if before.kind is not after.kind:
        yield f"the captures differ: {before.kind.value} before, {after.kind.value} after"


def _is_same_process(before: Measurement, after: Measurement) -> bool:
    first, second = before.target, after.target
    return (first.pid, first.started) == (second.pid, second.started)
