from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given

from leakscope.model.explanation import HeapSummary, HeapTop, TopObject, TopType
from leakscope.model.unheld import UnheldType
from leakscope.report.top import NO_PATH, render_top, render_top_json
from tests.goldens import assert_golden
from tests.report.hostile import any_text, raw_in

SUMMARY = HeapSummary(1_200_345, 98 << 20, 3_400_000, 420, 40_000, 512, 4.25)
TYPES = HeapTop(
    SUMMARY,
    types=(
        TopType("builtins.dict", 240_000, 40 << 20, 80 << 20, 400, 39_000),
        TopType("shop.Order", 97_000, 9 << 20, 60 << 20, 20, 1_000),
    ),
)
OBJECTS = HeapTop(
    SUMMARY,
    objects=(
        TopObject(0x7F00_0000_1000, "list", 800, 60 << 20, 900_000, 97_000, "shop.audit.PENDING"),
        TopObject(0x7F00_0000_2000, "shop.App", 48, 2 << 20, 10_000, None, ""),
    ),
)


UNHELD = HeapTop(
    SUMMARY,
    unheld=(
        UnheldType("builtins.list", 21_833, 21_834, 4_900_000),
        UnheldType("builtins.str", 0, 21_849, 0),
    ),
)


def test_types_are_as_reviewed() -> None:
    assert_golden("top-types-100.txt", render_top(TYPES))


def test_objects_are_as_reviewed() -> None:
    assert_golden("top-objects-100.txt", render_top(OBJECTS))


def test_what_nobody_holds_is_as_reviewed() -> None:
    assert_golden("top-unheld-100.txt", render_top(UNHELD))
    assert json.loads(render_top_json(UNHELD))["unheld"][1] == {
        "type": "builtins.str",
        "objects": 0,
        "references": 21_849,
        "retained_bytes": 0,
    }


def test_garbage_alone_is_told_with_how_much_of_the_type_it_is() -> None:
    lost = replace(TYPES, types=tuple(replace(each, retained_bytes=0) for each in TYPES.types))

    assert "of objects" in render_top(lost)


def test_a_heap_without_any_says_so() -> None:
    assert "there is nothing of this kind" in render_top(HeapTop(SUMMARY))
    clean = replace(SUMMARY, garbage_objects=0, garbage_bytes=0)
    assert "no uncollected garbage" in render_top(HeapTop(clean))


def test_what_has_no_path_is_said_to_have_none() -> None:
    assert f"{NO_PATH} : shop.App @0x7f0000002000" in render_top(OBJECTS, width=160)


def test_the_document_has_it_all() -> None:
    document = json.loads(render_top_json(replace(OBJECTS, types=TYPES.types)))

    assert document["schema"] == "leakscope.top/1"
    assert document["heap"]["garbage"] == {"objects": 420, "bytes": 40_000}
    assert document["objects"][0]["retained"] == {"objects": 900_000, "bytes": 60 << 20}
    assert document["types"][1]["type"] == "shop.Order"


@given(any_text, any_text)
def test_hostile_names_reach_no_terminal(name: str, path: str) -> None:
    top = HeapTop(
        SUMMARY, objects=tuple(replace(each, type=name, path=path) for each in OBJECTS.objects)
    )

    assert not raw_in(render_top(top))
    assert not raw_in(render_top(HeapTop(SUMMARY, unheld=(UnheldType(name, 1, 1, 1),))))
    assert not raw_in(render_top(replace(TYPES, types=(replace(TYPES.types[0], type=name),))))
