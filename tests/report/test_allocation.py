"""Where memory is allocated, as text, folded stacks and JSON."""

from __future__ import annotations

import json

from leakscope.model.evidence import Site
from leakscope.report.allocation import (
    render_allocations,
    render_allocations_json,
    render_folded,
)
from tests.goldens import assert_golden
from tests.report.profiles import LEAKING, MAIN, MIB, profile, site


def test_what_stays_is_told_by_place() -> None:
    assert_golden("alloc.txt", render_allocations(LEAKING))


def test_all_that_is_allocated_is_told_by_place() -> None:
    assert_golden("alloc-all.txt", render_allocations(LEAKING, allocated=True, limit=2))


def test_the_document_has_every_place() -> None:
    assert_golden("alloc.json", render_allocations_json(LEAKING))
    assert len(json.loads(render_allocations_json(LEAKING))["sites"]) == 4


def test_folded_stacks_begin_outermost() -> None:
    first = render_folded(LEAKING).splitlines()[0]

    assert first == (
        "<module> (/srv/shop/__main__.py:9);serve (/srv/shop/app.py:41);"
        f"Audit.keep (/srv/shop/audit.py:88) {6 * MIB}"
    )
    assert len(render_folded(LEAKING).splitlines()) == 2
    assert len(render_folded(LEAKING, allocated=True).splitlines()) == 4


def test_a_name_cannot_break_a_folded_line() -> None:
    odd = profile(site(Site("a;b\n.py", 1, "f\x1b[1m\r;"), MAIN, in_use=MIB, allocated=MIB))

    (line,) = render_folded(odd).splitlines()
    assert line.count(";") == 1
    assert "\x1b" not in line
    assert "\x1b" not in render_allocations(odd)


def test_nothing_is_said_to_be_nothing() -> None:
    assert "Nothing was sampled" in render_allocations(profile(samples=0, taken=0))
    freed = profile(site(MAIN, in_use=0, allocated=MIB), samples=0)
    assert "Nothing that was sampled is still in use." in render_allocations(freed)
