"""Budgets are read strictly, and held against the lower bound of confirmed growth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from leakscope.analysis.budgets import BadBudget, WrongUnit, parse_budget
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.model.gate import Budget, GateResult, KnownLeak, Measure, Missable
from leakscope.model.recording import Ending, Recording
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


def test_what_did_not_move_at_all_is_excluded_down_to_one_object() -> None:
    result = gate(recording_of({"shop.Order": [7.0] * SAMPLES}, work=RATE))
    assert result.excluded == Missable("*", 1 / (RATE * (SAMPLES - 1)))
    assert result.excluded_plain is None


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


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("rss=1KiB/request", Budget("rss", 1024.0, "request", Measure.BYTES)),
        ("*=1.5 MB/hour", Budget("*", 1.5e6 / 3600, "second", Measure.BYTES)),
        ("shop.ORDERS=64b", Budget("shop.ORDERS", 64.0, "", Measure.BYTES)),
        ("rss=0", Budget("rss", 0.0, "", Measure.BYTES)),
    ],
)
def test_budgets_may_be_in_bytes(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["rss=5/request", "shop.*=5 boxes", "shop.*=KiB"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadBudget):
        parse_budget(text)


def test_a_budget_in_bytes_is_held_against_all_that_an_entry_keeps() -> None:
    # An order of 64 bytes and its dicts, 300 bytes: 364 for each request.
    assert gate(leaking(1.0), "*=0.5KiB").passed
    result = gate(leaking(1.0), "*=300B")
    assert breached(result) == ["shop.Order"]
    assert result.breaches[0].slope.estimate == pytest.approx(364)


def test_a_budget_may_name_the_holder() -> None:
    assert gate(leaking(1.0), "shop.ORDERS=1.5/request", "*=0").passed
    result = gate(leaking(2.0), "shop.ORDERS=1.5/request")
    assert [b.holder for b in result.breaches] == ["shop.ORDERS"]


def resident(per_request: float, *, noise: float = 0.0) -> Recording:
    """Return a recording of resident memory alone, 23 samples."""
    rss = [6e7 + per_request * RATE * i + noise * (-1) ** i for i in range(23)]
    return recording_of({"shop.Server": [1.0] * 23}, work=RATE, rss=rss)


def test_resident_memory_has_no_budget_unless_one_is_given() -> None:
    assert gate(resident(4096.0)).passed


def test_resident_memory_is_held_against_its_budget() -> None:
    assert gate(resident(4096.0), "rss=5KiB/request").passed
    result = gate(resident(4096.0), "rss=1KiB/request")
    assert breached(result) == ["rss"]
    assert result.breaches[0].slope.estimate == pytest.approx(4096)


def test_resident_memory_that_could_not_be_read_is_no_pass() -> None:
    result = gate(leaking(0.0), "rss=1KiB/request")
    assert not result.passed
    assert [b.type for b in result.unsettled] == ["rss"]


def at_rest(**types: Sequence[float]) -> Recording:
    named = {name.replace("_", ".", 1): values for name, values in types.items()}
    return replace(recording_of(named, work=RATE), at_rest=True)


WAVERING = [0.0, 60, 20, 90, 45, 130, 70, 160, 95, 190, 130, 230, 150]
"""Rises, but not straight enough for a leak."""


def test_a_rise_at_rest_that_is_not_confirmed_is_no_pass() -> None:
    recording = at_rest(shop_Order=[*([10.0] * 7), 40, 80, 120, 160, 200, 240])
    result = gate(recording)
    assert not result.passed
    assert result.breaches == ()
    assert [b.type for b in result.unsettled] == ["shop.Order"]
    assert gate(recording, "shop.Order=1/request").passed


def test_the_same_under_load_may_be_what_comes_and_goes() -> None:
    assert gate(replace(at_rest(shop_Order=WAVERING), at_rest=False)).passed


def known(recording: Recording) -> KnownLeak:
    """Return the entry that a baseline has for the leak of a recording."""
    (entry,) = gate(recording).found
    return entry


def gate_with(recording: Recording, *entries: KnownLeak, today: str = "2026-06-01") -> GateResult:
    return judge(diagnose(recording), recording, known=entries, today=date.fromisoformat(today))


def test_what_is_known_passes_and_is_told() -> None:
    entry = replace(known(leaking(1.0)), reason="cleared at night")
    result = gate_with(leaking(1.05), entry)
    assert result.passed
    assert [leak.reason for leak in result.known] == ["cleared at night"]
    assert result.known[0].rate == pytest.approx(1.05)
    assert result.fixed == ()


def test_a_known_leak_that_became_faster_fails() -> None:
    result = gate_with(leaking(2.0), known(leaking(1.0)))
    assert breached(result) == ["shop.Order"]
    assert result.breaches[0].note == "known, but at 1 per request"


def test_a_known_leak_fails_once_it_has_expired() -> None:
    entry = replace(known(leaking(1.0)), expires=date(2026, 6, 1))
    assert gate_with(leaking(1.0), entry, today="2026-06-01").passed
    result = gate_with(leaking(1.0), entry, today="2026-06-02")
    assert result.breaches[0].note == "known, but only until 2026-06-01"


def test_a_known_leak_that_is_gone_is_told_as_fixed() -> None:
    entry = known(leaking(1.0))
    result = gate_with(leaking(0.0), entry)
    assert result.passed
    assert result.fixed == (entry,)
    assert result.found == ()


def test_a_measurement_that_broke_off_says_nothing_of_fixes() -> None:
    entry = known(leaking(1.0))
    broken = replace(leaking(0.0), ending=Ending.TARGET_EXITED)
    result = gate_with(broken, entry)
    assert not result.passed
    assert result.fixed == ()


def test_a_known_leak_of_another_holder_does_not_hide_this_one() -> None:
    entry = replace(known(leaking(1.0)), fingerprint="something else")
    result = gate_with(leaking(1.0), entry)
    assert breached(result) == ["shop.Order"]
    assert result.breaches[0].note == ""
