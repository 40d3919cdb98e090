"""Tests that leave something behind fail, of whatever kind they are, and say who keeps it."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.sessions import failure, session

pytest_plugins = ["pytester"]

KINDS = """
import asyncio
import unittest

@pytest.mark.leaks
def test_function():
    ORDERS.append(Order())

class TestShop:
    kept = {}

    @pytest.mark.leaks
    @pytest.mark.parametrize("each", [1, 3])
    def test_method(self, each):
        for _ in range(each):
            self.kept[len(self.kept)] = Order()

class OldShop(unittest.TestCase):
    kept = []

    def setUp(self):
        self.kept.clear()

    @pytest.mark.leaks
    def test_case(self):
        self.kept.append(Order())

@pytest.mark.leaks
@pytest.mark.asyncio
async def test_coroutine():
    await asyncio.sleep(0)
    ORDERS.append(Order())

@pytest.mark.leaks
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(anyio_backend):
    ORDERS.append(Order())

@pytest.fixture
def basket():
    return []

@pytest.mark.leaks
def test_value_of_a_fixture(basket):
    basket.append(Order())
"""


@pytest.mark.slow
def test_a_test_of_any_kind_that_keeps_something_fails_and_names_the_holder(
    pytester: pytest.Pytester,
) -> None:
    result = session(pytester, KINDS)

    result.assert_outcomes(failed=7)
    for test, holder, rate in (
        ("test_function", "test_orders.ORDERS", "+1.00"),
        ("TestShop.test_method[1]", "test_orders.TestShop.kept", "+1.00"),
        ("TestShop.test_method[3]", "test_orders.TestShop.kept", "+3.00"),
        ("OldShop.test_case", "test_orders.OldShop.kept", "+1.00"),
        ("test_coroutine", "test_orders.ORDERS", "+1.00"),
        ("test_anyio[asyncio]", "test_orders.ORDERS", "+1.00"),
    ):
        told = failure(result, test)
        assert told.startswith(f"this test leaks: {holder} (Order) grows steadily"), told
        assert f"confirmed   {rate} test_orders.Order per call [{rate[1:]}, {rate[1:]}]" in told
        assert "← accumulates here" in told
    assert "['basket'] : list   ← accumulates here" in failure(result, "test_value_of_a_fixture")


def test_a_failure_is_the_finding_and_no_traceback(pytester: pytest.Pytester) -> None:
    result = session(
        pytester, "@pytest.mark.leaks\ndef test_it():\n    ORDERS.append(Order())\n", "--tb=long"
    )

    told = failure(result, "test_it")
    assert "Traceback" not in told
    assert ".py:" not in told
    assert "per hour" not in told  # How fast a test repeats itself says nothing of a service.
    result.stdout.fnmatch_lines(
        [
            "this test leaks: test_orders.ORDERS (Order) grows steadily",
            "LEAK 1/1   confirmed   +1.00 test_orders.Order per call ?1.00, 1.00?*",
            "  module test_orders",
            "  └─ .ORDERS : list   ← accumulates here: 180 entries (at first 10), +1.00/call",
            "     └─ [[]*[]] : test_orders.Order",
            "  why * Entries are added to test_orders.ORDERS (a list) and never removed*",
            "over budget   test_orders.Order +1.00 per call ?1.00, 1.00?   budget 0 (*)",
            "measured      18 native samples in *, 170 calls *",
            "FAILED test_orders.py::test_it - Failed: this test leaks: test_orders.*",
        ]
    )


def test_leaks_as_they_are_found_in_the_wild_are_found(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
import asyncio
import functools

class Signal:
    def __init__(self):
        self.receivers = []

paid = Signal()

@pytest.mark.leaks
def test_callback():
    order = Order()
    paid.receivers.append(lambda: order)

class Shop:
    @functools.lru_cache(maxsize=None)
    def price(self, article):
        return 1

@pytest.mark.leaks
def test_cached_method():
    Shop().price("tea")

class Kitchen:
    def __init__(self):
        self.waiting = {}

    async def served(self, order):
        self.waiting[order] = asyncio.get_running_loop().create_future()
        await self.waiting[order]

kitchen = Kitchen()

@pytest.mark.leaks
@pytest.mark.asyncio
async def test_task_that_never_ends():
    task = asyncio.create_task(kitchen.served(Order()))
    await asyncio.wait([task], timeout=0)
""",
    )

    result.assert_outcomes(failed=3)
    assert "registered in test_orders.paid.receivers and never unregistered" in " ".join(
        failure(result, "test_callback").split()
    )
    assert "Shop.price is a functools cache without an effective bound" in " ".join(
        failure(result, "test_cached_method").split()
    )
    task = " ".join(failure(result, "test_task_that_never_ends").split())
    assert "Tasks wait at" in task
    assert "in Kitchen.served for something that never comes" in task


def test_growth_within_its_budget_passes_and_faster_growth_does_not(
    pytester: pytest.Pytester,
) -> None:
    result = session(
        pytester,
        """
@pytest.mark.leaks(max_growth="1/call")
def test_within():
    ORDERS.append(Order())

@pytest.mark.leaks(max_growth={"*.Order": "1/call"})
def test_within_for_its_type():
    ORDERS.append(Order())

@pytest.mark.leaks(max_growth=["*.Basket=5", "*=0.5/call"])
def test_faster():
    ORDERS.append(Order())
""",
    )

    result.assert_outcomes(passed=2, failed=1)
    assert "budget 0.50 (*)" in failure(result, "test_faster")


def test_a_leak_that_few_calls_show_is_not_passed(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
@pytest.mark.leaks(calls=1)
def test_few_calls():
    ORDERS.append(("order", len(ORDERS)))

last = ()

@pytest.mark.leaks
def test_what_no_container_holds():
    global last
    last = (last,)
""",
    )

    result.assert_outcomes(failed=2)
    few = failure(result, "test_few_calls")
    assert few.startswith("this test leaks: test_orders.ORDERS (tuple) grows steadily"), few
    assert "tuple rose in every round, by 13 objects in all (1.00 per call)" in few
    unheld = failure(result, "test_what_no_container_holds")
    assert unheld.startswith("this test may leak: tuple rose in every round"), unheld
    assert "`calls=`" in unheld
