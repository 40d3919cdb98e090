"""Whatever is in a target's memory, a read-only census ends soon and trusts none of it."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.capture.readonly.layout import (
    HAS_HEADER,
    HEAP_TYPE,
    IS_TYPE,
    MA_KEYS,
    READY,
    TP_BASE,
    TP_BASICSIZE,
    TP_DICT,
    TP_FLAGS,
    TP_NAME,
)
from tests.memories import PAGE, START, DrawnMemory

PAGES = 64
FEW_CALLS = 40_000
"""Reads of a memory of 32,768 words: some for each word at worst, never some for each pair."""

seeds = st.integers(0, 2**32 - 1)
minors = st.integers(9, 15)


def drawn_heap(minor: int) -> tuple[DrawnMemory, list[int], list[int]]:
    """Return a memory with objects in it, its types, and where its objects are."""
    drawn = DrawnMemory(minor=minor, pages=PAGES)
    types = [drawn.class_("Order"), drawn.class_("Cart"), drawn.list, drawn.builtins.dict]
    objects = [drawn.object_(kind, 100, 0, 0, 0) for kind in types for _ in range(20)]
    drawn.track(objects)
    return drawn, types, objects


def likely_word(chance: random.Random, drawn: DrawnMemory, telling: list[int]) -> int:
    """Return a word of the sort that memory is full of, with some that mean something."""
    kind = chance.randrange(6)
    if kind == 0:
        return chance.getrandbits(64)
    if kind == 1:
        return chance.randrange(300)
    if kind == 2:
        return chance.choice(telling)
    if kind == 3:
        return chance.choice(telling) + chance.randrange(-64, 64)
    if kind == 4:
        return START + chance.randrange(len(drawn.content))
    return (START + 16 * chance.randrange(len(drawn.content) // 16)) | chance.randrange(4)


@settings(max_examples=60)
@given(seeds, minors)
def test_memory_full_of_likely_words_is_counted_to_the_end(seed: int, minor: int) -> None:
    chance = random.Random(seed)
    drawn, types, objects = drawn_heap(minor)
    telling = [*types, *objects, drawn.builtins.type, 1, READY | HAS_HEADER | HEAP_TYPE]
    for address in range(START + 32 * PAGE, START + PAGES * PAGE, 8):
        drawn.poke(address, likely_word(chance, drawn, telling) % (1 << 64))

    found = drawn.counts()

    assert drawn.calls < FEW_CALLS
    assert sum(found.values()) >= len(objects)
    assert all(len(name) <= 400 for name in found)


@settings(max_examples=150)
@given(seeds, minors)
def test_types_and_objects_that_are_damaged_only_lose_what_they_were(seed: int, minor: int) -> None:
    chance = random.Random(seed)
    drawn, types, objects = drawn_heap(minor)
    telling = [*types, *objects, 0]
    fields = (8, TP_NAME, TP_BASICSIZE, TP_FLAGS, TP_BASE, TP_DICT, MA_KEYS, drawn.layout.qualname)
    for _ in range(chance.randrange(1, 12)):
        place = chance.choice(
            [chance.choice(types) + chance.choice(fields), chance.choice(objects) + 8]
        )
        drawn.poke(place, likely_word(chance, drawn, telling) % (1 << 64))
    drawn.missing = {chance.randrange(PAGES) for _ in range(chance.randrange(3))}

    found = drawn.census()

    assert drawn.calls < FEW_CALLS
    assert sum(total.objects for total in found.types.values()) <= 2 * len(objects)
    assert all(0 <= total.bytes < 1 << 40 for total in found.types.values())


@settings(max_examples=60)
@given(seeds)
def test_memory_that_changes_under_every_look_does_not_keep_the_census(seed: int) -> None:
    chance = random.Random(seed)
    drawn, types, objects = drawn_heap(12)
    telling = [*types, *objects, 0]

    def change(_number: int) -> None:
        for _ in range(40):
            drawn.poke(
                chance.choice(objects) + 8 * chance.randrange(4),
                likely_word(chance, drawn, telling) % (1 << 64),
            )

    drawn.before_read = change

    drawn.counts()

    assert drawn.calls < FEW_CALLS


def test_a_memory_of_types_that_are_none_costs_some_reads_each() -> None:
    drawn = DrawnMemory(pages=PAGES)
    order = drawn.class_("Order")
    forged = range(START + 32 * PAGE, START + PAGES * PAGE - 1024, 512)
    for address in forged:  # each claims to be a type, and has the next one as its base
        drawn.poke(address, 1, drawn.builtins.type)
        drawn.poke(address + TP_FLAGS, READY | HAS_HEADER | IS_TYPE | HEAP_TYPE)
        drawn.poke(address + TP_BASICSIZE, 16)
        drawn.poke(address + TP_BASE, address + 512)
    drawn.track([drawn.object_(kind) for kind in [*forged, order]])

    assert drawn.counts() == {"shop.Order": 1}
    assert drawn.calls < FEW_CALLS


@settings(max_examples=60)
@given(seeds, minors, st.sampled_from([PAGE, 2 * PAGE, 64 * PAGE]))
def test_every_object_in_whatever_list_is_counted_once(seed: int, minor: int, window: int) -> None:
    chance = random.Random(seed)
    drawn = DrawnMemory(minor=minor, pages=PAGES)
    types = [drawn.class_(f"T{number}") for number in range(5)]
    expected: dict[str, int] = {}
    lists: list[list[int]] = [[], [], []]
    for _ in range(chance.randrange(400)):
        number = chance.randrange(5)
        header = drawn.object_(types[number], count=chance.choice([1, 2, 7, 1 << 31]))
        if chance.random() < 0.9:
            chance.choice(lists).append(header)
            expected[f"shop.T{number}"] = expected.get(f"shop.T{number}", 0) + 1
    for members in lists:
        chance.shuffle(members)
        drawn.track(members, next_flags=chance.randrange(4), previous_flags=chance.randrange(4))

    assert drawn.counts(window=window) == expected
