"""Services that a test starts and drives are measured, and ended with the test."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.sessions import again, failure, session

pytest_plugins = ["pytester"]

SHOP = """
import http.server
import sys

ORDERS = []

class Order:
    pass

class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "--leaky" in sys.argv:
            ORDERS.append(Order())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments):
        pass

shop = http.server.HTTPServer(("127.0.0.1", 0), Shop)
print("the shop is open", flush=True)
shop.serve_forever()
"""

DRIVE = """
import sys
import urllib.request

def ask(service, times=20):
    for _ in range(times):
        with urllib.request.urlopen(service.url) as answer:
            answer.read()
    return times

pids = []

@pytest.fixture
def shop(leakscope_service):
    def start(*arguments, **keywords):
        service = leakscope_service([sys.executable, "shop.py", *arguments], **keywords)
        pids.append(service.pid)
        return service
    return start
"""


@pytest.fixture
def shop(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("shop.py").write_text(SHOP)


@pytest.mark.usefixtures("shop")
def test_a_leaky_service_fails_its_test_and_a_clean_one_does_not(
    pytester: pytest.Pytester,
) -> None:
    result = session(
        pytester,
        DRIVE
        + """
def test_leaky(shop):
    service = shop("--leaky", ready="the shop is (open|closed)")
    service.check(lambda: ask(service), rounds=6)

def test_clean(shop):
    service = shop(ready="/articles")
    service.check(lambda: ask(service), rounds=6, max_growth={"*": "0.1/request"})

def test_they_are_gone():
    import psutil
    assert not any(psutil.pid_exists(pid) for pid in pids)
""",
    )

    result.assert_outcomes(passed=2, failed=1)
    told = failure(result, "test_leaky")
    assert told.startswith("the service leaks: __main__.ORDERS (Order) grows steadily")
    assert "confirmed   +1.00 __main__.Order per request [1.00, 1.00]" in told
    assert "the shop is open" in told


@pytest.mark.usefixtures("shop")
def test_what_is_not_measured_does_not_pass(pytester: pytest.Pytester) -> None:
    result = session(
        pytester,
        DRIVE
        + """
import os
import signal

def test_that_idles(shop):
    shop().check(lambda: None, rounds=6, warm_up=0)

def test_whose_service_dies(shop):
    service = shop()
    service.check(lambda: os.kill(service.pid, signal.SIGKILL))

def test_whose_drive_fails(shop):
    shop().check(lambda: {}["order"])

def test_that_is_not_driven(shop):
    shop().check(lambda: "many")

def test_with_a_bad_budget(shop):
    shop().check(lambda: 1, max_growth="1/call")

def test_that_does_not_start(leakscope_service):
    leakscope_service([sys.executable, "-c", "raise SystemExit('no articles')"])

def test_that_is_never_ready(shop):
    shop(ready="closed", within=1)
""",
    )

    result.assert_outcomes(failed=7)
    for test, told in (
        (
            "test_that_idles",
            "the service could not be measured: the server did no work",
        ),
        ("test_whose_service_dies", "the service could not be measured: process "),
        ("test_with_a_bad_budget", "check of a service: `max_growth` is per call"),
        ("test_that_does_not_start", "the service could not be started: `"),
        ("test_that_is_never_ready", "the service could not be started: the server printed no"),
    ):
        assert failure(result, test).startswith(told), failure(result, test)
    assert "KeyError: 'order'" in failure(result, "test_whose_drive_fails")
    assert "a round returned 'many', which is no number" in failure(
        result, "test_that_is_not_driven"
    )
    assert "no articles" in failure(result, "test_that_does_not_start")


@pytest.mark.usefixtures("shop")
def test_a_load_can_drive_and_without_measuring_one_round_is_done(
    pytester: pytest.Pytester,
) -> None:
    result = session(
        pytester,
        DRIVE
        + """
def test_load(shop):
    from leakscope.load.http import HttpLoad
    from leakscope.load.plan import ClientPlan
    service = shop("--leaky")
    load = HttpLoad(ClientPlan(urls=("/",), requests_per_round=30), base=service.url)
    service.check(load, rounds=6, max_growth="1/request")

def test_drive(shop, request):
    service, asked = shop(), []
    service.check(lambda: asked.append(ask(service)), rounds=6, warm_up=0)
    assert asked == [20] * (1 if request.config.getoption("no_leaks") else 6)
""",
    )
    result.assert_outcomes(passed=2)

    again(pytester, "--no-leaks").assert_outcomes(passed=2)
