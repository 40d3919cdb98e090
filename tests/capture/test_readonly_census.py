"""What a read-only census makes of memory: whatever gc's lists hold, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leakscope.capture.readonly.census import CensusTooSlow, count
from leakscope.capture.readonly.layout import (
    HEADER,
    INLINE_VALUES,
    IS_INT,
    IS_TYPE,
    MA_KEYS,
    MANAGED_DICT,
    TP_DICT,
    TP_FLAGS,
)
from leakscope.capture.readonly.regions import Survey
from leakscope.model.census import ContainerLength
from tests.memories import PAGE, START, DrawnMemory

every_layout = pytest.mark.parametrize("minor", range(9, 16), ids=lambda m: f"3.{m}")


@every_layout
def test_objects_are_counted_under_the_names_of_their_types(minor: int) -> None:
    drawn = DrawnMemory(minor=minor)
    order = drawn.class_("Order")
    inner = drawn.class_("Cart.Line", module="shop.cart")
    lost = drawn.class_("Lost", module=None)
    drawn.track(
        [
            *drawn.objects(order, 3),
            *drawn.objects(inner, 2),
            *drawn.objects(lost, 1),
            *drawn.objects(drawn.list, 4),
            *drawn.objects(drawn.deque, 1),
        ]
    )

    assert drawn.counts() == {
        "Lost": 1,
        "builtins.list": 4,
        "collections.deque": 1,
        "shop.Order": 3,
        "shop.cart.Cart.Line": 2,
    }


@every_layout
def test_objects_in_no_list_are_not_counted(minor: int) -> None:
    drawn = DrawnMemory(minor=minor)
    drawn.objects(drawn.tuple, 5)
    drawn.track(drawn.objects(drawn.tuple, 2))

    assert drawn.counts() == {"builtins.tuple": 2}


@pytest.mark.parametrize(("next_flags", "previous_flags"), [(1, 0), (2, 0), (3, 3), (0, 1), (0, 3)])
def test_flags_in_the_links_of_a_header_are_no_part_of_them(
    next_flags: int, previous_flags: int
) -> None:
    drawn = DrawnMemory(minor=14)
    objects = drawn.objects(drawn.class_("Order"), 5)
    drawn.track(objects, next_flags=next_flags, previous_flags=previous_flags)

    assert drawn.counts() == {"shop.Order": 5}


def test_objects_that_gc_is_counting_references_of_are_counted() -> None:
    drawn = DrawnMemory()
    order = drawn.class_("Order")
    objects = [drawn.object_(order, count=5) for _ in range(6)]
    drawn.track(objects)
    for unexplained, header in enumerate(objects):
        drawn.poke(header + 8, unexplained << 2 | 2)

    assert drawn.counts() == {"shop.Order": 6}


def test_what_looks_like_counting_is_none_with_more_to_explain_than_there_is() -> None:
    drawn = DrawnMemory()
    order = drawn.class_("Order")
    objects = [drawn.object_(order, count=5) for _ in range(6)]
    drawn.track(objects)
    for header in objects:
        drawn.poke(header + 8, 99 << 2 | 2)
    drawn.poke(objects[0] - HEADER, 0, 0)

    # Each one's successor does not agree; each one's predecessor cannot be told.
    assert drawn.counts() == {"shop.Order": 1}


def test_a_copy_of_memory_is_not_counted_again() -> None:
    drawn = DrawnMemory()
    objects = drawn.objects(drawn.class_("Order"), 20)
    drawn.track(objects)
    used = bytes(drawn.content[: 8 * PAGE])
    drawn.content[16 * PAGE : 24 * PAGE] = used

    assert drawn.counts() == {"shop.Order": 20}


def test_a_cycle_of_links_that_nobody_else_is_in_ends() -> None:
    drawn = DrawnMemory()
    one = drawn.object_(drawn.class_("Order"))
    drawn.poke(one, one, one)

    assert drawn.counts() == {"shop.Order": 1}


@pytest.mark.parametrize("wrong", [0, 1, 64, START + 8 * 5, 1 << 62, (1 << 64) - 8])
def test_links_and_types_that_lead_nowhere_are_passed_over(wrong: int) -> None:
    drawn = DrawnMemory()
    order = drawn.class_("Order")
    broken = drawn.objects(order, 3)
    for header in broken:
        drawn.poke(header, wrong, wrong)
    strange = drawn.object_(wrong)
    drawn.track([*drawn.objects(order, 2), strange])

    assert drawn.counts() == {"shop.Order": 2}


def test_a_class_of_a_metaclass_of_a_metaclass_is_a_type() -> None:
    drawn = DrawnMemory()
    meta_meta = drawn.class_("MetaMeta", flags=IS_TYPE, base=drawn.builtins.type)
    meta = drawn.class_("Meta", flags=IS_TYPE, metaclass=meta_meta, base=drawn.builtins.type)
    made = drawn.class_("Made", metaclass=meta)
    drawn.track(drawn.objects(made, 2))

    assert drawn.counts() == {"shop.Made": 2}


def test_an_instance_of_a_class_is_no_type_however_much_it_looks_like_one() -> None:
    drawn = DrawnMemory()
    order = drawn.class_("Order")
    impostor = drawn.class_("Impostor", metaclass=order)
    drawn.track(drawn.objects(impostor, 3))

    assert drawn.counts() == {}


@pytest.mark.parametrize("flags", [0, 1 << 12, 1 << 14])
def test_a_type_that_is_not_ready_or_has_no_headers_is_none(flags: int) -> None:
    drawn = DrawnMemory()
    order = drawn.class_("Order")
    drawn.poke(order + TP_FLAGS, flags)
    drawn.track(drawn.objects(order, 3))

    assert drawn.counts() == {}


def test_a_module_is_found_under_a_key_that_no_other_type_shares() -> None:
    drawn = DrawnMemory()
    common, own = drawn.class_("Common"), drawn.class_("Own")
    names = {"__doc__": 0, "__module__": drawn.text("shop.own")}
    drawn.poke(own + TP_DICT, drawn.namespace(names, interned=False))
    drawn.track([*drawn.objects(common, 1), *drawn.objects(own, 1)])

    assert drawn.counts() == {"shop.Common": 1, "shop.own.Own": 1}


def test_types_that_share_a_name_are_counted_together() -> None:
    drawn = DrawnMemory()
    drawn.track([*drawn.objects(drawn.class_("Row"), 2), *drawn.objects(drawn.class_("Row"), 3)])

    assert drawn.counts() == {"shop.Row": 5}


@pytest.mark.parametrize("window", [PAGE, 3 * PAGE, 16 * PAGE])
def test_what_lies_across_the_edges_of_windows_is_counted_once(window: int) -> None:
    drawn = DrawnMemory(pages=128)
    order = drawn.class_("Order", basic=1200)
    edges = range(START + 32 * PAGE, START + 100 * PAGE, PAGE)
    objects = [
        drawn.object_(order, at=edge - back)
        for edge, back in zip(edges, [0, 16, 32, 48, 1008] * len(edges), strict=False)
    ]
    drawn.track(objects[::2] + objects[1::2])

    assert drawn.counts(window=window) == {"shop.Order": len(objects)}


def test_pages_that_go_while_they_are_read_take_nothing_else_with_them() -> None:
    drawn = DrawnMemory()
    order = drawn.class_("Order", basic=480)
    objects = [drawn.object_(order, at=START + 24 * PAGE + 512 * n) for n in range(80)]
    drawn.track(objects)
    gone = {26, 27, 31}
    drawn.missing = gone
    there = [header for header in objects if (header - START) // PAGE not in gone]

    assert drawn.counts() == {"shop.Order": len(there)}


# The target runs on while it is read.


def meanwhile(change: Callable[[], None], drawn: DrawnMemory, *, read: int = 2) -> None:
    """Have `change` happen before the read with that number; the first reads the window."""

    def before(number: int) -> None:
        if number == read:
            change()

    drawn.before_read = before


def test_an_object_whose_neighbours_changed_when_it_was_read_is_looked_at_again() -> None:
    drawn = DrawnMemory()
    objects = drawn.objects(drawn.class_("Order"), 5)
    other = drawn.class_("Cart")
    head = drawn.track(objects)
    # Half of a removal was read: the neighbour after it points elsewhere already.
    new = drawn.object_(other)
    drawn.poke(objects[2] + 8, new)
    drawn.poke(objects[0], new)

    def finish() -> None:
        drawn.poke(objects[0], objects[1])
        drawn.poke(objects[2] + 8, objects[1])

    meanwhile(finish, drawn)

    assert drawn.counts() == {"shop.Order": 5}
    assert head


def test_an_object_that_went_while_it_was_read_is_not_counted() -> None:
    drawn = DrawnMemory()
    objects = drawn.objects(drawn.class_("Order"), 5)
    drawn.track(objects)
    stray = objects[2]
    drawn.poke(objects[1], objects[3])
    drawn.poke(objects[3] + 8, objects[1])  # out of the list, and not yet marked so
    meanwhile(lambda: drawn.poke(stray, 0, 0), drawn)

    assert drawn.counts() == {"shop.Order": 4}


def test_an_object_that_never_agrees_is_given_up() -> None:
    drawn = DrawnMemory()
    objects = drawn.objects(drawn.class_("Order"), 5)
    drawn.track(objects)
    drawn.poke(objects[1], objects[3])
    drawn.poke(objects[3] + 8, objects[1])

    assert drawn.counts() == {"shop.Order": 4}
    assert drawn.reads < 40


def test_a_census_that_takes_too_long_ends() -> None:
    drawn = DrawnMemory()
    survey = Survey(drawn.regions, drawn.regions, reserved=False)

    with pytest.raises(CensusTooSlow, match="took too long"):
        count(drawn, survey, drawn.layout, drawn.builtins, deadline=0.0)


# Sizes and lengths.


def test_lengths_are_those_of_each_kind_of_container() -> None:
    drawn = DrawnMemory()
    kinds = {
        drawn.list: (10, 0),
        drawn.deque: (11, 0),
        drawn.builtins.dict: (12, 0),
        drawn.builtins.odict: (13, 0),
        drawn.builtins.sets[0]: (0, 14),
        drawn.tuple: (15, 0),
    }
    headers = {kind: drawn.object_(kind, *fields, 0, 0, 0) for kind, fields in kinds.items()}
    drawn.track(list(headers.values()))

    found = drawn.census().containers

    assert [(c.type, c.length) for c in found] == [
        ("builtins.set", 14),
        ("collections.OrderedDict", 13),
        ("builtins.dict", 12),
        ("collections.deque", 11),
        ("builtins.list", 10),
    ]
    assert found[-1] == ContainerLength(headers[drawn.list] + HEADER, "builtins.list", 10)


def test_short_containers_and_lengths_beyond_all_memory_are_left_out() -> None:
    drawn = DrawnMemory()
    drawn.track([drawn.object_(drawn.list, n, 0, 0) for n in (0, 7, 1 << 40, (1 << 64) - 1)])

    census = drawn.census()

    assert census.types["builtins.list"].objects == 4
    assert census.containers == ()


def test_a_long_dict_that_gc_does_not_track_is_followed_though_it_is_not_counted() -> None:
    drawn = DrawnMemory(pages=128)
    long = drawn.namespace({str(n): 0 for n in range(64)})
    drawn.namespace({str(n): 0 for n in range(63)})
    drawn.object_(drawn.builtins.dict, 500, 0, 0, 0)  # it has no table: memory that was freed

    census = drawn.census()

    assert census.types == {}
    assert census.containers == (ContainerLength(long, "builtins.dict", 64),)


def test_bytes_are_those_of_header_object_and_items() -> None:
    drawn = DrawnMemory()
    drawn.track(
        [
            *drawn.objects(drawn.class_("Order", basic=56), 2),
            drawn.object_(drawn.tuple, 5),
            drawn.object_(drawn.tuple, 1 << 60),  # makes no sense
            drawn.object_(drawn.list, 3, 0, 8),  # room for 8
            drawn.object_(drawn.deque, 10, 0, 0, 60),  # from the 60th place on: two blocks
        ]
    )

    found = {name: total.bytes for name, total in drawn.census().types.items()}

    assert found == {
        "shop.Order": 2 * (16 + 56),
        "builtins.tuple": 2 * (16 + 24) + 5 * 8,
        "builtins.list": 16 + 40 + 8 * 8,
        "collections.deque": 16 + 80 + 2 * 528,
    }


def test_a_small_set_has_its_table_in_itself() -> None:
    drawn = DrawnMemory()
    kind = drawn.builtins.sets[1]
    small = drawn.object_(kind, 0, 3, 7, 0)
    drawn.poke(small + HEADER + 40, small + HEADER + 64)
    drawn.track([small, drawn.object_(kind, 0, 30, 63, START)])

    assert drawn.census().types["builtins.frozenset"].bytes == 2 * (16 + 200) + 64 * 16


@every_layout
def test_a_dict_has_a_table_of_its_own_or_shares_it(minor: int) -> None:
    drawn = DrawnMemory(minor=minor)
    table = drawn.peek(drawn.namespace({"a": 0}) + 32)
    if minor > 10:
        drawn.poke(table + drawn.layout.keys_usable, 41, 1)
    drawn.track([drawn.object_(drawn.builtins.dict, 1, 0, table, 0)])
    alone = drawn.census().types["builtins.dict"].bytes
    drawn.poke(table, 7)
    drawn.track([drawn.object_(drawn.builtins.dict, 1, 0, table, START)])
    both = drawn.census().types["builtins.dict"].bytes

    # 64 slots: one byte of index each, 42 entries of 24 bytes.
    assert alone == 16 + 48 + drawn.layout.keys_indices + 64 + 42 * 24
    assert both == 2 * (16 + 48) + 42 * 8


@pytest.mark.parametrize(
    ("minor", "flags", "words", "kept"),
    [
        (11, MANAGED_DICT, (START, 0), True),
        (11, MANAGED_DICT, (0, START), False),
        (12, MANAGED_DICT, (0, START + 1), True),
        (12, MANAGED_DICT, (0, START), False),
        (13, MANAGED_DICT | INLINE_VALUES, (0, 0), True),
        (15, MANAGED_DICT | INLINE_VALUES, (0, START), False),
        (15, MANAGED_DICT, (0, 0), False),
    ],
)
def test_attribute_values_count_with_the_instance_that_keeps_them(
    minor: int, flags: int, words: tuple[int, int], *, kept: bool
) -> None:
    drawn = DrawnMemory(minor=minor)
    order = drawn.class_("Order", flags=flags)
    names = drawn.room(64)
    drawn.poke(names, 3, 0)
    drawn.poke(names + drawn.layout.keys_usable, 28, 2)
    drawn.poke(order + drawn.layout.cached_keys, names)
    header = drawn.object_(order, before=2)
    drawn.poke(header - 16, *words)
    drawn.track([header])

    found = drawn.census().types["shop.Order"].bytes

    assert found == 16 + 16 + 16 + 30 * 8 * kept


def test_an_int_with_attributes_has_no_items_where_its_digits_are_told_otherwise() -> None:
    drawn = DrawnMemory()
    number = drawn.static_type("Level", basic=48, item=4, flags=IS_INT)
    drawn.track([drawn.object_(number, 8 << 3)])

    assert drawn.census().types["builtins.Level"].bytes == 16 + 48


# Names.


def test_names_of_any_width_and_build_are_read_to_the_letter() -> None:
    drawn = DrawnMemory()
    names = {"Größe": 1, "名字": 2, "\U0001f600": 4, "lone\udc80": 2}
    objects = []
    for name, width in names.items():
        kind = drawn.class_("placeholder")
        drawn.poke(kind + drawn.layout.qualname, drawn.wide_text(name, width))
        objects.append(drawn.object_(kind))
    drawn.track(objects)

    assert set(drawn.counts()) == {f"shop.{name}" for name in names}


def test_a_text_whose_characters_lie_elsewhere_is_found() -> None:
    drawn = DrawnMemory(minor=9)
    kind = drawn.class_("placeholder")
    legacy = drawn.room(96)
    characters = drawn.room(16)
    drawn.poke(characters, int.from_bytes(b"Legacy", "little"))
    drawn.poke(legacy, 1, drawn.builtins.str, 6, 0, 1 << 2)
    drawn.poke(legacy + drawn.layout.other_text, characters)
    drawn.poke(kind + drawn.layout.qualname, legacy)
    drawn.track(drawn.objects(kind, 1))

    assert drawn.counts() == {"shop.Legacy": 1}


@pytest.mark.parametrize(
    ("length", "state", "first"),
    [
        (1 << 63, 1 << 2 | 3 << 5, 0),  # a negative length
        (5, 3 << 2 | 3 << 5, 0),  # three bytes per character
        (1, 4 << 2 | 1 << 5, 0xFFFF_FFFF),  # no character
        (1 << 40, 1 << 2, 0),  # elsewhere, which is nowhere
    ],
)
def test_a_type_whose_name_is_no_text_is_none(length: int, state: int, first: int) -> None:
    drawn = DrawnMemory()
    kind = drawn.class_("placeholder")
    text = drawn.room(80)
    drawn.poke(text, 1, drawn.builtins.str, length, 0, state)
    drawn.poke(text + drawn.layout.other_text, first)
    drawn.poke(kind + drawn.layout.qualname, text)
    drawn.track(drawn.objects(kind, 1))

    assert drawn.counts() == {}


def test_a_name_without_end_is_cut() -> None:
    drawn = DrawnMemory()
    kind = drawn.class_("x" * 2000, module="m" * 400)
    static = drawn.static_type("y" * 2000)
    drawn.track([drawn.object_(kind), drawn.object_(static)])

    assert sorted(map(len, drawn.counts())) == [300, len("builtins.") + 300]


def test_a_dict_of_attributes_that_makes_no_sense_only_costs_the_module() -> None:
    drawn = DrawnMemory()
    endless, shared = drawn.class_("Endless"), drawn.class_("Shared")
    for kind, word, value in ((endless, drawn.layout.keys_entries, 1 << 40), (shared, 8, 2 << 16)):
        drawn.poke(drawn.peek(drawn.peek(kind + TP_DICT) + MA_KEYS) + word, value)
    drawn.track([drawn.object_(endless), drawn.object_(shared)])

    assert drawn.counts() == {"Endless": 1, "Shared": 1}
