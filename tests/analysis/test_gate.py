"""Budgets are read strictly, and held against the lower bound of confirmed growth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from leakscope.analysis.budgets import BadBudget, WrongUnit, parse_budget
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.model.gate import Budget, GateResult
from leakscope.model.recording import Recording
from tests.builders import evidence_of, holder, recording_of

SAMPLES = 13
RATE = 500.0


def leaking(rate: float, *, companions: float = 3.0, counted: bool = True) -> Recording:
    """Return a recording of orders that leak, each with some dicts, 100 requests a second."""
    steps = [RATE * i for i in range(SAMPLES)]
    return recording_of(
        {
            "shop.Order": [rate * step for step in steps],
            "builtins.dict": [5000 + rate * companions * step for step in steps],
            "shop.Server": [1.0] * SAMPLES,
        },
        lengths={"shop.ORDERS": [rate * step for step in steps]},
        work=RATE if counted else None,
        evidence=evidence_of(
            holder(
                "shop.ORDERS",
                entry="[*] : shop.Order",
                shares={"shop.Order": (1, 64), "builtins.dict": (companions, 300)},
            )
        ),
    )


def gate(recording: Recording, *budgets: str) -> GateResult:
    return judge(diagnose(recording), recording, [parse_budget(text) for text in budgets])


def breached(result: GateResult) -> Sequence[str]:
    return [breach.type for breach in result.breaches]


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("shop.*=0.01/request", Budget("shop.*", 0.01, "request")),
        ("*=0", Budget("*", 0.0, "")),
        (" shop.Order = 1e-3 / request ", Budget("shop.Order", 0.001, "request")),
        ("*=2/requests", Budget("*", 2.0, "request")),
        ("*=2/queries", Budget("*", 2.0, "query")),
        ("*=0.5/second", Budget("*", 0.5, "second")),
        ("*=0.5/s", Budget("*", 0.5, "second")),
        ("*=30/minute", Budget("*", 0.5, "second")),
        ("*=3600/h", Budget("*", 1.0, "second")),
    ],
)
def test_budgets_are_read(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there is no '='"),
        ("shop.Order", "there is no '='"),
        ("0.01/request", "there is no '='"),
        ("=0.01", "nothing is named"),
        ("shop.*=", "'' is no number"),
        ("shop.*=lots", "'lots' is no number"),
        ("shop.*=-1", "negative"),
        ("shop.*=nan", "finite"),
        ("shop.*=inf/request", "finite"),
        ("shop.*=1/", "'' is no unit"),
        ("shop.*=1/2", "'2' is no unit"),
        ("shop.*=1/request/second", "'request/second' is no unit"),
    ],
)
def test_nonsense_is_refused_with_a_hint(text: str, complaint: str) -> None:
    with pytest.raises(BadBudget, match="is no budget") as refusal:
        parse_budget(text)
    assert complaint in str(refusal.value)
    assert "GLOB=RATE/UNIT" in refusal.value.remedy


def test_nothing_may_grow_by_default() -> None:
    result = gate(leaking(1.0))
    assert not result.passed
    assert breached(result) == ["shop.Order"]
    assert result.breaches[0].budget.rate == 0
    assert result.breaches[0].slope.estimate == pytest.approx(1.0)


def test_what_does_not_grow_passes() -> None:
    result = gate(leaking(0.0))
    assert result.passed
    assert result.breaches == ()


def test_growth_within_its_budget_passes() -> None:
    assert gate(leaking(0.2), "shop.*=0.25/request").passed
    assert not gate(leaking(0.3), "shop.*=0.25/request").passed


def test_the_lower_bound_is_what_counts() -> None:
    noisy = [10.0, 470, 1030, 1480, 2060, 2440, 3050, 3460, 4040, 4450, 5060, 5440, 6050]
    recording = recording_of({"shop.Order": noisy}, work=RATE)
    slope = diagnose(recording).findings[0].growth.objects
    assert slope.low < slope.estimate
    between = (slope.low + slope.estimate) / 2
    assert gate(recording, f"shop.Order={between}").passed
    assert not gate(recording, f"shop.Order={slope.low - 0.001}").passed


def test_the_longest_pattern_that_matches_counts() -> None:
    budgets = ("*=0", "shop.*=0.1", "shop.Order=2")
    assert gate(leaking(1.0), *budgets).passed
    result = gate(leaking(3.0), *budgets)
    assert result.breaches[0].budget.pattern == "shop.Order"


def test_of_two_budgets_for_one_pattern_the_stricter_counts() -> None:
    assert not gate(leaking(1.0), "shop.*=2", "shop.*=0.5").passed


def test_a_budget_for_the_leading_type_covers_what_grows_along_with_it() -> None:
    assert gate(leaking(1.0, companions=30.0), "shop.Order=1.5", "*=0").passed


def test_a_budget_that_names_a_companion_is_held_against_it() -> None:
    result = gate(leaking(1.0, companions=3.0), "shop.Order=1.5", "dict=2")
    assert breached(result) == ["builtins.dict"]


def test_the_largest_excess_comes_first() -> None:
    result = gate(leaking(1.0, companions=9.0), "dict=2")
    assert breached(result) == ["builtins.dict", "shop.Order"]


def test_a_budget_per_second_is_held_against_growth_per_request() -> None:
    # A hundred requests a second at 0.2 each are 20 objects a second.
    assert gate(leaking(0.2), "shop.Order=25/second").passed
    result = gate(leaking(0.2), "shop.Order=900/minute")
    assert result.breaches[0].slope.estimate == pytest.approx(20)


def test_a_budget_per_request_needs_requests_to_be_counted() -> None:
    with pytest.raises(WrongUnit, match="per request, but growth was measured per second"):
        gate(leaking(1.0, counted=False), "*=0.1/request")


def test_a_pass_says_what_it_could_have_missed() -> None:
    steps = [0.0, 3, 1, 4, 0, 2, 5, 1, 3, 0, 4, 2, 1]
    result = gate(recording_of({"shop.Order": steps}, work=RATE))
    assert result.passed
    assert result.excluded is not None
    assert result.excluded.type == "shop.Order"
    assert 0 < result.excluded.rate <= 5 / RATE


def test_what_could_be_missed_of_building_blocks_is_told_apart() -> None:
    restless = [900.0, 100, 800, 0, 700, 200, 950, 30, 990, 400, 100, 800, 500]
    quiet = [0.0, 3, 1, 4, 0, 2, 5, 1, 3, 0, 4, 2, 1]
    result = gate(recording_of({"builtins.str": restless, "shop.Order": quiet}, work=RATE))
    assert result.excluded is not None
    assert result.excluded_plain is not None
    assert (result.excluded.type, result.excluded_plain.type) == ("shop.Order", "builtins.str")
    assert result.excluded.rate <= 5 / RATE < result.excluded_plain.rate


def test_a_cache_that_filled_does_not_fail_and_does_not_hide_what_was_missed() -> None:
    filling = [min(2500.0, 500.0 * i) for i in range(SAMPLES)]
    result = gate(recording_of({"shop.Product": filling}, work=RATE))
    assert result.passed
    assert result.excluded is not None
    assert result.excluded.rate < 0.01


def test_what_was_let_through_is_excluded_by_its_upper_bound_only() -> None:
    result = gate(leaking(0.2), "shop.*=0.25/request", "dict=1")
    assert result.excluded_plain is not None
    assert result.excluded_plain.rate == pytest.approx(0.6, rel=0.01)


@pytest.mark.parametrize("samples", [1, 3])
def test_too_few_samples_never_pass(samples: int) -> None:
    recording = recording_of({"shop.Order": [1.0] * samples}, work=RATE)
    result = gate(recording)
    assert not result.passed
    assert result.breaches == ()


def test_a_run_without_work_never_passes() -> None:
    recording = recording_of({"shop.Order": [1.0] * SAMPLES}, work=[5.0] * SAMPLES)
    assert not gate(recording).passed
