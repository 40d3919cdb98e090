"""Every leak of the fixtures fails a check; mended it passes, and so does what only looks alike.

`LEAKSCOPE_TIMES=3` runs the whole table three times over.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.integration.leakscope_runs import Run, report_of
from tests.integration.services import FIXTURES

TIMES = int(os.environ.get("LEAKSCOPE_TIMES", "1"))

ANY = ("--url", "/orders/{n}")
LEAVING = ("--url", "/orders/{n}?delay=0.05", "--disconnect", "0.2")
FAILING = "GET /orders/{n}?status=500\n" + "GET /orders/{n}\n" * 4
FAILING_LARGE = "GET /orders/{n}?status=502&bytes=600000\n" + "GET /orders/{n}\n" * 19
CLIENTS = '{"method": "GET", "url": "/orders", "headers": {"X-Client": "client-{n}"}}\n'

LEAKS: dict[str, tuple[tuple[str, ...] | str, float, str]] = {
    "request-in-log-queue": (ANY, 1.0, "gateway.audit.PENDING"),
    "request-in-contextvar": (ANY, 1.0, ".running"),
    "task-blocked-on-queue": (ANY, 1.0, ".outcomes._getters"),
    "task-ignores-cancel": (LEAVING, 0.2, ".reporters"),
    "closure-captures-body": (ANY, 1.0, "gateway.signing.KEY_ROTATED.receivers"),
    "pool-grows": (ANY, 1.0, "gateway.inspection.POOL.free"),
    "upstream-not-closed": (FAILING_LARGE, 0.05, "_connector._acquired"),
    "exception-keeps-frame": (FAILING, 0.2, "gateway.incidents.FAILURES"),
    "metrics-label-explosion": (CLIENTS, 1.0, "gateway.client_metrics.TRAFFIC.children"),
    "lru-on-method": (ANY, 1.0, "gateway.policy.RequestPolicy.timeout"),
    "thread-per-request": ((*ANY, "--requests-per-round", "50"), 1.0, "threading._active"),
    "fractional": (ANY, 0.2, "gateway.sampling.SAMPLES"),
}
"""The load that triggers it, its rate per request, and how its holder's path ends or is."""

QUICK = ("exception-keeps-frame",)
"""Tried in every run; the others are slow tests."""

LEAKY_PROGRAMS = {
    "bytes_in_dict": "__main__.THUMBNAILS",
    "class_attribute": "__main__.Worker.done",
    "deque_backlog": "__main__.BACKLOG",
    "dict_of_sessions": "__main__.SESSIONS",
    "exception_tracebacks": "__main__.ERRORS",
    "list_on_instance": "__main__.service.history",
    "set_of_tuples": "__main__.SEEN",
}
LOOK_ALIKES = (
    "bursts",
    "cache_warmup",
    "config_reload",
    "connection_pool",
    "daily_cycle",
    "lru_filling",
    "sawtooth",
    "ttl_sessions",
)


def check_gateway(
    tmp_path: Path, port: int, leak: str, load: tuple[str, ...] | str, *flags: str
) -> Run:
    if isinstance(load, str):
        (tmp_path / "requests").write_text(load)
        load = ("--requests", str(tmp_path / "requests"))
    server = (sys.executable, str(FIXTURES / "gateway"), "--port", str(port), "--leak", leak)
    return report_of("check", *load, "--", *server, *flags)


def check_program(name: str) -> Run:
    program = (sys.executable, str(FIXTURES / "programs" / f"{name}.py"), "--on-request")
    return report_of("check", "--url", "/work", "--", *program)


def assert_fails(run: Run, rate: float, holder: str) -> None:
    assert run.code == 1, run.report or run.stderr
    assert holder in run.finding["holder"]["path"]
    assert run.finding["growth"]["objects"]["estimate"] == pytest.approx(rate, rel=0.05)
    assert len(run.report["findings"]) == 1, [f["type"] for f in run.report["findings"]]


def assert_passes(run: Run) -> None:
    assert run.code == 0, run.report or run.stderr
    assert run.report["findings"] == []
    assert run.report["gate"]["passed"] is True


