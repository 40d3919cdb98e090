"""What a test does by itself stays as it is: failures, skips, what is not measured."""

from __future__ import annotations

import re

import pytest

from tests.pytest_plugin.sessions import failure, session

pytest_plugins = ["pytester"]


def test_a_tests_own_failure_is_reported_as_without_the_marker(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
import unittest

def paid(orders):
    assert orders < 25, "too much"

calls = {"plain": 24, "marked": 0}

def test_plain():
    calls["plain"] += 1
    paid(calls["plain"])

@pytest.mark.leaks
def test_marked():
    calls["marked"] += 1
    paid(calls["marked"])

class OldPlain(unittest.TestCase):
    def test_case(self):
        self.assertEqual([1, 2], [])

class OldMarked(unittest.TestCase):
    @pytest.mark.leaks
    def test_case(self):
        self.assertEqual([1, 2], [])
""",
    )

    result.assert_outcomes(failed=4)
    for plain, marked in (
        ("test_plain", "test_marked"),
        ("OldPlain.test_case", "OldMarked.test_case"),
    ):
        told, as_plain = (_unplaced(failure(result, test)) for test in (marked, plain))
        assert told == as_plain.replace("plain", "marked").replace("OldPlain", "OldMarked")


def _unplaced(text: str) -> str:
    """Return a failure without line numbers, the decorator and empty lines, which differ."""
    lines = [re.sub(r"(test_orders.py):\d+", r"\1", line) for line in text.splitlines()]
    return "\n".join(line for line in lines if line.strip() and "@pytest.mark" not in line)


def test_skips_and_expected_failures_stay_what_they_are(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
import unittest

@pytest.mark.leaks
def test_skips():
    pytest.skip("not today")

@pytest.mark.leaks
@pytest.mark.skip(reason="not today")
def test_is_skipped():
    ORDERS.append(Order())

@pytest.mark.xfail(strict=True, reason="a known leak")
@pytest.mark.leaks
def test_known_leak():
    ORDERS.append(Order())

class Old(unittest.TestCase):
    @pytest.mark.leaks
    def test_skips(self):
        self.skipTest("not today")

    @unittest.skip("not today")
    @pytest.mark.leaks
    def test_is_skipped(self):
        ORDERS.append(Order())
""",
    )

    result.assert_outcomes(skipped=4, xfailed=1)


def test_what_cannot_be_measured_does_not_pass(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import pytest

class Step(pytest.Item):
    def runtest(self):
        pass

class Steps(pytest.File):
    def collect(self):
        step = Step.from_parent(self, name="step")
        step.add_marker("leaks")
        yield step

def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".steps":
        return Steps.from_parent(parent, path=file_path)

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    if item.name == "test_elsewhere":
        item.runtest = lambda: None
"""
    )
    pytester.path.joinpath("shop.steps").write_text("")
    result = session(
        pytester,
        """
import unittest

class Old(unittest.IsolatedAsyncioTestCase):
    @pytest.mark.leaks
    async def test_coroutine(self):
        pass

@pytest.mark.leaks
def test_measurer_is_killed():
    import psutil
    for child in psutil.Process().children():
        child.kill()

@pytest.mark.leaks
def test_elsewhere():
    pass

@pytest.mark.leaks
def test_the_next_is_measured_again():
    pass
""",
    )

    result.assert_outcomes(passed=1, failed=4)
    assert "leakscope does not measure tests of the kind Step" in str(result.stdout)
    assert "does not measure async methods of unittest.TestCase" in failure(
        result, "Old.test_coroutine"
    )
    assert failure(result, "test_measurer_is_killed").startswith(
        "this test could not be measured: nobody listens at the other end"
    )
    assert failure(result, "test_elsewhere").startswith(
        "this test could not be measured: pytest does not call the body"
    )


def test_the_calls_of_a_coroutine_share_their_loop_and_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto")
    result = session(
        pytester,
        """
import asyncio

made, loops = [], set()

@pytest.fixture
async def basket():
    made.append(1)
    yield asyncio.Queue()

@pytest.mark.leaks(rounds=6, calls=2)
async def test_shares(basket):
    await basket.put(1)
    await basket.get()
    loops.add(id(asyncio.get_running_loop()))

def test_it_did():
    assert made == [1]
    assert len(loops) == 1
""",
    )

    result.assert_outcomes(passed=2)


def test_a_timeout_ends_a_measurement_and_the_session_goes_on(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
import threading

@pytest.mark.timeout(2)
@pytest.mark.leaks
def test_hangs():
    threading.Event().wait(60)

@pytest.mark.leaks
def test_next():
    pass
""",
    )

    result.assert_outcomes(passed=1, failed=1)
    assert "Timeout" in failure(result, "test_hangs")


def test_a_timeout_while_the_agent_comes_in_is_that_tests_alone(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
from leakscope.testing.messages import Channel

@pytest.fixture
def too_late(monkeypatch):
    def receive(self):
        monkeypatch.undo()
        pytest.fail("Timeout >2.0s")
    monkeypatch.setattr(Channel, "receive", receive)

@pytest.mark.leaks
def test_slow(too_late):
    pass

@pytest.mark.leaks
def test_next():
    pass

@pytest.mark.leaks
def test_leaky():
    ORDERS.append(Order())
""",
    )

    result.assert_outcomes(passed=1, failed=2)
    assert "Timeout >2.0s" in failure(result, "test_slow")
    assert "Order" in failure(result, "test_leaky")
