from __future__ import annotations

import json

from leakscope.model.gate import Breach, Budget, GateResult
from leakscope.model.trend import Interval
from leakscope.report.gate import render_gate, render_gate_json
from leakscope.report.json import render_json
from tests.report.hostile import NASTY, raw_in
from tests.report.samples import LEAKING

BREACH = Breach("shop.Order", Budget("shop.*", 0.01, ""), Interval(1.0, 0.99, 1.01))
FAILED = GateResult(False, (BREACH,), 0.0)


def test_a_pass_says_what_it_could_have_missed() -> None:
    report = render_gate(GateResult(True, (), 0.0031), "request", width=200)

    assert report.startswith("GATE PASSED:")
    assert "a leak of up to 0.0031 objects per request could have been missed" in report


def test_a_failure_names_each_type_with_its_growth_and_budget() -> None:
    first, second = render_gate(FAILED, "request").splitlines()

    assert first == "GATE FAILED: 1 type grew faster than the budget allows"
    assert second == "  shop.Order +1.00 per request [0.99, 1.01]   budget 0.010 (shop.*)"


def test_a_gate_without_a_measurement_is_no_pass() -> None:
    assert render_gate(GateResult(False, (), 0.5), "request").startswith("GATE NOT PASSED:")


def test_the_document_is_the_report_and_the_decision() -> None:
    document = json.loads(render_gate_json(LEAKING, FAILED))
    gate = document.pop("gate")

    assert document == json.loads(render_json(LEAKING))
    assert gate == {
        "passed": False,
        "excluded": 0.0,
        "breaches": [
            {
                "type": "shop.Order",
                "pattern": "shop.*",
                "budget": 0.01,
                "unit": "request",
                "slope": {"estimate": 1.0, "low": 0.99, "high": 1.01},
            }
        ],
    }


def test_hostile_type_names_are_harmless() -> None:
    hostile = GateResult(False, (Breach(NASTY, Budget(NASTY, 0, NASTY), BREACH.slope),), 0.0)

    assert not raw_in(render_gate(hostile, NASTY))
