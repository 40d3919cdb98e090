"""Budgets as people write them, and which of them counts for what. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from leakscope.analysis.sizes import AMOUNT, SIZES
from leakscope.errors import UsageError
from leakscope.model.finding import Diagnosis
from leakscope.model.gate import RSS, Budget, Measure
from leakscope.model.trend import Interval

NOTHING_MAY_GROW = Budget(pattern="*", rate=0.0, unit="")
"""What counts for types that no budget matches. Only confirmed growth exceeds it."""

_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_SHORT_UNITS = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "d": "day"}


class BadBudget(UsageError):
    """A budget that makes no sense."""

    hint = "Write GLOB=RATE/UNIT, for example 'shop.*=0.01/request', '*=0' or 'rss=1KiB/request'."


class WrongUnit(UsageError):
    """A budget is per something that was not counted."""

    hint = "Count it with --work URL#NAME, or give the budget per second."


def parse_budget(text: str) -> Budget:
    """Return the budget written as `GLOB=RATE[/UNIT]`; the rate in objects, or in bytes (`1KiB`).

    Units of time come out per `second`; without a unit the rate is per whatever is counted.
    Raises `BadBudget` on anything else.
    """
    pattern, equals, amount = (part.strip() for part in text.rpartition("="))
    if not equals:
        raise BadBudget(f"{text!r} is no budget: there is no '='")
    if not pattern:
        raise BadBudget(f"{text!r} is no budget: nothing is named before '='")
    number, slash, unit = (part.strip() for part in amount.partition("/"))
    if slash and not unit.isidentifier():
        raise BadBudget(f"{text!r} is no budget: {unit!r} is no unit of work")
    unit = _singular(unit.lower())
    rate, measure = _rate(number, text)
    if pattern == RSS and measure is Measure.OBJECTS:
        if rate:
            raise BadBudget(f"{text!r} is no budget: resident memory is counted in bytes, as 1KiB")
        measure = Measure.BYTES
    return Budget(
        pattern=pattern,
        rate=rate / _SECONDS.get(unit, 1.0),
        unit="second" if unit in _SECONDS else unit,
        measure=measure,
    )


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets of one check, held against what was measured."""

    diagnosis: Diagnosis
    budgets: tuple[Budget, ...]

    def __post_init__(self) -> None:
        for budget in self.budgets:
            if budget.unit not in ("", "second", self.diagnosis.work.unit):
                raise WrongUnit(
                    f"the budget for {budget.pattern!r} is per {budget.unit}, "
                    f"but growth was measured per {self.diagnosis.work.unit}"
                )

    def best(self, type_name: str, holder: str | None = None) -> Budget:
        """Return the most specific budget: the longest pattern, the lowest rate among those."""
        names = (*_spellings(type_name), *(() if holder is None else (holder,)))
        return min(self._matching(names), key=_specific, default=NOTHING_MAY_GROW)

    def best_of_memory(self, name: str, place: str = "") -> Budget:
        """Return the budget of memory that grows, in bytes: a layer, or objects of a type.

        `place` is where the object is that gets larger, if that is known. A budget in objects says
        nothing of it. Resident memory that may grow may be of any layer.
        """
        names = [*_spellings(name), *([place] if place else [])]
        in_bytes = [b for b in self._matching(names) if b.measure is Measure.BYTES]
        nothing = replace(NOTHING_MAY_GROW, measure=Measure.BYTES)
        return min(in_bytes, key=_specific, default=self.rss or nothing)

    @property
    def rss(self) -> Budget | None:
        """The budget for resident memory, None if there is none."""
        of_rss = (budget for budget in self.budgets if budget.pattern == RSS)
        return min(of_rss, key=lambda budget: budget.rate, default=None)

    def _matching(self, names: Sequence[str]) -> list[Budget]:
        """Return the budgets, but those of resident memory, that match one of `names`."""
        return [
            budget
            for budget in self.budgets
            if budget.pattern != RSS and any(fnmatchcase(n, budget.pattern) for n in names)
        ]

    def in_its_unit(self, slope: Interval, budget: Budget) -> Interval:
        """Return growth per unit of work, as it was measured, in the budget's own unit."""
        if budget.unit != "second" or self.diagnosis.work.unit == "second":
            return slope
        seconds = self.diagnosis.seconds
        return slope.scaled(self.diagnosis.work.total / seconds if seconds > 0 else 0.0)


def units_of(budgets: Iterable[Budget]) -> tuple[str, ...]:
    """Return the units of work that budgets are per, time aside, in their order."""
    return tuple(dict.fromkeys(b.unit for b in budgets if b.unit not in ("", "second")))


def _specific(budget: Budget) -> tuple[int, float, str]:
    return -len(budget.pattern), budget.rate, budget.measure.value


def _spellings(type_name: str) -> tuple[str, ...]:
    """Return a type's names: `builtins.dict` is `dict` as well."""
    short = type_name.removeprefix("builtins.")
    return (type_name,) if short == type_name else (type_name, short)


def _rate(amount: str, text: str) -> tuple[float, Measure]:
    matched = AMOUNT.fullmatch(amount)
    number, size = matched.groups() if matched is not None else (amount, "")
    if size and size.lower() not in SIZES:
        number, size = amount, ""
    try:
        rate = float(number)
    except ValueError:
        raise BadBudget(f"{text!r} is no budget: {amount!r} is no number") from None
    if not math.isfinite(rate):
        raise BadBudget(f"{text!r} is no budget: the rate must be finite")
    if rate < 0:
        raise BadBudget(f"{text!r} is no budget: the rate is negative")
    if not size:
        return rate, Measure.OBJECTS
    return rate * SIZES[size.lower()], Measure.BYTES


def _singular(unit: str) -> str:
    unit = _SHORT_UNITS.get(unit, unit)
    if unit.endswith("ies"):
        return unit[:-3] + "y"
    return unit[:-1] if unit.endswith("s") and not unit.endswith("ss") else unit
