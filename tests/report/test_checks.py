from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from leakscope.report.checks import render_checks, render_checks_json
from leakscope.report.layout import cells
from tests.goldens import assert_golden
from tests.report.hostile import NASTY, raw_in


@dataclass(frozen=True, slots=True)
class Found:
    name: str
    status: str
    detail: str
    remedy: str = ""


CHECKS = (
    Found("platform", "ok", "Linux on x86-64"),
    Found("ptrace scope", "warning", "1: a process may trace its children only", "run as root"),
    Found("user", "failed", "the process is somebody else's", "run leakscope as its owner"),
    Found("load generator", "skipped", "no wrk; leakscope does not need it"),
)


def test_the_list_is_as_reviewed() -> None:
    assert_golden("doctor-100.txt", render_checks(CHECKS))


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        (CHECKS, "NOT READY: 1 check failed"),
        (CHECKS[:2], "READY, with 1 warning"),
        (CHECKS[:1], "READY: nothing stands in the way"),
    ],
)
def test_the_first_line_says_whether_a_diagnosis_is_possible(
    checks: tuple[Found, ...], words: str
) -> None:
    assert render_checks(checks).splitlines()[0] == words


def test_a_remedy_stands_below_its_check() -> None:
    lines = render_checks(CHECKS).splitlines()

    assert "do: run leakscope as its owner" in lines[1 + [*map(_name, lines)].index("FAILED")]


def test_the_document_has_every_check() -> None:
    document = json.loads(render_checks_json(CHECKS))

    assert document["schema"] == "leakscope.doctor/1"
    assert document["ready"] is False
    assert [check["status"] for check in document["checks"]] == [c.status for c in CHECKS]


def test_lines_fit_on_every_terminal() -> None:
    for width in range(20, 201):
        assert all(cells(line) <= width for line in render_checks(CHECKS, width=width).splitlines())


def test_hostile_details_are_harmless() -> None:
    assert not raw_in(render_checks((Found(NASTY, NASTY, NASTY, NASTY),)))


def _name(line: str) -> str:
    return line.split(" ")[0]
