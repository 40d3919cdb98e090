from __future__ import annotations

import json
from dataclasses import replace

from leakscope.model.gate import Breach, Budget, GateResult, Missable
from leakscope.model.measurement import TypeTrend
from leakscope.model.trend import Interval, Label
from leakscope.report.gate import render_gate, render_gate_json
from leakscope.report.json import render_json
from tests.report.hostile import NASTY, raw_in
from tests.report.samples import LEAKING

BREACH = Breach("shop.Order", Budget("shop.*", 0.01, ""), Interval(1.0, 0.99, 1.01))
FAILED = GateResult(False, (BREACH,))


def test_a_pass_says_what_it_could_have_missed() -> None:
    missed = (Missable("shop.Order", 0.0031), Missable("builtins.str", 1.2))
    first, second = render_gate(GateResult(True, (), *missed), "request").splitlines()

    assert first == "GATE PASSED: nothing grew faster than its budget"
    assert second == "  could have been missed: less than 0.0031 shop.Order or 1.20 str per request"


def test_a_pass_in_which_nothing_moved_says_how_much_was_asked() -> None:
    still = (Missable("*", 0.0004), Missable("*", 0.0004))

    _, missed = render_gate(GateResult(True, (), *still), "request").splitlines()

    assert missed == "  could have been missed: less than 0.00040 objects of any type per request"


def test_a_failure_names_each_type_with_its_growth_and_budget() -> None:
    first, second = render_gate(FAILED, "request").splitlines()

    assert first == "GATE FAILED: 1 type grew faster than the budget allows"
    assert second == "  shop.Order +1.00 per request [0.99, 1.01]   budget 0.010 (shop.*)"


def test_a_gate_without_a_measurement_is_no_pass() -> None:
    assert render_gate(GateResult(False, ()), "request").startswith("GATE NOT PASSED:")


def test_the_document_is_the_report_and_the_decision() -> None:
    document = json.loads(render_gate_json(LEAKING, FAILED))
    gate = document.pop("gate")

    assert document == json.loads(render_json(LEAKING))
    assert gate == {
        "passed": False,
        "excluded": None,
        "excluded_plain": None,
        "breaches": [
            {
                "type": "shop.Order",
                "holder": None,
                "fingerprint": None,
                "pattern": "shop.*",
                "budget": 0.01,
                "measure": "objects",
                "unit": "request",
                "slope": {"estimate": 1.0, "low": 0.99, "high": 1.01},
                "note": "",
            }
        ],
        "unsettled": [],
        "known": [],
        "fixed": [],
        "canary": None,
        "rates": None,
    }


def test_the_document_tells_how_fast_every_type_grew_that_moved() -> None:
    baskets = TypeTrend("shop.Basket", Label.WARM_UP, Interval(0.0, -0.5, 0.25))
    document = json.loads(render_gate_json(LEAKING, replace(FAILED, trends=(baskets,))))

    assert document["gate"]["rates"] == [
        {"type": "shop.Basket", "label": "warm-up", "estimate": 0.0, "low": -0.5, "high": 0.25}
    ]


def test_hostile_type_names_are_harmless() -> None:
    hostile = GateResult(False, (Breach(NASTY, Budget(NASTY, 0, NASTY), BREACH.slope),))

    assert not raw_in(render_gate(hostile, NASTY))
