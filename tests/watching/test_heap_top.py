"""What there is most of in drawn heaps."""

from __future__ import annotations

from leakscope.watching.heap_top import TopBy, summary_of, top_of
from tests.heaps import heap_of
from tests.views import drawn_view

HEAP = heap_of(
    "root:dict -> shop:module=10 -> part:dict=20 -> PENDING:list=100, CACHE:dict=50",
    *(f"PENDING -> q{i}:Request=100 -> b{i}:bytes=60" for i in range(5)),
    *(f"CACHE -> p{i}:Page=200" for i in range(2)),
    "lost:Node=30 -> part1:dict=40 -> lost",
)
ORDERED, VIEW = drawn_view(HEAP, modules={"shop": "shop.audit"}, lengths={"PENDING": 5, "CACHE": 2})


def test_the_summary_tells_garbage_apart() -> None:
    summary = summary_of(VIEW)

    assert summary.objects == HEAP.snapshot.objects
    assert (summary.garbage_objects, summary.garbage_bytes) == (2, 70)
    assert summary.bytes == int(HEAP.snapshot.size.sum())


def test_types_come_by_bytes_with_what_would_be_freed() -> None:
    types = top_of(VIEW, TopBy.TYPE, 3).types

    assert [each.type for each in types] == ["Request", "Page", "bytes"]
    assert (types[0].objects, types[0].bytes, types[0].retained_bytes) == (5, 500, 800)


def test_objects_come_by_what_they_retain_without_those_that_only_lead_there() -> None:
    first, second, *_ = top_of(VIEW, TopBy.RETAINED, 10).objects

    # The names of the module keep both; the module and the root only lead to them.
    assert first.path == "shop.audit.__dict__"
    assert (second.path, second.retained_bytes, second.entries) == ("shop.audit.PENDING", 900, 5)


def test_containers_come_by_length() -> None:
    found = top_of(VIEW, TopBy.HOLDER, 10).objects

    assert [(each.path, each.entries) for each in found] == [
        ("shop.audit.PENDING", 5),
        ("shop.audit.CACHE", 2),
    ]


def test_garbage_comes_by_bytes() -> None:
    found = top_of(VIEW, TopBy.GARBAGE, 10).types

    assert [(each.type, each.garbage_objects, each.garbage_bytes) for each in found] == [
        ("dict", 1, 40),
        ("Node", 1, 30),
    ]


def test_only_so_many_rows_are_told() -> None:
    assert len(top_of(VIEW, TopBy.TYPE, 1).types) == 1
