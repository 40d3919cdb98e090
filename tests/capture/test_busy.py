"""Who is said to be busy when no door opened."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from leakscope.capture.doors import busy
from leakscope.capture.threads import ThreadView, WaitingCall

READ = WaitingCall(0, (0, 0, 0, 0, 0, 0))


def verdict(monkeypatch: pytest.MonkeyPatch, looks: Iterator[WaitingCall | None]) -> str:
    me = os.getpid()
    monkeypatch.setattr(busy, "threads", lambda _pid: (ThreadView(me, "shop", "S", 1.0, 7),))
    monkeypatch.setattr(busy, "waiting_call", lambda _pid, _tid: next(looks))
    return str(busy.Watch.begin(me).verdict(["none is open"]))


def test_a_thread_that_is_on_its_way_back_to_its_call_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = verdict(monkeypatch, iter([None, None, READ]))

    assert f"thread {os.getpid()} (shop) waits in read" in told
    assert told.endswith("Python code has not run (none is open)")


def test_a_thread_that_waits_in_nothing_has_not_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "_BACK_WITHIN_S", 0.02)

    told = verdict(monkeypatch, iter(lambda: None, READ))

    assert f"thread {os.getpid()} (shop) has not moved since we asked" in told
