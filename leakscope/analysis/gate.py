"""Whether a diagnosis keeps its budgets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from leakscope.analysis.baseline import Baseline
from leakscope.analysis.budgets import Budgets
from leakscope.analysis.findings import is_faint
from leakscope.analysis.follow import mean_size
from leakscope.analysis.growth import trends
from leakscope.analysis.names import path_of
from leakscope.model.finding import Diagnosis, Finding, Status, Verdict
from leakscope.model.gate import RSS, Breach, Budget, GateResult, KnownLeak, Measure, Missable
from leakscope.model.measurement import TypeTrend
from leakscope.model.recording import Ending, Recording
from leakscope.model.trend import Interval, KeyKind, Label, Trend
from leakscope.model.typenames import is_plain


def judge(
    diagnosis: Diagnosis,
    recording: Recording,
    budgets: Sequence[Budget] = (),
    *,
    known: Sequence[KnownLeak] = (),
    today: date = date.min,
) -> GateResult:
    """Return whether `diagnosis`, made of `recording`, keeps `budgets`.

    Judged is the growth of each confirmed finding by the most specific budget that matches its
    leading type or its holder, `NOTHING_MAY_GROW` if none does; the types that only grow along with
    it by budgets that name them (any but `*`); memory outside of Python's objects by a budget in
    bytes that names its layer, else by the one of resident memory, which is judged if there is a
    budget for it. A budget is exceeded when the lower bound of the growth is above it. What is
    `known`, grows no faster than it did and has not expired `today` lets the build pass.

    The gate passes when no budget is exceeded and every growth that may exceed one is settled.
    Raises `WrongUnit` when a budget is per something that was not counted.
    """
    held = _Held(recording, Budgets(diagnosis, tuple(budgets)))
    confirmed = [f for f in diagnosis.findings if f.status is Status.CONFIRMED]
    over = {finding: _most(held.breaches(finding)) for finding in confirmed}
    baseline = Baseline.of(known, today)
    let = {finding for finding in confirmed if baseline.lets(finding)}
    breaches = [
        replace(breach, note=baseline.note(finding))
        for finding, found in over.items()
        if finding not in let
        for breach in found
    ]
    unsettled = [*held.suspected(), *held.unconfirmed()]
    for breach, sure in held.resident():
        (breaches if sure else unsettled).append(breach)
    exceeded = {breach.fingerprint for breach in breaches}
    failed = {r.type for f in confirmed if f.fingerprint in exceeded for r in f.types}
    gone_on = failed | {breach.type for breach in breaches}
    let_through = _let_through(recording, gone_on, diagnosis.work.total)
    measured = _is_measured(diagnosis, recording)
    return GateResult(
        passed=measured and not breaches and not unsettled,
        breaches=_ordered(breaches),
        excluded=_largest(missable for key, missable in let_through if not is_plain(key)),
        excluded_plain=_largest(missable for key, missable in let_through if is_plain(key)),
        unsettled=_ordered(unsettled),
        known=baseline.entries(let),
        fixed=baseline.fixed(confirmed) if measured else (),
        found=baseline.entries(f for f in confirmed if f in let or over[f]),
        trends=moved_types(recording) if measured else None,
    )


def moved_types(recording: Recording) -> tuple[TypeTrend, ...]:
    """Return the trends of the types whose number changed once they had settled, by name.

    A type that is left out was always there as often, and one that grew is never left out. So a
    few dozen speak for all of a service's types.
    """
    return tuple(
        TypeTrend(trend.key, trend.label, trend.slope)
        for trend in trends(recording)
        if trend.kind is KeyKind.TYPE and (trend.label is not Label.FLAT or trend.slope.high > 0)
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What was measured, held against budgets."""

    recording: Recording
    budgets: Budgets

    def breaches(self, finding: Finding) -> list[Breach]:
        """Return what exceeds its budget in one finding, its leading type first."""
        if finding.growth.is_of_bytes:
            return self._of_memory(finding)
        holder = None if finding.holder is None else finding.holder.path
        budget = self.budgets.best(finding.type, holder)
        found = self._exceeds(finding.type, _growth(finding, budget), budget)
        widest = _relative(finding.growth.objects)
        for rate in finding.types:
            budget = self.budgets.best(rate.type)
            if rate.type != finding.type and budget.pattern != "*":
                slope = widest.scaled(rate.objects_per_work)
                if budget.measure is Measure.BYTES:
                    slope = slope.scaled(mean_size(self.recording.censuses[-1], rate.type))
                found += self._exceeds(rate.type, slope, budget)
        return [replace(b, holder=holder, fingerprint=finding.fingerprint) for b in found]

    def _of_memory(self, finding: Finding) -> list[Breach]:
        """Return what exceeds its budget in memory, and not in a number of objects.

        The budget of resident memory, where that is what counts, is held once: see `resident`.
        """
        budget = self.budgets.best_of_memory(finding.type, path_of(finding.chain))
        if budget.pattern == RSS:
            return []
        found = self._exceeds(finding.type, finding.growth.of_memory, budget)
        return [replace(breach, fingerprint=finding.fingerprint) for breach in found]

    def suspected(self) -> Iterable[Breach]:
        """Yield the suspicions that may exceed their budget."""
        for finding in self.budgets.diagnosis.findings:
            holder = None if finding.holder is None else finding.holder.path
            budget = self.budgets.best(finding.type, holder)
            growth = _growth(finding, budget)
            slope = None if growth is None else self.budgets.in_its_unit(growth, budget)
            if finding.status is Status.SUSPECTED and (slope is None or slope.high > budget.rate):
                yield Breach(
                    finding.type,
                    budget,
                    slope or finding.growth.objects,
                    holder=holder,
                    fingerprint=finding.fingerprint,
                )

    def unconfirmed(self) -> Iterable[Breach]:
        """Yield the types that rise at rest, above their budget for sure, without confirmation.

        In a server at rest little comes and goes, so such a rise is hardly noise, unless it is a
        faint one of the language's own types.
        """
        if not self.recording.at_rest:
            return
        diagnosis = self.budgets.diagnosis
        told = {rate.type for finding in diagnosis.findings for rate in finding.types}
        told |= {name for each in diagnosis.not_leaks for name in each.types}
        for trend in trends(self.recording):
            rises = trend.kind is KeyKind.TYPE and trend.label is Label.UNCONFIRMED
            doubtful = rises and not is_faint(trend)
            budget = self.budgets.best(trend.key)
            if doubtful and trend.key not in told and budget.measure is Measure.OBJECTS:
                yield from self._exceeds(trend.key, trend.slope, budget)

    def resident(self) -> Iterable[tuple[Breach, bool]]:
        """Yield what exceeds the budget of resident memory, and whether it does for sure."""
        budget, rss = self.budgets.rss, self.budgets.diagnosis.rss
        if budget is None:
            return
        if rss is None:
            nothing = Trend(KeyKind.RSS, RSS, Label.FLAT, Interval(0, 0, 0), 0, 0, "")
            yield Breach(RSS, budget, nothing.slope, note="it could not be read"), False
        elif rss.label in (Label.LINEAR, Label.UNCONFIRMED):
            for breach in self._exceeds(RSS, rss.slope, budget):
                yield breach, rss.label is Label.LINEAR

    def _exceeds(self, name: str, growth: Interval | None, budget: Budget) -> list[Breach]:
        if growth is None:
            return []
        slope = self.budgets.in_its_unit(growth, budget)
        return [Breach(name, budget, slope)] if slope.low > budget.rate else []


