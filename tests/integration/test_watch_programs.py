"""`leakscope watch` on small programs: each way of leaking, each way of only looking like it."""

from __future__ import annotations

import pytest

from tests.integration.leakscope_runs import report_of, watch
from tests.integration.services import FIXTURES, service

LEAKY = {
    "bytes_in_dict": "__main__.THUMBNAILS",
    "class_attribute": "__main__.Worker.done",
    "closure_list": "record",
    "deque_backlog": "__main__.BACKLOG",
    "dict_of_sessions": "__main__.SESSIONS",
    "exception_tracebacks": "__main__.ERRORS",
    "list_on_instance": "__main__.service.history",
    "set_of_tuples": "__main__.SEEN",
}
"""By program, what the path of the holder must contain."""

BUFFERS = {
    ".trail": "builtins.bytearray",
    ".LOG": "_io.BytesIO",
    ".TIMINGS": "array.array",
    "['report']": "builtins.str",
}
"""What gets larger in `growing_buffers`: the last step to it, and its type."""

CLEAN = (
    "bursts",
    "cache_warmup",
    "config_reload",
    "connection_pool",
    "daily_cycle",
    "lru_filling",
    "sawtooth",
    "ttl_sessions",
)

QUICK = ("bytes_in_dict", "list_on_instance")
"""Tried in every run; the others are slow tests."""


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in LEAKY]
)
def test_a_leak_is_found_at_its_rate_with_its_holder(name: str) -> None:
    with service(FIXTURES / "programs" / f"{name}.py", "--rate", "200") as program:
        run = watch(program.pid, program.port, seconds=13, every=1)

    assert run.code == 1, run.report or run.stderr
    assert LEAKY[name] in run.finding["holder"]["path"]
    assert run.finding["growth"]["objects"]["estimate"] == pytest.approx(1.0, rel=0.05)
    assert len(run.report["findings"]) == 1, [f["type"] for f in run.report["findings"]]


def test_buffers_that_are_only_added_to_are_found_by_their_size() -> None:
    with service(FIXTURES / "programs" / "growing_buffers.py", "--rate", "200") as program:
        run = watch(program.pid, program.port, seconds=13, every=1)

    assert run.code == 1, run.report or run.stderr
    assert {f["chain"][-1]["edge"]: f["type"] for f in run.report["findings"]} == BUFFERS
    for finding in run.report["findings"]:
        assert finding["growth"]["bytes"]["estimate"] == pytest.approx(500, rel=0.15)
        assert finding["growth"]["objects"]["estimate"] == 0


def test_a_watch_that_is_too_short_goes_on_once_unless_that_is_forbidden() -> None:
    with service(FIXTURES / "programs" / "list_on_instance.py", "--rate", "200") as program:
        short = ("watch", str(program.pid), "--for", "2s", "--every", "500ms")
        longer, forbidden = report_of(*short), report_of(*short, "--no-longer")

    assert longer.code == 1, longer.report or longer.stderr
    assert longer.report["capture"]["samples"] == 9
    assert "going on for as long again" in longer.stderr
    assert forbidden.code == 4
    assert forbidden.report["capture"]["samples"] == 5
    assert "going on" not in forbidden.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_what_only_looks_like_a_leak_is_not_called_one(name: str) -> None:
    with service(FIXTURES / "programs" / f"{name}.py", "--rate", "200") as program:
        run = watch(program.pid, program.port, seconds=40, every=2)

    assert run.code == 0, run.report or run.stderr
    assert run.report["findings"] == []
