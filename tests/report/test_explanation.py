from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.evidence import Step
from leakscope.model.explanation import Explanation, ObjectFacts, Referrer, TypeShare, Way
from leakscope.report.explanation import (
    render_explanation,
    render_explanation_json,
    render_object,
    render_object_json,
)
from tests.goldens import assert_golden
from tests.report.hostile import any_text, raw_in

CHAIN = (
    Step("module shop.audit", "module"),
    Step(".PENDING", "list"),
    Step("[17]", "shop.audit.Record"),
    Step(".request", "web.Request"),
)
FACTS = ObjectFacts(
    address=0x7F00_1234_5678,
    type="web.Request",
    bytes=208,
    refcount=2,
    retained_bytes=3_400,
    retained_objects=41,
    is_garbage=False,
    chain=CHAIN,
    referrers=(Referrer(".request", "shop.Context", 0x7F00_0000_1000, "shop.app.LAST"),),
    more_referrers=3,
    keeps=tuple(TypeShare(f"shop.T{i}", 10 - i, 1000 - i) for i in range(10)),
)
FOUND = Explanation(
    type="web.Request",
    objects=97_412,
    bytes=97_412 * 208,
    garbage=12,
    retained_bytes=181 << 20,
    looked_at=200,
    ways=(Way(190, CHAIN), Way(10, (Step("module shop.app", "module"), Step(".LAST", "dict")))),
    example=FACTS,
)


def test_the_explanation_is_as_reviewed() -> None:
    assert_golden("explanation-100.txt", render_explanation(FOUND))


def test_an_object_is_as_reviewed() -> None:
    assert_golden("object-100.txt", render_object(FACTS))


def test_one_way_alone_is_said_to_be_all() -> None:
    report = render_explanation(replace(FOUND, ways=(Way(200, CHAIN),)))

    assert "all 200 that were looked at are held by" in report


def test_many_ways_are_told_in_part() -> None:
    ways = tuple(Way(1, CHAIN) for _ in range(9))

    assert "and in 4 other ways" in render_explanation(replace(FOUND, ways=ways))


def test_garbage_is_said_to_be_garbage() -> None:
    lost = replace(FACTS, is_garbage=True, chain=(), retained_objects=0, keeps=())

    assert "uncollected garbage" in render_object(lost)


def test_what_no_reference_leads_to_is_held_from_outside() -> None:
    assert "C code or the interpreter holds it" in render_object(replace(FACTS, chain=()))


def test_an_object_that_is_never_freed_shows_no_count() -> None:
    assert "count" not in render_object(replace(FACTS, refcount=None)).splitlines()[0]


def test_the_documents_have_it_all() -> None:
    document = json.loads(render_explanation_json(FOUND))
    example = json.loads(render_object_json(FACTS))["object"]

    assert document["schema"] == "leakscope.why/1"
    assert [way["objects"] for way in document["chains"]] == [190, 10]
    assert document["example"] == example
    assert len(example["keeps"]) == 10
    assert example["referrers"][0]["path"] == "shop.app.LAST"


@given(any_text, any_text, st.integers(20, 200))
def test_hostile_names_reach_no_terminal(name: str, edge: str, width: int) -> None:
    chain = (Step(edge, name), Step(edge, name))
    facts = replace(
        FACTS,
        type=name,
        chain=chain,
        referrers=(Referrer(edge, name, 1, edge),),
        keeps=(TypeShare(name, 1, 1),),
    )
    found = replace(FOUND, type=name, ways=(Way(1, chain),), example=facts)

    assert not raw_in(render_explanation(found, width=width))
    assert not raw_in(render_object(facts, width=width))
    assert json.loads(render_explanation_json(found))["type"] == name
