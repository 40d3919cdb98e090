"""Tasks by where they wait, as text."""

from __future__ import annotations

import pytest

from leakscope.model.evidence import Site
from leakscope.model.tasks import TaskGroup, TaskPicture
from leakscope.report.tasks import render_tasks


def told(tasks: int, stranded: int) -> str:
    group = TaskGroup(
        calls=(Site("shop.py", 7, "bay"),),
        waits_for="_asyncio.Future",
        tasks=tasks,
        retained_bytes=2048,
        chain=(),
        stranded=stranded,
    )
    return render_tasks(TaskPicture(tasks, 0, 0, (group,), 0, 1.0), width=200)


@pytest.mark.parametrize(
    ("tasks", "stranded", "claim"),
    [
        (1, 1, "it can never finish unless cancelled: nothing can wake it"),
        (7, 7, "all can never finish unless cancelled: nothing can wake them"),
        (7, 3, "3 of them can never finish unless cancelled: nothing can wake them"),
    ],
)
def test_what_nothing_can_wake_is_told(tasks: int, stranded: int, claim: str) -> None:
    assert claim in told(tasks, stranded)


def test_nothing_is_claimed_of_tasks_that_can_go_on() -> None:
    assert "never" not in told(7, 0)
