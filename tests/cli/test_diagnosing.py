"""Recording a target from the command line."""

from __future__ import annotations

import os
import sys

import pytest

from leakscope.capture.process import identify
from leakscope.cli import diagnosing
from leakscope.cli.diagnosing import attached_recorder
from leakscope.watching.recorder import Plan
from tests.targets import spawn


@pytest.mark.parametrize(("others", "nice"), [(1.0, 10), (20.0, 0)])
def test_whoever_watches_lets_others_go_first(
    others: float, nice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosing, "crowd", lambda _: others)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with spawn(sys.executable, "print('ready', flush=True); input()") as target:
        of_target = os.getpriority(os.PRIO_PROCESS, target.pid)
        with attached_recorder(identify(target.pid), Plan(1.0, 1.0)):
            meanwhile = os.getpriority(os.PRIO_PROCESS, 0)

        assert os.getpriority(os.PRIO_PROCESS, target.pid) == of_target
    assert meanwhile == max(before, nice)
    if os.geteuid() == 0:
        assert os.getpriority(os.PRIO_PROCESS, 0) == before
