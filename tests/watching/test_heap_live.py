"""What is alive is counted, cyclic garbage and cancelled timers are not."""

from __future__ import annotations

from leakscope.analysis.heapgraph import heap_graph
from leakscope.model.census import TypeTotal
from leakscope.watching.heap_live import live_reading, without_cancelled_timers
from leakscope.watching.heap_view import HeapView
from tests.heaps import heap_of
from tests.views import ascending, image_of

LOOP = (
    "root -> loop:asyncio.unix_events._UnixSelectorEventLoop -> scheduled:list",
    "root -> true:bool",
    "root -> false:bool",
)


def test_cyclic_garbage_is_not_counted() -> None:
    heap = ascending(heap_of("root -> kept:shop.Order=64", "a:shop.Order=64 -> b:list -> a"))

    reading = live_reading(HeapView(image_of(heap)))

    assert reading.types["shop.Order"] == TypeTotal(1, 64)
    assert "list" not in reading.types


def test_garbage_counts_where_nobody_collects_it() -> None:
    heap = ascending(
        heap_of(
            *LOOP,
            "scheduled -> gone:asyncio.events.TimerHandle -> true, true",
            "a:shop.Order=64 -> b:list -> a",
        )
    )

    reading = live_reading(HeapView(image_of(heap)), with_garbage=True)

    assert reading.types["shop.Order"] == TypeTotal(1, 64)
    assert "asyncio.events.TimerHandle" not in reading.types


def test_containers_that_are_garbage_are_not_followed() -> None:
    heap = ascending(heap_of("root -> kept:list", "a:list -> b:dict -> a"))

    reading = live_reading(HeapView(image_of(heap, lengths={"a": 9, "kept": 9})))

    assert [c.address for c in reading.containers] == [heap.address("kept")]


def test_a_cancelled_timer_and_what_it_alone_holds_are_not_counted() -> None:
    heap = heap_of(
        *LOOP,
        "scheduled -> gone:asyncio.events.TimerHandle -> context:_contextvars.Context",
        "gone -> true, true",
    )

    alive = heap.named(without_cancelled_timers(heap_graph(heap.snapshot)))

    assert alive == {"root", "loop", "scheduled", "true", "false"}


def test_a_timer_that_is_due_is_counted_with_all_that_it_holds() -> None:
    heap = heap_of(
        *LOOP,
        "scheduled -> due:asyncio.events.TimerHandle -> context:_contextvars.Context",
        "due -> false, true",
    )

    alive = heap.named(without_cancelled_timers(heap_graph(heap.snapshot)))

    assert {"due", "context"} <= alive


def test_a_cancelled_timer_that_somebody_keeps_is_counted() -> None:
    heap = heap_of(
        *LOOP,
        "scheduled -> kept:asyncio.events.TimerHandle -> true, true",
        "root -> timers:list -> kept",
    )

    assert "kept" in heap.named(without_cancelled_timers(heap_graph(heap.snapshot)))
