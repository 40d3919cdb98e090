"""Tasks by where they wait, as text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from leakscope.model.evidence import Site
from leakscope.model.tasks import Earlier, Numbers, TaskGroup, TaskPicture, Waiter
from leakscope.report.tasks import render_tasks, render_tasks_json


def group_of(
    count: int, waiter: Waiter, stranded: int = 0, numbers: Numbers | None = None
) -> TaskGroup:
    return TaskGroup(
        waiter=waiter,
        calls=(Site("shop.py", 7, "bay"),),
        waits_for="_asyncio.Future" if waiter is Waiter.TASK else None,
        count=count,
        retained_bytes=2048,
        chain=(),
        stranded=stranded,
        numbers=numbers,
    )


def picture_of(*groups: TaskGroup, newest: int | None = None) -> TaskPicture:
    counts = {kind: sum(g.count for g in groups if g.waiter is kind) for kind in Waiter}
    return TaskPicture(counts[Waiter.TASK], counts[Waiter.GREENLET], 0, 0, groups, 0, 1.0, newest)


def told(tasks: int, stranded: int, numbers: Numbers | None = None) -> str:
    group = group_of(tasks, Waiter.TASK, stranded, numbers)
    return render_tasks(picture_of(group, newest=98400 if numbers else None), width=200)


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


@pytest.mark.parametrize(
    ("groups", "claim"),
    [
        ((), "no task waits"),
        (((1, Waiter.GREENLET),), "1 greenlet in 1 place"),
        (((3, Waiter.GREENLET), (2, Waiter.TASK)), "2 tasks and 3 greenlets in 2 places"),
    ],
)
def test_the_first_line_counts_tasks_and_greenlets(
    groups: tuple[tuple[int, Waiter], ...], claim: str
) -> None:
    text = render_tasks(picture_of(*(group_of(*group) for group in groups)))

    assert text.splitlines()[0].startswith(claim + "   held up for")


def test_greenlets_are_called_so() -> None:
    group = group_of(3, Waiter.GREENLET)

    assert "3 greenlets wait" in render_tasks(picture_of(group))
    report = json.loads(render_tasks_json(picture_of(group)))
    assert (report["tasks"], report["greenlets"]) == (0, 3)
    assert (report["groups"][0]["tasks"], report["groups"][0]["greenlets"]) == (0, 3)


@pytest.mark.parametrize(
    ("count", "older", "younger", "claim"),
    [
        (1, 1, 0, "more than 1m30s"),
        (1, 0, 1, "made since the first look, 1m30s before"),
        (1200, 1200, 0, "all more than 1m30s"),
        (1200, 0, 1200, "all made since the first look, 1m30s before"),
        (1200, 1000, 0, "1,000 of them more than 1m30s"),
        (1200, 0, 1000, "1,000 made since the first look, 1m30s before"),
        (
            1200,
            1100,
            100,
            "1,100 of them more than 1m30s, 100 made since the first look, 1m30s before",
        ),
    ],
)
def test_ages_are_told_where_it_was_looked_twice(
    count: int, older: int, younger: int, claim: str
) -> None:
    group = replace(group_of(count, Waiter.TASK), older=older, younger=younger)
    picture = replace(picture_of(group), earlier=Earlier(90.0, 77))

    (line,) = (x for x in render_tasks(picture, width=200).splitlines() if x.startswith("  age"))
    report = json.loads(render_tasks_json(picture))

    assert line == f"  age           {claim}"
    assert report["earlier"] == {"seconds": 90.0, "newest": 77}
    assert (report["groups"][0]["older"], report["groups"][0]["younger"]) == (older, younger)


def test_nothing_is_said_of_the_age_of_tasks_without_a_number() -> None:
    picture = replace(picture_of(group_of(7, Waiter.TASK)), earlier=Earlier(90.0, 77))

    assert "  age" not in render_tasks(picture)
    assert json.loads(render_tasks_json(picture))["groups"][0]["younger"] is None