@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize(
    "leak",
    [leak if leak in QUICK else pytest.param(leak, marks=pytest.mark.slow) for leak in LEAKS],
)
def test_every_leak_of_the_gateway_fails_the_build(
    tmp_path: Path, port: int, leak: str, turn: int
) -> None:
    del turn
    load, rate, holder = LEAKS[leak]

    assert_fails(check_gateway(tmp_path, port, leak, load), rate, holder)


@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize(
    "leak",
    [leak if leak in QUICK else pytest.param(leak, marks=pytest.mark.slow) for leak in LEAKS],
)
def test_every_leak_of_the_gateway_passes_when_mended(
    tmp_path: Path, port: int, leak: str, turn: int
) -> None:
    del turn

    assert_passes(check_gateway(tmp_path, port, leak, LEAKS[leak][0], "--fixed"))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize("load", [ANY, LEAVING, FAILING, CLIENTS])
def test_a_gateway_that_does_not_leak_passes_under_any_load(
    tmp_path: Path, port: int, load: tuple[str, ...] | str, turn: int
) -> None:
    del turn

    assert_passes(check_gateway(tmp_path, port, "none", load))


@pytest.mark.slow
def test_a_label_for_each_client_leaks_only_when_clients_vary(tmp_path: Path, port: int) -> None:
    assert_passes(check_gateway(tmp_path, port, "metrics-label-explosion", ANY))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize("capture", ["native", "portable"])
def test_garbage_that_nobody_collects_fails_the_build(
    tmp_path: Path, port: int, turn: int, capture: str
) -> None:
    del turn
    how = (*ANY, "--capture", capture)
    leaking = check_gateway(tmp_path, port, "cycle-with-finaliser", how)

    assert leaking.code == 1, leaking.report or leaking.stderr
    (finding,) = leaking.report["findings"]
    rates = {each["type"]: each["objects_per_work"] for each in finding["types"]}
    assert rates["gateway.timeline.Timeline"] == pytest.approx(1.0, rel=0.05)
    if capture == "native":  # The other one does not see that nothing holds them.
        assert finding["chain"][0]["edge"] == "uncollected garbage"
    assert_passes(check_gateway(tmp_path, port, "cycle-with-finaliser", how, "--fixed"))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TIMES))
def test_native_memory_that_grows_fails_the_build_without_a_budget(
    tmp_path: Path, port: int, turn: int
) -> None:
    del turn
    leaking = check_gateway(tmp_path, port, "native-buffer", ANY)

    assert leaking.code == 1, leaking.report or leaking.stderr
    assert leaking.finding["type"] == "native memory in use"
    (breach,) = leaking.report["gate"]["breaches"]
    assert (breach["type"], breach["measure"]) == ("native memory in use", "bytes")
    assert breach["fingerprint"] == leaking.finding["fingerprint"]
    layers = leaking.report["layers"]
    assert layers["native_in_use"]["last_bytes"] > layers["native_in_use"]["first_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TIMES))
def test_native_memory_that_is_given_back_passes(tmp_path: Path, port: int, turn: int) -> None:
    del turn

    assert_passes(check_gateway(tmp_path, port, "native-buffer", ANY, "--fixed"))


@pytest.mark.slow
def test_native_memory_is_held_against_the_resident_budget_once(tmp_path: Path, port: int) -> None:
    budget = (*ANY, "--max-growth", "rss=4KiB/request")

    leaking = check_gateway(tmp_path, port, "native-buffer", budget)
    assert leaking.code == 1, leaking.report or leaking.stderr
    assert [breach["type"] for breach in leaking.report["gate"]["breaches"]] == ["rss"]
    assert_passes(check_gateway(tmp_path, port, "native-buffer", budget, "--fixed"))


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize("name", LEAKY_PROGRAMS)
def test_every_program_that_leaks_fails_the_build(name: str, turn: int) -> None:
    del turn

    assert_fails(check_program(name), 1.0, LEAKY_PROGRAMS[name])


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_only_looks_like_a_leak_passes(name: str, turn: int) -> None:
    del turn

    assert_passes(check_program(name))