def _growth(finding: Finding, budget: Budget) -> Interval | None:
    """Return how fast a finding grows, in what its budget counts; None if that is not known."""
    growth = finding.growth
    return growth.bytes if budget.measure is Measure.BYTES else growth.objects


def _most(found: Sequence[Breach]) -> list[Breach]:
    """Return one breach for each type, the one with the largest excess."""
    by_type = {breach.type: breach for breach in sorted(found, key=_excess)}
    return list(by_type.values())


def _ordered(found: Sequence[Breach]) -> tuple[Breach, ...]:
    return tuple(sorted(_most(found), key=lambda b: (b.type == RSS, -_excess(b), b.type)))


def _excess(breach: Breach) -> float:
    return breach.slope.low - breach.budget.rate


def _is_measured(diagnosis: Diagnosis, recording: Recording) -> bool:
    """Return whether it was measured to the end, and long enough for a verdict."""
    too_short = diagnosis.verdict is Verdict.INCONCLUSIVE and not diagnosis.findings
    measured = diagnosis.verdict is not Verdict.NOT_MEASURED and not too_short
    return measured and recording.ending is Ending.COMPLETE


def _relative(interval: Interval) -> Interval:
    if interval.estimate <= 0:
        return Interval(1.0, 1.0, 1.0)
    return Interval(1.0, interval.low / interval.estimate, interval.high / interval.estimate)


def _let_through(
    recording: Recording, breached: set[str], work: float
) -> list[tuple[str, Missable]]:
    """Return the bounds of what was let through; of one object where nothing moved."""
    least = 1 / work if work > 0 else 0.0
    return [
        (trend.key, Missable("*" if trend.slope.high <= least else trend.key, high))
        for trend in trends(recording)
        for high in [max(least, trend.slope.high)]
        if trend.kind is KeyKind.TYPE and trend.key not in breached
    ]


def _largest(items: Iterable[Missable]) -> Missable | None:
    return min(items, key=lambda item: (-item.rate, item.type), default=None)
