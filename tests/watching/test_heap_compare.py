"""Where drawn heaps grew, in words."""

from __future__ import annotations

from dataclasses import replace

from leakscope.model.cohorts import Cohort
from leakscope.model.heapgrowth import HeapComparison
from leakscope.model.trend import Interval
from leakscope.watching.heap_compare import compare_heaps
from tests.heaps import DrawnHeap, heap_of
from tests.views import drawn_view

SHOP = (
    "root:dict -> shop:module -> part:dict",
    "part -> PENDING:list, CACHE:collections.OrderedDict, APP:App",
)
MODULES = {"shop": "shop.audit"}


def compared(*heaps: DrawnHeap) -> HeapComparison:
    return compare_heaps([drawn_view(heap, modules=MODULES)[1] for heap in heaps])


def records(count: int, *, first: int = 0, holder: str = "PENDING") -> list[str]:
    return [
        f"{holder} -> r{i}:shop.Record=40 -> q{i}:web.Request=600 -> b{i}:bytes=60"
        for i in range(first, first + count)
    ]


def test_a_leak_is_told_from_the_root_to_what_matters_in_an_entry() -> None:
    found = compared(heap_of(*SHOP), heap_of(*SHOP, *records(10)))

    (place,) = found.places
    assert place.path == "shop.audit.PENDING"
    assert [step.edge for step in place.chain] == ["module shop.audit", ".PENDING"]
    assert place.holder == 1
    assert [step.type for step in place.entry] == ["shop.Record", "web.Request"]
    assert (place.objects, place.bytes, place.entries) == (30, 7000, 10)
    assert [(share.type, share.objects) for share in place.types] == [
        ("web.Request", 10),
        ("bytes", 10),
        ("shop.Record", 10),
    ]
    assert (found.made, found.freed, found.bytes) == (30, 0, 7000)
    assert not place.shared


def test_a_container_made_since_names_the_holder_that_was_there_before() -> None:
    later = heap_of(*SHOP, "APP -> sessions:dict", *records(10, holder="sessions"))

    found = compared(heap_of(*SHOP), later)

    (place,) = found.places
    assert [step.edge for step in place.chain] == ["module shop.audit", ".APP", ".sessions"]
    assert place.holder == 1


def test_three_snapshots_tell_whether_what_came_has_stayed() -> None:
    leak = [heap_of(*SHOP, *records(count)) for count in (5, 15, 30)]
    cache = [
        heap_of(*SHOP, *records(count, first=first, holder="CACHE"))
        for first, count in ((0, 5), (5, 10), (15, 20))
    ]

    assert compared(*leak).places[0].cohorts == (Cohort(10, 10), Cohort(15, 15))
    assert compared(*cache).places[0].cohorts == (Cohort(10, 0), Cohort(20, 20))


def test_two_snapshots_tell_no_cohorts() -> None:
    assert compared(heap_of(*SHOP), heap_of(*SHOP, *records(10))).places[0].cohorts == ()


def test_what_no_one_object_holds_is_told_by_the_part_that_keeps_most() -> None:
    links = " -> ".join(f"n{i}:Slot=50" for i in range(20))
    earlier = heap_of(*SHOP, "part -> old:Slot=50")
    later = heap_of(*SHOP, f"part -> head:Slot=50 -> {links} -> old:Slot=50", held={"head": 1})

    (place,) = compared(earlier, later).places

    assert place.shared
    assert place.path == "shop.audit.head"
    assert place.holder is None


def test_what_only_c_code_holds_has_no_chain_from_a_name() -> None:
    lost = {f"lost{i}": 1 for i in range(10)}
    later = heap_of(*SHOP, *(f"{name}:str=60" for name in lost), held=lost)

    (place,) = compared(heap_of(*SHOP), later).places

    assert place.shared
    assert place.chain[0].edge == "held by"


def test_what_nobody_holds_is_told_by_type_with_what_it_looks_like() -> None:
    heaps = [losing(count) for count in (0, 30, 60)]

    found = compared(*heaps)

    (place,) = found.places
    (lost,) = place.unheld
    assert (lost.type, lost.objects, lost.references) == ("shop.Reply", 60, 120)
    assert lost.retained_bytes == 60 * 150
    assert [step.type for step in lost.looks] == ["str", "list"]
    assert (lost.looks[0].edge[:6], lost.more) == (".title", 0)
    (series,) = found.unheld
    assert (series.objects, series.references) == ((0, 30, 60), (0, 60, 120))
    assert series.slope is None  # They were all taken at once.


def test_what_nobody_holds_has_a_slope_per_unit_of_work() -> None:
    views = []
    for count in (0, 30, 60):
        _, view = drawn_view(losing(count), modules=MODULES)
        view.image = replace(view.image, work=float(count) / 2)
        views.append(view)

    found = compare_heaps(views, "request")

    assert found.unit == "request"
    assert found.unheld[0].slope == Interval(4.0, 4.0, 4.0)
    assert compare_heaps(views).unit == "second"


def losing(count: int) -> DrawnHeap:
    """Return the shop with so many replies lost, two references to each."""
    lost = {f"lost{i}": 2 for i in range(count)}
    lines = [
        f"{name}:shop.Reply=50 -> part{name}:dict=0 -> title{name}:str=60, lines{name}:list=40"
        for name in lost
    ]
    return heap_of(*SHOP, *lines, held=lost)


def test_a_buffer_that_grew_is_told_without_entries() -> None:
    small, large = (heap_of(*SHOP, f"APP -> buffer:bytearray={size}") for size in (100, 9100))

    (place,) = compared(small, large).places

    assert (place.type, place.entry, place.entries, place.bytes) == ("bytearray", (), 0, 9000)


def test_the_keys_beside_the_values_are_not_counted_as_entries() -> None:
    lines = [f"CACHE -> k{i}:str=50, v{i}:shop.Order=500" for i in range(10)]

    (place,) = compared(heap_of(*SHOP), heap_of(*SHOP, *lines)).places

    assert place.entries == 10


def test_garbage_is_told_apart() -> None:
    found = compared(heap_of(*SHOP), heap_of(*SHOP, "a:Node=30 -> b:Node=30 -> a"))

    assert (found.places, found.garbage_objects, found.garbage_bytes) == ((), 2, 60)
