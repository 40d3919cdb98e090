"""The report on a master and its workers, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from leakscope.model.family import (
    FamilyDiagnosis,
    Member,
    Role,
    Share,
    SharedFinding,
    Unwatched,
)
from leakscope.model.finding import Diagnosis, Finding, Growth, Verdict
from leakscope.model.trend import Interval
from leakscope.report.family import pids_text, render_family, sharing_text
from leakscope.report.family_json import render_family_json
from leakscope.report.json import report_document
from tests.goldens import assert_golden
from tests.report.hostile import any_text, diagnosis_of, raw_in
from tests.report.samples import CLEAN, INCONCLUSIVE, LEAKING, QUEUED_REQUESTS


def member(
    pid: int,
    diagnosis: Diagnosis,
    *,
    role: Role = Role.WORKER,
    came_after: float = 0.0,
    exited: bool = False,
) -> Member:
    own = replace(diagnosis, target=replace(diagnosis.target, pid=pid))
    return Member(role, came_after, exited, own)


def growing(rate: float) -> Finding:
    return replace(
        QUEUED_REQUESTS,
        growth=Growth("request", Interval(rate, rate - 0.01, rate + 0.01), None),
    )


MASTER = member(100, CLEAN, role=Role.MASTER)
FIRST, SECOND = member(101, LEAKING), member(102, LEAKING)
SOUND = member(103, CLEAN)
GONE = member(104, INCONCLUSIVE, exited=True)
LATE = member(105, CLEAN, came_after=42.0)
SHARED = SharedFinding(
    finding=growing(1.02),
    member=SECOND,
    shares=(Share(FIRST, growing(0.98)), Share(SECOND, growing(1.02))),
    others=(SOUND, LATE),
    untold=(GONE,),
    total=2.0,
)
FAMILY = FamilyDiagnosis(
    verdict=Verdict.LEAKING,
    reason="gateway.audit.PENDING (Request) grows steadily in 2 of 5 workers",
    master=100,
    unit="request",
    seconds=60.0,
    members=(MASTER, FIRST, SECOND, SOUND, GONE, LATE),
    findings=(SHARED,),
    unwatched=(
        Unwatched(106, "lived too short to be watched"),
        Unwatched(107, "not permitted"),
        Unwatched(108, "lived too short to be watched"),
    ),
    caveats=("The counter is taken to count the work of all workers together.",),
)


@pytest.mark.parametrize("width", [100, 60])
def test_the_report_is_as_reviewed(width: int) -> None:
    assert_golden(f"family-leaking-{width}.txt", render_family(FAMILY, width=width))


def test_the_json_report_is_as_reviewed() -> None:
    assert_golden("family-leaking.json", render_family_json(FAMILY))


def test_the_line_says_how_many_workers_share_the_slope() -> None:
    line = sharing_text(SHARED)

    assert line == (
        "2 of 4 workers share this slope: +0.98 to +1.02 per request each, +2.00 in all"
    )


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        (
            (Share(FIRST, growing(1.0)),),
            "1 of 3 workers has this slope: +1.00 per request each, +2.00 in all",
        ),
        (
            (Share(MASTER, growing(1.0)), Share(FIRST, growing(1.0)), Share(SECOND, growing(1.0))),
            "2 of 4 workers share this slope, and so does the master: +1.00 per request each, "
            "+2.00 in all",
        ),
        ((Share(MASTER, growing(1.0)),), "only the master has this slope: +1.00 per request"),
    ],
    ids=["one worker", "the master too", "the master alone"],
)
def test_the_line_is_right_for_few(shares: tuple[Share, ...], line: str) -> None:
    assert sharing_text(replace(SHARED, shares=shares)) == line


def test_long_lists_of_pids_are_cut() -> None:
    assert pids_text(range(1, 4)) == "pid 1, 2, 3"
    assert pids_text(range(1, 20)).endswith("15, 16 and 3 more")


def test_an_inconclusive_family_is_told_what_would_settle_it() -> None:
    text = render_family(replace(FAMILY, verdict=Verdict.INCONCLUSIVE, findings=()))

    assert "leakscope watch 100 --children --for 2m" in text


def test_the_json_holds_the_whole_report_of_each_worker() -> None:
    document = json.loads(render_family_json(FAMILY))

    assert document["schema"] == "leakscope.family/1"
    reports = [worker["report"] for worker in document["workers"]]
    expected = [json.loads(json.dumps(report_document(m.diagnosis))) for m in FAMILY.members]
    assert [r["target"]["pid"] for r in reports] == [100, 101, 102, 103, 104, 105]
    assert [r["schema"] for r in reports] == ["leakscope.report/1"] * 6
    assert [r["findings"] for r in reports] == [e["findings"] for e in expected]
    assert document["findings"][0]["objects"] == {"slowest": 0.98, "fastest": 1.02, "total": 2.0}


@given(any_text)
def test_nothing_that_the_targets_say_reaches_the_terminal_raw(text: str) -> None:
    diagnosis = diagnosis_of(text)
    hostile = member(1, diagnosis)
    shared = SharedFinding(
        finding=diagnosis.findings[0],
        member=hostile,
        shares=(Share(hostile, diagnosis.findings[0]),),
        others=(),
        untold=(),
        total=1.0,
    )
    family = replace(
        FAMILY,
        reason=text,
        members=(hostile,),
        findings=(shared,),
        unwatched=(Unwatched(2, text),),
        caveats=(text,),
    )

    assert raw_in(render_family(family)) == set()
    assert json.loads(render_family_json(family))["verdict"] == "leaking"
