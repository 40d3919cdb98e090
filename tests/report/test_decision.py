"""What a gate's decision means for each finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.model.finding import Status
from leakscope.model.gate import GateResult
from leakscope.report.decision import Standing, apart, exceeded, is_decided, standings
from tests.report.gates import ELSEWHERE, FAILED, JUDGED, KNOWN, OVER, PASSED, RESIDENT
from tests.report.samples import LEAKING, QUEUED_REQUESTS, REQUEST, SLOW_LEAK


def test_a_finding_that_breaks_a_budget_is_over_and_one_that_is_suspected_is_not() -> None:
    assert standings(LEAKING, FAILED) == (Standing.OVER, Standing.SUSPECTED)


def test_a_confirmed_leak_that_the_gate_let_pass_is_within_its_budget() -> None:
    assert standings(LEAKING, PASSED) == (Standing.WITHIN, Standing.SUSPECTED)


def test_a_leak_of_the_baseline_is_known() -> None:
    assert standings(*JUDGED["known"]) == (Standing.KNOWN, Standing.SUSPECTED)


def test_without_a_gate_nothing_may_grow() -> None:
    assert standings(LEAKING, None) == (Standing.OVER, Standing.SUSPECTED)


def test_a_breach_of_a_companion_is_about_the_finding_that_it_grows_with() -> None:
    gate = replace(FAILED, breaches=(replace(OVER, type="builtins.dict"),))

    assert standings(LEAKING, gate)[0] is Standing.OVER
    assert apart(gate.breaches, LEAKING) == ()


def test_two_leaks_of_one_type_are_both_over_though_the_type_is_told_once() -> None:
    second = replace(SLOW_LEAK, status=Status.CONFIRMED, type=REQUEST)
    entries = (KNOWN, replace(KNOWN, fingerprint=second.fingerprint))
    gate = replace(FAILED, found=entries)

    both = replace(LEAKING, findings=(QUEUED_REQUESTS, second))

    assert standings(both, gate) == (Standing.OVER, Standing.OVER)


def test_a_breach_that_is_about_no_finding_is_told_by_itself() -> None:
    assert apart((OVER, ELSEWHERE, RESIDENT), LEAKING) == (1, 2)


def test_a_breach_is_told_in_what_its_budget_counts() -> None:
    gate = GateResult(False, (OVER, RESIDENT))
    first, second = exceeded(gate, "request")

    assert first.sentence() == (
        "aiohttp.web_request.Request in gateway.audit.PENDING "
        "+1.00 per request [0.99, 1.01], budget 0.010 (aiohttp.*)"
    )
    assert second.sentence() == (
        "rss +2.3 KiB per request [2.2 KiB, 2.4 KiB], budget 1 KiB (rss) "
        "(it could only be read now and then)"
    )


@pytest.mark.parametrize("name", JUDGED)
def test_there_is_an_answer_unless_the_measurement_or_the_gate_has_none(name: str) -> None:
    decided = name not in ("undecided", "unsettled", "inconclusive", "not-measured")

    assert is_decided(*JUDGED[name]) is decided
