"""Tests that leave nothing behind pass, whatever they and their plugins do on the way."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.sessions import session

pytest_plugins = ["pytester"]


@pytest.mark.slow
def test_look_alikes_pass(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
import asyncio
import collections
import functools
import itertools
import re

numbers = itertools.count()

@pytest.mark.leaks
def test_cycles():
    order = Order()
    order.itself = order

recent = collections.deque(maxlen=40)

@pytest.mark.leaks
def test_bounded_cache():
    recent.append(Order())

@functools.lru_cache(maxsize=64)
def price(article):
    return Order()

@pytest.mark.leaks
def test_bounded_lru_cache():
    price(next(numbers))

articles = {}

@pytest.mark.leaks
def test_warm_up():
    if not articles:
        articles.update((n, Order()) for n in range(3000))

@pytest.mark.leaks
def test_patterns():
    re.match(f"article {next(numbers) % 30}", "article 3")

@pytest.mark.leaks
@pytest.mark.asyncio
async def test_tasks():
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(20)))

@pytest.mark.leaks
@pytest.mark.asyncio
async def test_a_task_that_nobody_knows_any_more():
    asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
""",
    )

    result.assert_outcomes(passed=7)


REPORTED = """
import logging
import subprocess
import sys
import threading
import warnings
from hypothesis import given, settings, strategies

pytestmark = pytest.mark.leaks(rounds=6, calls=5)

def test_capsys(capsys):
    print("order")
    assert capsys.readouterr().out == "order\\n"

def test_output_that_is_not_read(capsys):
    assert capsys.readouterr().out == ""
    print("order")

def test_caplog(caplog):
    logging.error("order %s", Order())
    assert len(caplog.records) == 1

def test_recwarn(recwarn):
    warnings.warn("order")
    assert len(recwarn) == 1

def test_what_is_kept_for_the_report():
    print("order")
    sys.stderr.write("order")
    logging.getLogger("shop").warning("order %s", Order())
    warnings.warn(f"order {id(Order())}", DeprecationWarning)

def test_undone_at_the_end(monkeypatch):
    monkeypatch.setenv("ORDER", "tea")

def test_thread():
    thread = threading.Thread(target=Order)
    thread.start()
    thread.join()

@settings(max_examples=10, database=None)
@given(strategies.lists(strategies.text()))
def test_given(articles):
    assert sorted(articles) == sorted(articles, key=str)

@pytest.mark.timeout(120)
def test_in_time(tmp_path):
    (tmp_path / "order").write_text("tea")

def test_raises():
    with pytest.raises(ValueError) as error:
        int("tea")
    assert "tea" in str(error.value)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [("--cov=test_orders", "--cov-branch", "--cov-report="), ("-n2",)])
def test_what_pytest_and_its_plugins_keep_is_no_leak(
    pytester: pytest.Pytester, how: tuple[str, ...]
) -> None:
    result = session(pytester, REPORTED, *how)

    result.assert_outcomes(passed=10, warnings=1)


@pytest.mark.parametrize("capture", ["fd", "sys"])
def test_a_line_in_every_call_is_no_leak_and_a_report_shows_the_last_call(
    pytester: pytest.Pytester, capture: str
) -> None:
    result = session(
        pytester,
        """
calls = []

@pytest.mark.leaks(rounds=6, calls=5)
def test_prints():
    print("x" * 10_000)

@pytest.mark.leaks(rounds=6, calls=5)
def test_fails_at_last():
    calls.append(1)
    print("call", len(calls))
    assert len(calls) < 12
""",
        f"--capture={capture}",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*Captured stdout call*", "call 12"])
    result.stdout.no_fnmatch_line("call 11")


@pytest.mark.slow
def test_every_worker_measures_itself(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        """
@pytest.mark.leaks
@pytest.mark.parametrize("kept", [0, 1, 0, 2])
def test_worker(kept):
    ORDERS.extend(Order() for _ in range(kept))
""",
        "-n2",
    )

    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["this test leaks: test_orders.ORDERS (Order) grows steadily"])
