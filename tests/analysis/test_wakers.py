"""Which tasks of drawn heaps anything can still wake, and which will be cancelled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.analysis import kernels
from leakscope.analysis.cancelling import Cancelling
from leakscope.analysis.heapgraph import heap_graph
from leakscope.analysis.kernels import Csr, MalformedGraph
from leakscope.analysis.wakers import can_go_on
from leakscope.model.typenames import bare
from tests.analysis.graphs import NODES, csr_of, edges_of, reached_from, rooted_graphs, rows
from tests.heaps import heap_of
from tests.views import ascending


def going_on(*lines: str, **awaits: str) -> set[str]:
    """Return which tasks go on; `awaits` says what each task waits for."""
    heap = ascending(heap_of(*lines))
    tasks = np.array([heap.row(task) for task in awaits], np.int32)
    awaited = np.array([heap.row(future) for future in awaits.values()], np.int32)
    woken = can_go_on(heap_graph(heap.snapshot), tasks, awaited)
    return {task for task, yes in zip(awaits, woken, strict=True) if yes}


def test_a_relay_goes_on_if_its_first_runner_does() -> None:
    chain = ("root -> timer -> f0", "root -> a, b, c", "a -> f0, f1", "b -> f1, f2", "c -> f2")

    assert going_on(*chain, a="f0", b="f1", c="f2") == {"a", "b", "c"}
    assert going_on(*chain[1:], a="f0", b="f1", c="f2") == set()


def test_a_task_that_waits_for_a_task_goes_on_when_that_does() -> None:
    lines = ("root -> a, b, c, timer -> f0", "a -> b", "b -> c", "c -> f0")

    assert going_on(*lines, a="b", b="c", c="f0") == {"a", "b", "c"}
    assert going_on("root -> a, b, c", "c -> f0", a="b", b="c", c="f0") == set()


def test_tasks_that_wait_for_each_other_in_a_circle_never_go_on() -> None:
    assert going_on("root -> a, b", "a -> b -> a", a="b", b="a") == set()
    assert going_on("root -> a", "a -> a", a="a") == set()


def test_a_task_that_waits_for_one_that_does_not_wait_goes_on() -> None:
    assert going_on("root -> a, soon", "a -> soon", a="soon") == {"a"}


@given(rooted_graphs(), st.data())
def test_woken_tasks_are_those_of_the_plainest_definition(
    rooted: tuple[Csr, list[int]], data: st.DataObject
) -> None:
    graph, roots = rooted
    nodes = st.integers(0, graph.nodes - 1) if graph.nodes else st.nothing()
    tasks = data.draw(st.lists(nodes, unique=True, max_size=5))
    awaited = [data.draw(st.integers(-1, graph.nodes - 1)) for _ in tasks]

    found = kernels.woken(graph, rows(*roots), rows(*tasks), rows(*awaited))

    woken: set[int] = set()
    while True:
        closed = set(tasks) - woken
        seen = set(roots)
        for start in set(roots) - closed:
            opened = csr_of(graph.nodes, [(u, v) for u, v in edges_of(graph) if u not in closed])
            seen |= reached_from(opened, [start])
        more = {t for t, future in zip(tasks, awaited, strict=True) if future in seen}
        if more <= woken:
            break
        woken |= more
    assert {task for task, yes in zip(tasks, found, strict=True) if yes} == woken


@pytest.mark.parametrize(
    ("tasks", "awaited"), [([NODES], [0]), ([0], [NODES]), ([0, 0], [1, 1]), ([0], [1, 1])]
)
def test_tasks_that_cannot_be_are_refused(tasks: list[int], awaited: list[int]) -> None:
    graph = csr_of(2, [(0, 1)])
    with pytest.raises(MalformedGraph):
        kernels.woken(graph, rows(0), rows(*tasks), rows(*awaited))


def cancelled(*lines: str, going: str = "", **awaits: str) -> set[str]:
    """Return which tasks will be cancelled; tasks are the objects whose type is `Task`."""
    heap = ascending(heap_of(*lines))
    graph = heap_graph(heap.snapshot)
    names = [bare(name) for name in heap.snapshot.type_names]
    kind = np.array(names)[heap.snapshot.type]
    waiting = sorted((heap.row(task), heap.row(future)) for task, future in awaits.items())
    found = Cancelling(graph, names, kind == "Task", kind == "coroutine").ends(
        np.array([heap.row(task) for task in going.split()], np.int32),
        np.array([task for task, _ in waiting], np.int32),
        np.array([future for _, future in waiting], np.int32),
    )
    return heap.named(found)


def test_a_timer_cancels_what_its_timeout_belongs_to() -> None:
    assert cancelled(
        "root -> loop:Loop -> timer:TimerHandle -> call:method -> timeout:Timeout -> a:Task",
        "loop -> b:Task",
        "root -> c:Task",
    ) == {"a"}


def test_a_timer_that_has_its_loop_does_not_cancel_all_there_is() -> None:
    assert (
        cancelled(
            "root -> timer:TimerHandle -> loop:Loop -> ready:deque -> a:Task",
            "timer -> call:function -> globals:dict -> b:Task",
            "timer -> context:Context -> c:Task",
            "shop:module -> names:dict -> d:Task",
            "timer -> names",
        )
        == set()
    )


def test_who_waits_for_a_task_may_cancel_it_if_it_goes_on_itself() -> None:
    lines = ("root -> a:Task -> outer:coroutine -> wait_for:coroutine -> b:Task",)

    assert cancelled(*lines, going="a") == {"b"}
    assert cancelled(*lines) == set()


def test_a_group_cancels_its_tasks_when_one_fails() -> None:
    lines = (
        "root -> a:Task -> leaving:coroutine -> group:TaskGroup -> tasks:set -> b:Task, c:Task",
        "leaving -> others:list -> d:Task",
    )

    assert cancelled(*lines, going="a") == {"b", "c"}


def test_who_is_cancelled_cancels_what_it_waits_for_in_turn() -> None:
    assert cancelled(
        "root -> timer:TimerHandle -> call:method -> a:Task",
        "a -> gathering:_GatheringFuture -> names:dict -> children:list -> b:Task -> f:Future",
        "root -> c:Task -> g:Future",
        a="gathering",
        b="f",
        c="g",
    ) == {"a", "b"}
