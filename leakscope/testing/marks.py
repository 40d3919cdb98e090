"""What `@pytest.mark.leaks` asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from leakscope.analysis.budgets import parse_budget, units_of
from leakscope.errors import UsageError
from leakscope.testing.messages import Rounds

FEWEST_ROUNDS = 6
"""As `watching.rounds` has it, which takes much to import."""

Growth = str | float | Sequence[str] | Mapping[str, str | float]
"""What may grow: `"0"`, `"0.5/call"`, `["shop.*=0.1/call"]`, `{"shop.*": "0.1/call"}`."""


class BadMark(UsageError):
    """A marker that cannot be meant like this."""

    hint = 'For example: @pytest.mark.leaks(max_growth="0.5/call", rounds=8, warm_up=2, calls=10)'


@dataclass(frozen=True, slots=True)
class LeakPlan:
    """How one test is measured."""

    rounds: Rounds
    calls: int
    """Calls of the test's body in one round."""


def plan_of(
    arguments: Sequence[object], keywords: Mapping[str, object], defaults: LeakPlan
) -> LeakPlan:
    """Return the plan of a marker with these arguments; raise `BadMark` or `BadBudget`."""
    if arguments:
        raise BadMark(f"`leaks` takes keywords only, not {arguments[0]!r}")
    unknown = sorted(set(keywords) - {"max_growth", "rounds", "warm_up", "calls"})
    if unknown:
        raise BadMark(
            f"`leaks` has no keyword {unknown[0]!r}; "
            "there are `max_growth`, `rounds`, `warm_up` and `calls`"
        )
    growth = keywords.get("max_growth", defaults.rounds.budgets)
    budgets = budgets_of(growth, units=("call",))
    usual = defaults.rounds
    counted = number_of("rounds", keywords.get("rounds", usual.counted), least=FEWEST_ROUNDS)
    warm_up = number_of("warm_up", keywords.get("warm_up", usual.warm_up), least=0)
    calls = number_of("calls", keywords.get("calls", defaults.calls), least=1)
    return replace(defaults, rounds=Rounds(counted, warm_up, budgets), calls=calls)


def number_of(name: str, given: object, *, least: int) -> int:
    """Return a whole number that must not be less; raise `BadMark`."""
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise BadMark(f"`{name}` must be a whole number of {least} or more, not {given!r}")
    return given


def budgets_of(given: object, *, units: Sequence[str]) -> tuple[str, ...]:
    """Return what may grow as budgets that `parse_budget` takes, each checked.

    `units` are those that work is counted in. Raises `BadMark` or `BadBudget`.
    """
    texts = tuple(_texts(given))
    for unit in units_of(map(parse_budget, texts)):
        if unit not in units:
            counted = " or ".join(f"per {each}" for each in units)
            raise BadMark(f"`max_growth` is per {unit}: give it {counted}, or per second")
    return texts


def _texts(given: object) -> list[str]:
    if isinstance(given, Mapping):
        return [f"{pattern}={_amount(rate)}" for pattern, rate in given.items()]
    if isinstance(given, list | tuple):
        wrong = [each for each in given if not isinstance(each, str)]
        if wrong:
            raise BadMark(f"`max_growth` holds {wrong[0]!r}: write 'GLOB=RATE' instead")
        return [each if "=" in each else f"*={each}" for each in given]
    text = _amount(given)
    return [text if "=" in text else f"*={text}"]


def _amount(given: object) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return f"{given}"
    raise BadMark(f"`max_growth` cannot be {given!r}")
