"""What the marker may say, and the switches and settings beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis.budgets import BadBudget
from leakscope.testing.marks import BadMark, LeakPlan, budgets_of, plan_of
from leakscope.testing.messages import Rounds
from tests.pytest_plugin.sessions import again, session

pytest_plugins = ["pytester"]

USUAL = LeakPlan(Rounds(8, 2, ("*=0",)), calls=10)

BAD = {
    "round=8": "`leaks` has no keyword 'round'; there are `max_growth`, `rounds`",
    "rounds=5": "`rounds` must be a whole number of 6 or more, not 5",
    "rounds='8'": "`rounds` must be a whole number of 6 or more, not '8'",
    "warm_up=-1": "`warm_up` must be a whole number of 0 or more, not -1",
    "calls=True": "`calls` must be a whole number of 1 or more, not True",
    "'0'": "`leaks` takes keywords only, not '0'",
    "max_growth='much'": "'*=much' is no budget: 'much' is no number",
    "max_growth='1/request'": "`max_growth` is per request: give it per call, or per second",
    "max_growth=[0]": "`max_growth` holds 0: write 'GLOB=RATE' instead",
    "max_growth=None": "`max_growth` cannot be None",
}


@pytest.mark.parametrize("arguments", BAD)
def test_a_marker_that_makes_no_sense_says_so(arguments: str) -> None:
    given_, keywords = eval(f"(lambda *a, **k: (a, k))({arguments})")

    with pytest.raises(Exception) as refused:
        plan_of(given_, keywords, USUAL)

    assert str(refused.value).startswith(BAD[arguments])


@pytest.mark.parametrize("how", [(), ("-n2",)])
def test_a_bad_marker_is_an_error_of_collection(
    pytester: pytest.Pytester, how: tuple[str, ...]
) -> None:
    result = session(
        pytester,
        """
import unittest

def test_other():
    pass

class Old(unittest.TestCase):
    @pytest.mark.leaks(round=8)
    def test_case(self):
        raise AssertionError("it was run")
""",
        *how,
    )

    assert result.ret == (pytest.ExitCode.TESTS_FAILED if how else pytest.ExitCode.INTERRUPTED)
    result.assert_outcomes(errors=1, passed=len(how))
    result.stdout.fnmatch_lines(
        [
            "test_orders.py::Old::test_case: `leaks` has no keyword 'round'; there are *",
            "For example: @pytest.mark.leaks(max_growth=*)",
        ]
    )
    result.stdout.no_fnmatch_line("*it was run*")
    result.stdout.no_fnmatch_line("*Traceback*")


def test_growth_can_be_given_in_all_the_ways_that_a_check_takes() -> None:
    assert budgets_of("0.5/call", units=("call",)) == ("*=0.5/call",)
    assert budgets_of(0.5, units=("call",)) == ("*=0.5",)
    assert budgets_of("shop.*=1", units=("call",)) == ("shop.*=1",)
    assert budgets_of(["0", "shop.*=1KiB/call"], units=("call",)) == ("*=0", "shop.*=1KiB/call")
    assert budgets_of({"shop.*": "1/call", "*": 0}, units=("call",)) == ("shop.*=1/call", "*=0")


@given(st.one_of(st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_any_growth_is_a_budget_or_is_refused_in_a_line(growth: object) -> None:
    try:
        budgets_of(growth, units=("call",))
    except (BadMark, BadBudget) as refused:
        assert str(refused)


def test_without_measuring_the_body_runs_once(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
@pytest.mark.leaks
def test_leaky():
    ORDERS.append(Order())

def test_it_ran_once():
    assert len(ORDERS) == 1
""",
        "--no-leaks",
    )

    result.assert_outcomes(passed=2)


def test_only_leak_tests_can_be_run(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
@pytest.mark.leaks
def test_leaky():
    ORDERS.append(Order())

def test_other():
    raise AssertionError
""",
        "--leaks-only",
    )

    result.assert_outcomes(failed=1, deselected=1)


def test_settings_are_the_defaults_of_markers(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nleaks_rounds = 7\nleaks_warm_up = 1\nleaks_calls = 3")
    result = session(
        pytester,
        """
calls = [0]

@pytest.mark.leaks
def test_settings():
    calls.append(calls.pop() + 1)

def test_it_ran_so_often():
    assert calls == [(7 + 1) * 3]

@pytest.mark.leaks(rounds=6, warm_up=0, calls=1)
def test_marker():
    calls.append(calls.pop() + 1)

def test_it_ran_as_marked():
    assert calls == [(7 + 1) * 3 + 6]
""",
        "--strict-markers",
    )
    result.assert_outcomes(passed=4)

    pytester.makeini("[pytest]\nleaks_rounds = many")
    result = again(pytester)

    result.stdout.fnmatch_lines(["*the setting leaks_rounds must be a whole number, not 'many'"])
