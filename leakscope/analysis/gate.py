"""Budgets for growth, and whether a diagnosis keeps them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from leakscope.analysis.growth import trends
from leakscope.errors import UsageError
from leakscope.model.finding import Diagnosis, Finding, Status, Verdict
from leakscope.model.gate import Breach, Budget, GateResult, Missable
from leakscope.model.recording import Recording
from leakscope.model.trend import Interval, KeyKind
from leakscope.model.typenames import is_plain

NOTHING_MAY_GROW = Budget(pattern="*", rate=0.0, unit="")
"""What counts for types that no budget matches. Only confirmed growth exceeds it."""

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_SHORT_UNITS = {"s": "second", "sec": "second", "min": "minute", "h": "hour"}


class BadBudget(UsageError):
    """A budget that makes no sense."""

    hint = "Write TYPE-GLOB=RATE/UNIT, for example 'shop.*=0.01/request' or '*=0'."


class WrongUnit(UsageError):
    """A budget is per something that was not counted."""

    hint = "Count it with --work URL#NAME, or give the budget per second."


def parse_budget(text: str) -> Budget:
    """Return the budget written as `TYPE-GLOB=RATE[/UNIT]`.

    Units of time come out per `second`; without a unit the rate is per whatever is counted.
    Raises `BadBudget` on anything else.
    """
    pattern, equals, amount = (part.strip() for part in text.rpartition("="))
    if not equals:
        raise BadBudget(f"{text!r} is no budget: there is no '='")
    if not pattern:
        raise BadBudget(f"{text!r} is no budget: no type is named before '='")
    number, slash, unit = (part.strip() for part in amount.partition("/"))
    if slash and not unit.isidentifier():
        raise BadBudget(f"{text!r} is no budget: {unit!r} is no unit of work")
    unit = _singular(unit.lower())
    rate = _rate(number, text) / _SECONDS.get(unit, 1.0)
    return Budget(pattern=pattern, rate=rate, unit="second" if unit in _SECONDS else unit)


def judge(diagnosis: Diagnosis, recording: Recording, budgets: Sequence[Budget] = ()) -> GateResult:
    """Return whether `diagnosis`, made of `recording`, keeps `budgets`.

    Judged is the growth of each confirmed finding's leading type by the most specific budget that
    matches it, `NOTHING_MAY_GROW` if none does; the types that only grow along with it by budgets
    that name them (any but `*`). A budget is exceeded when the lower bound of the growth is above
    it. The gate passes when none is exceeded and the diagnosis is `clean` or `leaking` within its
    budgets. Raises `WrongUnit` when a budget is per something that was not counted.
    """
    book = _Book(diagnosis, tuple(budgets))
    confirmed = [f for f in diagnosis.findings if f.status is Status.CONFIRMED]
    breaches = [breach for finding in confirmed for breach in book.breaches(finding)]
    kept = {breach.type: breach for breach in sorted(breaches, key=_excess)}
    ordered = tuple(sorted(kept.values(), key=lambda b: (-_excess(b), b.type)))
    failed = {
        rate.type
        for finding in confirmed
        if any(breach.type == finding.type for breach in ordered)
        for rate in finding.types
    }
    settled = diagnosis.verdict in (Verdict.CLEAN, Verdict.LEAKING)
    let_through = _let_through(recording, failed | kept.keys())
    return GateResult(
        passed=settled and not ordered,
        breaches=ordered,
        excluded=_largest(item for item in let_through if not is_plain(item.type)),
        excluded_plain=_largest(item for item in let_through if is_plain(item.type)),
    )


@dataclass(frozen=True, slots=True)
class _Book:
    """The budgets, and what they are held against."""

    diagnosis: Diagnosis
    budgets: tuple[Budget, ...]

    def __post_init__(self) -> None:
        for budget in self.budgets:
            if budget.unit not in ("", "second", self.diagnosis.work.unit):
                raise WrongUnit(
                    f"the budget for {budget.pattern!r} is per {budget.unit}, "
                    f"but growth was measured per {self.diagnosis.work.unit}"
                )

    def breaches(self, finding: Finding) -> Iterable[Breach]:
        """Yield what exceeds its budget in one finding."""
        yield from self._held(finding.type, finding.growth.objects, self.best(finding.type))
        widest = _relative(finding.growth.objects)
        for rate in finding.types:
            budget = self.best(rate.type)
            if rate.type != finding.type and budget.pattern != "*":
                slope = Interval(
                    rate.objects_per_work,
                    rate.objects_per_work * widest.low,
                    rate.objects_per_work * widest.high,
                )
                yield from self._held(rate.type, slope, budget)

    def best(self, type_name: str) -> Budget:
        """Return the most specific budget: the longest pattern, the lowest rate among those."""
        matching = [
            budget
            for budget in self.budgets
            if any(fnmatchcase(name, budget.pattern) for name in _spellings(type_name))
        ]
        return min(matching, key=lambda b: (-len(b.pattern), b.rate), default=NOTHING_MAY_GROW)

    def _held(self, type_name: str, slope: Interval, budget: Budget) -> Iterable[Breach]:
        factor = self._factor(budget)
        low = slope.low * factor
        if low > budget.rate:
            yield Breach(
                type=type_name,
                budget=budget,
                slope=Interval(slope.estimate * factor, low, slope.high * factor),
            )

    def _factor(self, budget: Budget) -> float:
        """Return what turns growth as it was measured into growth as the budget has it."""
        if budget.unit != "second" or self.diagnosis.work.unit == "second":
            return 1.0
        seconds = self.diagnosis.seconds
        return self.diagnosis.work.total / seconds if seconds > 0 else 0.0


def _excess(breach: Breach) -> float:
    return breach.slope.low - breach.budget.rate


def _relative(interval: Interval) -> Interval:
    if interval.estimate <= 0:
        return Interval(1.0, 1.0, 1.0)
    return Interval(1.0, interval.low / interval.estimate, interval.high / interval.estimate)


def _spellings(type_name: str) -> tuple[str, ...]:
    """Return a type's names: `builtins.dict` is `dict` as well."""
    short = type_name.removeprefix("builtins.")
    return (type_name,) if short == type_name else (type_name, short)


def _let_through(recording: Recording, breached: set[str]) -> list[Missable]:
    return [
        Missable(trend.key, max(0.0, trend.slope.high))
        for trend in trends(recording)
        if trend.kind is KeyKind.TYPE and trend.key not in breached
    ]


def _largest(items: Iterable[Missable]) -> Missable | None:
    return min(items, key=lambda item: (-item.rate, item.type), default=None)


def _rate(number: str, text: str) -> float:
    try:
        rate = float(number)
    except ValueError:
        raise BadBudget(f"{text!r} is no budget: {number!r} is no number") from None
    if not math.isfinite(rate):
        raise BadBudget(f"{text!r} is no budget: the rate must be finite")
    if rate < 0:
        raise BadBudget(f"{text!r} is no budget: the rate is negative")
    return rate


def _singular(unit: str) -> str:
    unit = _SHORT_UNITS.get(unit, unit)
    if unit.endswith("ies"):
        return unit[:-3] + "y"
    return unit[:-1] if unit.endswith("s") and not unit.endswith("ss") else unit
