"""A JSON report says the same as the recording it was made of, or is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.fixes import compare_runs
from leakscope.errors import LeakscopeError
from leakscope.model.fixes import Fix
from leakscope.model.measurement import Measurement
from leakscope.model.recording import Recording
from leakscope.report.json import render_json
from leakscope.storage.errors import NoSuchFile
from leakscope.storage.reports import BadReport, is_report, load_report
from tests.builders import recording_of
from tests.runs import OTHER, gate_report, run, shop


def read(tmp_path: Path, text: str | bytes) -> Measurement:
    path = tmp_path / "report.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_report(path, "report")


@pytest.mark.parametrize(
    "after",
    [shop(0.0, target=OTHER), shop(0.0, sway=30.0, target=OTHER), shop(0.5, target=OTHER)],
    ids=["still", "swaying", "slower"],
)
def test_reports_of_a_check_are_judged_as_their_recordings_are(
    tmp_path: Path, after: Recording
) -> None:
    before = shop(1.0)
    of_recordings = compare_runs(run(before, "report"), run(after, "report"))
    of_reports = compare_runs(
        read(tmp_path, gate_report(before)), read(tmp_path, gate_report(after))
    )

    assert of_reports.rows == of_recordings.rows
    assert of_reports.rss == of_recordings.rss
    assert of_reports.fix is of_recordings.fix


def test_a_report_lists_the_types_that_moved_and_no_others() -> None:
    still = {f"shop.T{i}": [7.0] * 13 for i in range(300)}
    moving = recording_of({**still, "shop.Order": [5.0, 6.0] * 6 + [5.0]}, work=100.0)

    rates = json.loads(gate_report(moving))["gate"]["rates"]

    assert [rate["type"] for rate in rates] == ["shop.Order"]
    assert rates[0]["low"] < 0 < rates[0]["high"]


def test_a_report_of_a_watch_tells_of_its_findings_only(tmp_path: Path) -> None:
    before = run(shop(1.0), "before")
    clean = read(tmp_path, render_json(diagnose(shop(0.0, target=OTHER))))
    leaking = read(tmp_path, render_json(diagnose(shop(1.0, target=OTHER))))

    (unknown,) = compare_runs(before, clean).rows
    (known,) = compare_runs(before, leaking).rows

    assert unknown.fix is Fix.UNCLEAR
    assert "tells of findings only" in unknown.after.doubt
    assert known.fix is Fix.UNCHANGED


def test_a_check_that_was_too_short_tells_no_rates(tmp_path: Path) -> None:
    text = gate_report(shop(0.0, samples=4, target=OTHER))

    assert json.loads(text)["gate"]["rates"] is None
    assert compare_runs(run(shop(1.0), "before"), read(tmp_path, text)).fix is Fix.UNCLEAR


REPORT: dict[str, Any] = json.loads(gate_report(shop(1.0, rss=4000.0)))


def changed(*path: str | int, to: object) -> str:
    """Return the report with the value at `path` replaced."""
    document = json.loads(json.dumps(REPORT))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no report"),
        ("{", "no report"),
        ("[]", "the report is no object"),
        ("{}", "its schema is not leakscope.report/1"),
        ('{"schema": "leakscope.diff/1"}', "its schema is not leakscope.report/1"),
        ('{"schema": 1}', "no text 'schema'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"schema": ' + "9" * 5000 + "}", "no report"),
        (b"\xff\xfe\x00", "no report"),
        (changed("seconds", to=float("nan")), "NaN is no JSON"),
        (changed("seconds", to=float("inf")), "Infinity is no JSON"),
        (changed("seconds", to=1.5).replace("1.5", "1e999"), "no number 'seconds'"),
        (changed("seconds", to=10**400), "no report"),
        (changed("seconds", to=True), "no number 'seconds'"),
        (changed("verdict", to="splendid"), "no verdict 'verdict'"),
        (changed("findings", to={}), "no list 'findings'"),
        (changed("findings", 0, to=3), "is no object"),
        (changed("findings", 0, "growth", "unit", to="query"), "a finding is per query"),
        (changed("findings", 0, "growth", "objects", "low", to=9.0), "is no interval"),
        (changed("findings", 0, "growth", "objects", "low", to=None), "no number 'low'"),
        (changed("findings", 0, "fingerprint", to=None), "no text 'fingerprint'"),
        (changed("target", "cmdline", to=[1]), "no list of texts 'cmdline'"),
        (changed("rss", "label", to="sideways"), "no label 'label'"),
        (changed("gate", "rates", to=[{"type": "a"}]), "no text 'label'"),
        (changed("gate", "rates", to=[{}] * 100_001), "no list 'rates'"),
        (changed("reason", to="x" * 100_001), "no text 'reason'"),
    ],
)
def test_what_is_no_report_is_refused_in_one_line(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(BadReport) as refusal:
        read(tmp_path, text)

    assert said in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert "leakscope check --json FILE" in refusal.value.remedy


def test_a_report_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate((64 << 20) + 1)

    with pytest.raises(BadReport, match="too large"):
        load_report(large, "large")


def test_a_file_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    assert not is_report(tmp_path / "none.json")
    with pytest.raises(NoSuchFile):
        load_report(tmp_path / "none.json", "none")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of everything in the document."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [(*path, key) for key, _ in inner] + [
        place for key, item in inner for place in places(item, (*path, key))
    ]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(places(REPORT)), values)
def test_no_value_anywhere_makes_more_than_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str | int, ...], value: object
) -> None:
    text = changed(*place, to=value)
    try:
        measured = read(tmp_path_factory.mktemp("fuzz"), text)
        compare_runs(run(shop(1.0), "before"), measured)
    except LeakscopeError as problem:
        assert len(str(problem).splitlines()) == 1
