"""What entries of drawn heaps are: the object that matters in one, and what it keeps alive."""

from __future__ import annotations

from leakscope.model.evidence import EntryShare
from leakscope.watching.heap_entries import SAMPLES, EntriesFound
from tests.heaps import DrawnHeap, heap_of
from tests.views import drawn_view

SHOP = "root:dict -> shop:module -> names:dict -> PENDING:list"


def among(*lines: str, entries: list[str]) -> tuple[DrawnHeap, EntriesFound]:
    heap, view = drawn_view(heap_of(SHOP, *lines), modules={"shop": "shop"})
    rows = view.graph.outgoing.of(heap.row("PENDING"))
    assert set(heap.names(rows)) == set(entries)
    found = view.entries.among(heap.row("PENDING"), rows)
    assert found is not None
    return heap, found


def types_on_the_way(heap: DrawnHeap, found: EntriesFound) -> list[str]:
    return [heap.snapshot.type_names[heap.snapshot.type[row]] for row in found.way]


def test_an_entry_is_about_the_object_that_accounts_for_most_of_it() -> None:
    lines = [
        f"PENDING -> r{i}:audit.Record=48 -> rd{i}:dict=64 -> q{i}:web.Request=600"
        f" -> qd{i}:dict=300 -> h{i}:web.Headers=400, b{i}:bytes=500"
        for i in range(10)
    ]
    heap, found = among(*lines, entries=[f"r{i}" for i in range(10)])

    assert types_on_the_way(heap, found) == ["audit.Record", "dict", "web.Request"]
    assert found.sampled == 10
    assert found.shares == (
        EntryShare("web.Request", 1.0, 600.0),
        EntryShare("bytes", 1.0, 500.0),
        EntryShare("web.Headers", 1.0, 400.0),
        EntryShare("dict", 2.0, 364.0),
        EntryShare("audit.Record", 1.0, 48.0),
    )


def test_plain_data_counts_to_the_object_that_holds_it() -> None:
    lines = [f"PENDING -> s{i}:shop.Session=48 -> raw{i}:bytearray=5000" for i in range(10)]
    heap, found = among(*lines, entries=[f"s{i}" for i in range(10)])

    assert types_on_the_way(heap, found) == ["shop.Session"]


def test_entries_of_plain_data_are_what_hangs_on_the_container() -> None:
    lines = [f"PENDING -> t{i}:tuple=56 -> raw{i}:bytes=5000" for i in range(10)]
    heap, found = among(*lines, entries=[f"t{i}" for i in range(10)])

    assert types_on_the_way(heap, found) == ["tuple"]


def test_a_suspended_task_matters_more_than_what_its_locals_hold() -> None:
    lines = [
        f"PENDING -> f{i}:web.Future=50 -> t{i}:_asyncio.Task=50 -> q{i}:web.Request=5000"
        for i in range(10)
    ]
    heap, found = among(*lines, entries=[f"f{i}" for i in range(10)])

    assert types_on_the_way(heap, found) == ["web.Future", "_asyncio.Task"]
    assert found.code == found.way[-1]


def test_an_entry_that_is_a_linked_list_is_its_first_link() -> None:
    chain = " -> ".join(f"l{i}:shop.Link=100" for i in range(60))
    heap, found = among(f"PENDING -> {chain}", entries=["l0"])

    assert heap.names(found.way) == ["l0"]


def test_what_most_entries_are_decides() -> None:
    heap, found = among(
        *(f"PENDING -> r{i}:audit.Record=48 -> q{i}:web.Request=600" for i in range(7)),
        *(f"PENDING -> r{i}:audit.Record=48 -> e{i}:web.Error=600" for i in range(7, 10)),
        entries=[f"r{i}" for i in range(10)],
    )

    assert types_on_the_way(heap, found) == ["audit.Record", "web.Request"]
    assert EntryShare("web.Request", 0.7, 420.0) in found.shares


def test_of_values_and_keys_those_that_tell_most_are_looked_at() -> None:
    lines = [f"PENDING -> k{i}:str=50, o{i}:shop.Order=90" for i in range(5)]
    heap, found = among(*lines, entries=[f"{kind}{i}" for kind in "ko" for i in range(5)])

    assert types_on_the_way(heap, found) == ["shop.Order"]
    assert found.sampled == 5


def test_many_entries_are_sampled_evenly() -> None:
    lines = [f"PENDING -> o{i}:shop.Order=90" for i in range(500)]
    _, found = among(*lines, entries=[f"o{i}" for i in range(500)])

    assert found.sampled == SAMPLES
    assert found.shares[0] == EntryShare("shop.Order", 1.0, 90.0)


def test_no_entries_are_nothing() -> None:
    heap, view = drawn_view(heap_of(SHOP))

    assert view.entries.among(heap.row("PENDING"), view.graph.outgoing.of(0)[:0]) is None


def test_what_others_hold_as_well_is_beside_an_entry() -> None:
    lines = [
        *(f"PENDING -> r{i}:web.Route=48 -> p{i}:re.Pattern=200, t{i}:str=60" for i in range(10)),
        *(f"names -> cache:dict -> p{i}, t{i}" for i in range(10)),
        *(f"r{i} -> kind:web.Kind, c{i // 5}:web.Connection" for i in range(10)),
    ]
    _, found = among(*lines, entries=[f"r{i}" for i in range(10)])

    assert found.shares == (EntryShare("web.Route", 1.0, 48.0),)
    assert found.beside == (
        EntryShare("re.Pattern", 1.0, 0.0),
        EntryShare("web.Connection", 0.2, 0.0),
    )
