"""Tasks by where they wait, as text."""

from __future__ import annotations

import pytest

from leakscope.model.evidence import Site
from leakscope.model.tasks import Numbers, TaskGroup, TaskPicture
from leakscope.report.tasks import render_tasks


def told(tasks: int, stranded: int, numbers: Numbers | None = None) -> str:
    group = TaskGroup(
        calls=(Site("shop.py", 7, "bay"),),
        waits_for="_asyncio.Future",
        tasks=tasks,
        retained_bytes=2048,
        chain=(),
        stranded=stranded,
        numbers=numbers,
    )
    newest = 98400 if numbers else None
    return render_tasks(TaskPicture(tasks, 0, 0, (group,), 0, 1.0, newest), width=200)


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


@pytest.mark.parametrize(
    ("numbers", "claim"),
    [
        (
            Numbers(17, 49100, 98231),
            "as tasks 17 to 98,231, half of them by 49,100; the newest of all tasks is 98,400",
        ),
        (Numbers(17, 17, 18), "as tasks 17 to 18; the newest of all tasks is 98,400"),
        (Numbers(17, 17, 17), "as task 17; the newest of all tasks is 98,400"),
    ],
)
def test_it_is_told_when_tasks_were_made(numbers: Numbers, claim: str) -> None:
    assert claim in told(3, 0, numbers)


def test_nothing_is_told_of_when_tasks_without_a_number_were_made() -> None:
    assert "made" not in told(3, 0)
