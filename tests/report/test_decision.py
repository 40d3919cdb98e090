"""Which findings a gate's decision is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.model.finding import Status, TypeRate
from leakscope.model.gate import GateResult
from leakscope.report.decision import Standing, is_decided, standings, unexplained
from tests.report.gates import ELSEWHERE, FAILED, JUDGED, OVER, PASSED
from tests.report.samples import LEAKING, QUEUED_REQUESTS, SLOW_LEAK


def test_a_finding_whose_type_breaks_a_budget_is_over_and_one_that_is_suspected_is_not() -> None:
    assert standings(LEAKING, FAILED) == (Standing.OVER, Standing.SUSPECTED)


def test_a_confirmed_leak_that_the_gate_let_pass_is_within_its_budget() -> None:
    assert standings(LEAKING, PASSED) == (Standing.WITHIN, Standing.SUSPECTED)


def test_without_a_gate_nothing_may_grow() -> None:
    assert standings(LEAKING, None) == (Standing.OVER, Standing.SUSPECTED)


def test_a_breach_of_a_companion_is_about_the_finding_that_it_grows_with() -> None:
    gate = replace(FAILED, breaches=(replace(OVER, type="builtins.dict"),))

    assert standings(LEAKING, gate)[0] is Standing.OVER
    assert unexplained(LEAKING, gate) == ()


def test_a_breach_of_a_type_that_leads_a_finding_is_not_about_those_that_merely_have_it() -> None:
    dicts = replace(
        SLOW_LEAK,
        status=Status.CONFIRMED,
        type="builtins.dict",
        types=(TypeRate("builtins.dict", 1.0, 1.0),),
    )
    gate = replace(FAILED, breaches=(replace(OVER, type="builtins.dict"),))

    two = replace(LEAKING, findings=(QUEUED_REQUESTS, dicts))

    assert standings(two, gate) == (Standing.WITHIN, Standing.OVER)


def test_a_breach_that_no_finding_accounts_for_is_told_by_itself() -> None:
    assert unexplained(LEAKING, GateResult(False, (OVER, ELSEWHERE))) == (1,)


@pytest.mark.parametrize("name", JUDGED)
def test_there_is_an_answer_unless_the_measurement_or_the_gate_has_none(name: str) -> None:
    decided = name not in ("undecided", "inconclusive", "not-measured")

    assert is_decided(*JUDGED[name]) is decided
