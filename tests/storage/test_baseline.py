"""A baseline file reads back what was written, and what is none is refused in one line."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.model.gate import KnownLeak
from leakscope.storage.baseline import FORMAT, BadBaseline, load_baseline, save_baseline

LEAK = KnownLeak("abc123", "shop.Order", "shop.ORDERS", 0.2, "request", "cleared", date(2026, 1, 2))
ENTRY = {"fingerprint": "a", "type": "t", "holder": None, "rate": 1, "unit": "request"}

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
LEAKS = st.builds(
    KnownLeak,
    fingerprint=TEXTS,
    type=TEXTS,
    holder=st.none() | TEXTS,
    rate=st.floats(0, 1e9).map(lambda rate: float(f"{rate:.4g}")),
    unit=TEXTS,
    reason=TEXTS | st.just(""),
    expires=st.none() | st.dates(),
)


@given(st.lists(LEAKS, unique_by=lambda leak: leak.fingerprint))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, leaks: list[KnownLeak]
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "known.json"

    save_baseline(path, leaks)

    assert load_baseline(path) == tuple(sorted(leaks, key=lambda leak: leak.fingerprint))


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert load_baseline(tmp_path / "none.json") == ()


def test_people_may_leave_out_what_they_do_not_need(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_text(json.dumps({"format": FORMAT, "leaks": [ENTRY]}))

    assert load_baseline(path) == (KnownLeak("a", "t", None, 1.0, "request"),)


def test_the_file_is_the_same_for_the_same_leaks(tmp_path: Path) -> None:
    other = KnownLeak("abc", "shop.Cart", None, 1.0, "request")
    save_baseline(tmp_path / "a.json", [LEAK, other])
    save_baseline(tmp_path / "b.json", [other, LEAK])

    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "leakscope.baseline/2", "leaks": []}',
        '{"format": "leakscope.baseline/1"}',
        json.dumps({"format": FORMAT, "leaks": [5]}),
        json.dumps({"format": FORMAT, "leaks": [{**ENTRY, "rate": "fast"}]}),
        json.dumps({"format": FORMAT, "leaks": [{**ENTRY, "rate": True}]}),
        json.dumps({"format": FORMAT, "leaks": [{**ENTRY, "fingerprint": ""}]}),
        json.dumps({"format": FORMAT, "leaks": [{**ENTRY, "holder": 4}]}),
        json.dumps({"format": FORMAT, "leaks": [{**ENTRY, "expires": "soon"}]}),
        json.dumps({"format": FORMAT, "leaks": [{**ENTRY, "expires": 2026}]}),
        "[" * 100_000,
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(text)

    with pytest.raises(BadBaseline, match=r"is no baseline") as refused:
        load_baseline(path)
    assert "--update-baseline" in refused.value.remedy


def test_a_directory_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(BadBaseline, match="cannot read"):
        load_baseline(tmp_path)
