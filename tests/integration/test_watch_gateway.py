"""`leakscope watch` on the real proxy: the leak by name and rate, and silence without one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.integration.leakscope_runs import Run, gateway_load, watch
from tests.integration.services import FIXTURES, service

LEAKS = {
    "request-in-log-queue": ("aiohttp.web_request.Request", 1.0, "gateway.audit.PENDING"),
    "request-in-contextvar": ("aiohttp.web_request.Request", 1.0, ".running"),
    "task-blocked-on-queue": ("_asyncio.Task", 1.0, "outcomes._getters"),
    "task-ignores-cancel": ("_asyncio.Task", 0.2, ".reporters"),
    "closure-captures-body": ("builtins.function", 1.0, "gateway.signing.KEY_ROTATED.receivers"),
    "pool-grows": ("builtins.bytearray", 1.0, "gateway.inspection.POOL.free"),
    "upstream-not-closed": ("aiohttp.streams.StreamReader", 0.05, "._acquired"),
    "exception-keeps-frame": (
        "gateway.incidents.UpstreamFailed",
        0.2,
        "gateway.incidents.FAILURES",
    ),
    "metrics-label-explosion": (
        "gateway.client_metrics.ClientTraffic",
        0.5,
        "gateway.client_metrics.TRAFFIC.children",
    ),
    "lru-on-method": ("gateway.policy.RequestPolicy", 1.0, "gateway.policy.RequestPolicy.timeout"),
    "thread-per-request": ("threading.Thread", 1.0, "threading._active"),
    "fractional": ("gateway.sampling.TraceSample", 0.2, "gateway.sampling.SAMPLES"),
}
"""By leak: the type, how many per request, and what the holder's path must contain."""

LOADS = {
    "task-ignores-cancel": ("--aborting", "0.2"),
    "upstream-not-closed": ("--failing", "0.05"),
    "exception-keeps-frame": ("--failing", "0.2"),
    "metrics-label-explosion": ("--new-clients", "0.5"),
    # A thread costs more than an object.
    "thread-per-request": ("--rate", "20"),
}
"""What the load client is told beside its rate, by the leak that needs it."""

WITH_TIMERS = {"task-ignores-cancel", "upstream-not-closed"}
"""What leaks has a timer that is counted as a finding of its own, behind the first."""


def watched(
    leak: str, *flags: str, load: Sequence[str] = (), seconds: float = 30, every: float = 2
) -> Run:
    with (
        service(FIXTURES / "gateway", "--port", "0", "--leak", leak, *flags) as gateway,
        gateway_load(gateway.port, *(load or LOADS.get(leak, ()))),
    ):
        return watch(gateway.pid, gateway.port, seconds=seconds, every=every)


def assert_found(run: Run, leak: str) -> None:
    type_name, rate, holder = LEAKS[leak]
    finding = run.finding

    assert run.code == 1, run.report
    assert run.report["verdict"] == "leaking"
    assert finding["type"] == type_name
    assert finding["growth"]["objects"]["estimate"] == pytest.approx(rate, rel=0.05)
    assert finding["growth"]["objects"]["low"] > 0.9 * rate
    assert holder in finding["holder"]["path"]
    if leak not in WITH_TIMERS:
        assert len(run.report["findings"]) == 1, [f["type"] for f in run.report["findings"]]


def assert_clean(run: Run) -> None:
    assert run.code == 0, run.report or run.stderr
    assert run.report["verdict"] == "clean"
    assert run.report["findings"] == []


def test_a_whole_request_kept_in_a_log_queue_is_found_and_named() -> None:
    run = watched("request-in-log-queue")

    assert_found(run, "request-in-log-queue")
    edges = [step["edge"] for step in run.finding["chain"]]
    assert edges[:2] == ["module gateway.audit", ".PENDING"]
    assert ".request" in edges
    assert run.report["work"]["unit"] == "request"
    assert run.report["work"]["total"] > 2000


def test_the_same_gateway_with_the_leak_mended_is_clean() -> None:
    assert_clean(watched("request-in-log-queue", "--fixed"))


def test_a_gateway_that_does_not_leak_is_clean() -> None:
    assert_clean(watched("none"))


@pytest.mark.slow
def test_a_gateway_in_trouble_that_does_not_leak_is_clean() -> None:
    assert_clean(watched("none", load=("--failing", "0.2", "--aborting", "0.2")))


@pytest.mark.slow
def test_garbage_that_is_never_collected_is_gone_when_mended() -> None:
    assert_clean(watched("cycle-with-finaliser", "--fixed"))


@pytest.mark.slow
def test_native_memory_that_grows_is_found_though_no_object_does() -> None:
    leaking, mended = watched("native-buffer"), watched("native-buffer", "--fixed")

    assert leaking.code == 1
    (finding,) = leaking.report["findings"]
    assert finding["type"] == "native memory in use"
    assert finding["growth"]["bytes"]["low"] > 1000
    assert_clean(mended)


@pytest.mark.slow
@pytest.mark.parametrize("leak", [leak for leak in LEAKS if leak != "request-in-log-queue"])
def test_every_leak_of_the_gateway_is_found_and_named(leak: str) -> None:
    assert_found(watched(leak), leak)


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_every_leak_of_the_gateway_is_gone_when_mended(leak: str) -> None:
    assert_clean(watched(leak, "--fixed"))
