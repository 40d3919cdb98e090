from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.evidence import (
    EntryShare,
    Evidence,
    HolderEvidence,
    Site,
    Step,
    TypeEvidence,
)
from leakscope.report.why import render_why, render_why_json
from tests.goldens import assert_golden
from tests.report.hostile import any_text, raw_in

RECORD = TypeEvidence(
    "shop.audit.Record",
    97_412,
    (Step("module shop.audit", "module"), Step(".LATEST", "shop.audit.Record")),
)
HOLDER = HolderEvidence(
    address=0x7F0000000000,
    type="builtins.dict",
    chain=(Step("module shop.audit", "module"), Step(".PENDING", "builtins.dict")),
    entry=(Step("['9f3c…']", "shop.audit.Record"), Step(".order", "shop.Order")),
    shares=(EntryShare("builtins.dict", 2.0, 464.0), EntryShare("shop.Order", 1.0, 48.0)),
    entries_sampled=20,
    site=Site("shop/audit.py", 12, "flush"),
)
EVIDENCE = Evidence(holders=(HOLDER,), types=(RECORD,))


def test_the_answer_is_as_reviewed() -> None:
    assert_golden("why-100.txt", render_why(RECORD.type, EVIDENCE))


def test_what_nothing_is_known_of_is_said_to_be_so() -> None:
    assert render_why("shop.X", Evidence()) == "nothing is known of why shop.X is alive"


def test_an_object_that_nothing_named_holds_is_said_to_be_so() -> None:
    report = render_why(RECORD.type, Evidence(types=(replace(RECORD, chain=()),)))

    assert "97,412 alive" in report
    assert "no way to it from a module, thread or task was found" in report


def test_the_document_has_chains_and_shares() -> None:
    document = json.loads(render_why_json(RECORD.type, EVIDENCE))

    assert document["schema"] == "leakscope.why/1"
    assert document["chains"][0]["objects"] == 97_412
    assert document["chains"][0]["chain"][0] == {"edge": "module shop.audit", "type": "module"}
    (holder,) = document["holders"]
    assert [step["edge"] for step in holder["entry"]] == ["['9f3c…']", ".order"]
    assert holder["shares"][0] == {"type": "builtins.dict", "objects": 2.0, "bytes": 464.0}
    assert holder["site"] == {"file": "shop/audit.py", "line": 12, "function": "flush"}


@given(any_text, st.integers(20, 120))
def test_hostile_names_are_harmless(text: str, width: int) -> None:
    steps = (Step(text, text), Step(text, text))
    holder = replace(
        HOLDER, type=text, chain=steps, entry=steps, site=Site(text, 1, text), shares=()
    )

    report = render_why(text, Evidence((holder,), (TypeEvidence(text, 1, steps),)), width=width)

    assert not raw_in(report)


def test_a_holder_without_a_name_is_said_to_be_so_and_its_rarer_contents_are_counted() -> None:
    shares = tuple(EntryShare(f"shop.T{i}", 1.0, 8.0) for i in range(11))
    holder = replace(HOLDER, chain=(), entry=(), shares=shares, site=None)

    report = render_why(RECORD.type, Evidence(holders=(holder,)), width=400)

    assert "no way to it from a module, thread or task was found" in report
    assert "1.00 shop.T7 (8 B) · 3 more types" in report
