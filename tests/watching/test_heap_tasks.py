"""Where tasks wait in drawn heaps, and which of them nothing can wake."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.evidence import Site
from leakscope.model.heap import ObjectFlag
from leakscope.model.tasks import TaskPicture, Waiter
from leakscope.watching.heap_tasks import tasks_of
from leakscope.watching.heap_view import HeapView
from tests.heaps import DrawnHeap, heap_of
from tests.views import DrawnNames, ascending, image_of


class Suspended(DrawnNames):
    """Tells that the task `bay.2` waits in `bay`; nothing of others that have no dot."""

    def __init__(self, heap: DrawnHeap) -> None:
        super().__init__(heap)
        self._tasks = {heap.address(name): name for name in heap.rows}

    def suspended(self, addresses: Sequence[int]) -> list[tuple[Site, ...]]:
        names = [self._tasks[address].partition(".") for address in addresses]
        return [(Site("shop.py", 7, place),) if dot else () for place, dot, _ in names]


def task(name: str, *more: str, awaits: str = "") -> tuple[str, ...]:
    """Draw a task that has a frame; `awaits` is a future that calls it back."""
    code = f"code_{name}"
    waits = (f"{name} -> {awaits}", f"{awaits} -> back_{name}:TaskWakeupMethWrapper -> {name}")
    return (
        f"{name}:_asyncio.Task=100 -> {code}:coroutine=50 -> run:function",
        f"{name} -> loop",
        *(waits if awaits else ()),
        *more,
    )


def picture(*lines: str, groups: int = 20, greenlets: Sequence[str] = ()) -> TaskPicture:
    loop = "shop -> loop:asyncio.unix_events._UnixSelectorEventLoop"
    flags = dict.fromkeys(greenlets, ObjectFlag.GREENLET)
    heap = ascending(heap_of("root:dict -> shop:module -> TASKS:set", loop, *lines, flags=flags))
    view = HeapView(image_of(heap, modules={"shop": "shop"}), Suspended(heap))
    return tasks_of(view, groups)


def event(name: str, *futures: str) -> str:
    """Draw an event with the futures that wait in it."""
    listed = ", ".join(f"{future}:_asyncio.Future=10" for future in futures)
    return f"{name}:asyncio.Event=20 -> waiters_{name}:deque -> {listed}"


def test_tasks_that_wait_at_one_place_are_one_group_most_first() -> None:
    found = picture(
        event("bell", "f1", "f2", "f3"),
        "TASKS -> bay.1, bay.2, yard.1, bell",
        *task("bay.1", awaits="f1"),
        *task("bay.2", awaits="f2"),
        *task("yard.1", awaits="f3"),
    )

    assert (found.tasks, found.finished, found.unknown) == (3, 0, 0)
    assert [(g.calls, g.count, g.waits_for) for g in found.groups] == [
        ((Site("shop.py", 7, "bay"),), 2, "_asyncio.Future"),
        ((Site("shop.py", 7, "yard"),), 1, "_asyncio.Future"),
    ]
    assert [step.edge for step in found.groups[0].chain[:2]] == ["module shop", ".TASKS"]


def test_what_an_event_holds_that_only_its_waiters_know_is_never_woken() -> None:
    (group,) = picture(
        event("bell", "f1", "f2"),
        "TASKS -> bay.1, bay.2",
        *task("bay.1", "code_bay.1 -> bell", awaits="f1"),
        *task("bay.2", "code_bay.2 -> bell", awaits="f2"),
    ).groups

    assert (group.count, group.stranded) == (2, 2)
    # Two tasks, coroutines and futures, the event; what has no size said is 16.
    assert group.retained_bytes == 2 * (100 + 50 + 10 + 16) + 20 + 16 + 16


def test_an_event_with_a_name_may_be_set_by_anybody() -> None:
    (group,) = picture(
        event("bell", "f1"),
        "TASKS -> bay.1",
        "shop -> bell",
        *task("bay.1", "code_bay.1 -> bell", awaits="f1"),
    ).groups

    assert group.stranded == 0


def test_a_timer_or_another_task_that_leads_to_the_future_will_wake_its_task() -> None:
    groups = picture(
        "root -> loop:Loop -> timers:list -> timer:TimerHandle -> f1:_asyncio.Future=10",
        "code_yard.1 -> f2:_asyncio.Future=10",
        "TASKS -> bay.1, hall.1, yard.1",
        *task("yard.1", awaits="f1"),
        *task("bay.1", awaits="f2"),
        *task("hall.1", "hall.1 -> f3:_asyncio.Future=10", awaits="f3"),
    ).groups

    assert {g.calls[0].function: g.stranded for g in groups} == {"yard": 0, "bay": 0, "hall": 1}


def test_a_task_may_await_another_task() -> None:
    (first, second) = picture(
        "root -> loop:Loop -> timer:TimerHandle -> f1:_asyncio.Future=10",
        "TASKS -> bay.1",
        *task("yard.1", awaits="f1"),
        *task("bay.1", awaits="yard.1"),
    ).groups

    assert [(g.waits_for, g.stranded) for g in (first, second)] == [
        ("_asyncio.Task", 0),
        ("_asyncio.Future", 0),
    ]


def test_what_a_task_without_a_loop_awaits_is_not_known() -> None:
    found = picture("TASKS -> bay.1:trio.Task -> code:coroutine -> run:function")

    assert [(g.count, g.waits_for, g.stranded) for g in found.groups] == [(1, None, 0)]


def test_a_future_that_does_not_call_the_task_back_is_not_awaited() -> None:
    (group,) = picture("TASKS -> bay.1", *task("bay.1", "bay.1 -> f1:_asyncio.Future")).groups

    assert (group.waits_for, group.stranded) == ("", 0)


def test_a_task_whose_coroutine_has_no_frame_any_more_has_finished() -> None:
    found = picture(
        "TASKS -> bay.1:_asyncio.Task -> done:coroutine -> name:str",
        "TASKS -> bay.2:_asyncio.Task -> result:dict",
    )

    assert (found.tasks, found.finished, found.groups) == (0, 2, ())


def test_a_task_of_a_class_of_its_own_is_told_from_what_is_only_called_so() -> None:
    found = picture(
        "TASKS -> bay.1:shop.NamedTask -> c:coroutine -> run:function",
        "TASKS -> other:shop.CleaningTask -> d:dict",
    )

    assert (found.tasks, found.finished) == (1, 0)


def test_a_task_of_which_nothing_was_kept_is_counted_as_unknown() -> None:
    found = picture("TASKS -> bay:_asyncio.Task -> c:coroutine -> run:function")

    assert (found.tasks, found.unknown) == (0, 1)


def test_uncollected_tasks_wait_for_nothing() -> None:
    found = picture(
        "bay.1:_asyncio.Task -> c:coroutine -> run:function", "c -> bay.1", "TASKS -> x:int"
    )

    assert found.tasks == 0


def test_only_so_many_groups_are_told() -> None:
    lines = [line for i in range(5) for line in task(f"p{i}.1")]

    found = picture("TASKS -> p0.1, p1.1, p2.1, p3.1, p4.1", *lines, groups=2)

    assert (len(found.groups), found.more_groups, found.tasks) == (2, 3, 5)


def test_greenlets_that_are_suspended_are_groups_of_their_own() -> None:
    found = picture(
        event("bell", "f1"),
        "TASKS -> bell, bay.1, bay.2:Job=100, bay.3:Job=100, yard.1:Worker=100, running:Job=100",
        "bay.2 -> order:Order=50",
        "lost.1:Job=100 -> lost.1",
        *task("bay.1", awaits="f1"),
        greenlets=("bay.2", "bay.3", "yard.1", "running", "lost.1"),
    )

    assert (found.tasks, found.greenlets, found.finished, found.unknown) == (1, 3, 0, 0)
    assert [(g.waiter, g.calls[0].function, g.count) for g in found.groups] == [
        (Waiter.GREENLET, "bay", 2),
        (Waiter.TASK, "bay", 1),
        (Waiter.GREENLET, "yard", 1),
    ]
    bay = found.groups[0]
    assert (bay.retained_bytes, bay.stranded, bay.numbers, bay.waits_for) == (250, 0, None, None)


def test_whatever_is_not_flagged_is_no_greenlet() -> None:
    assert picture("TASKS -> bay.1:greenlet.greenlet").greenlets == 0
