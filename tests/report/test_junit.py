"""JUnit XML that a CI server draws the right conclusion from."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given

from leakscope.model.finding import Diagnosis
from leakscope.model.gate import GateResult
from leakscope.report.junit import render_junit
from leakscope.report.text import printable
from tests.goldens import GOLDEN, assert_golden
from tests.report.gates import JUDGED, judged_of
from tests.report.hostile import NASTY, any_text
from tests.report.samples import CLEAN, LEAKING

SCHEMA = Path(GOLDEN).parent / "schemas" / "junit.xsd"


@cache
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(SCHEMA)


def suite_of(diagnosis: Diagnosis, gate: GateResult | None) -> ET.Element:
    """Render, hold against the schema, read back."""
    text = render_junit(diagnosis, gate)
    schema().validate(text)
    (suite,) = ET.fromstring(text)
    return suite


def outcomes(suite: ET.Element) -> dict[str, list[str]]:
    """Return by class of case what became of the cases: `passed`, or the element that says so."""
    found: dict[str, list[str]] = {}
    for case in suite:
        told = [child.tag for child in case if child.tag != "system-out"] or ["passed"]
        found.setdefault(case.get("classname", "").removeprefix("leakscope."), []).extend(told)
    return found


@pytest.mark.parametrize("name", JUDGED)
def test_the_document_is_as_reviewed(name: str) -> None:
    assert_golden(f"junit-{name}.xml", render_junit(*JUDGED[name]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "failed",
            {
                "measurement": ["passed"],
                "budget": ["failure"],
                "finding": ["failure", "skipped"],
            },
        ),
        ("within-budget", {"measurement": ["passed"], "finding": ["passed", "skipped"]}),
        ("passed", {"measurement": ["passed"]}),
        ("undecided", {"measurement": ["error"]}),
        ("known", {"measurement": ["passed"], "finding": ["skipped", "skipped"]}),
        (
            "unsettled",
            {
                "measurement": ["error"],
                "budget": ["skipped"],
                "finding": ["skipped", "skipped"],
            },
        ),
        ("inconclusive", {"measurement": ["error"]}),
        ("not-measured", {"measurement": ["error"]}),
        ("ungated", {"measurement": ["passed"], "finding": ["failure", "skipped"]}),
    ],
)
def test_a_server_sees_what_happened(name: str, expected: dict[str, list[str]]) -> None:
    assert outcomes(suite_of(*JUDGED[name])) == expected


@pytest.mark.parametrize("name", JUDGED)
def test_the_counts_are_those_of_the_cases(name: str) -> None:
    suite = suite_of(*JUDGED[name])
    told = [outcome for group in outcomes(suite).values() for outcome in group]

    assert suite.get("tests") == str(len(told))
    assert suite.get("failures") == str(told.count("failure"))
    assert suite.get("errors") == str(told.count("error"))
    assert suite.get("skipped") == str(told.count("skipped"))


def test_a_failure_shows_the_retention_chain() -> None:
    failure = suite_of(*JUDGED["failed"]).find("testcase/failure[@type='leak']")

    assert failure is not None
    assert "└─ .PENDING : dict   ← accumulates here: 97,412 entries" in (failure.text or "")


def test_why_there_is_no_answer_is_said() -> None:
    error = suite_of(*JUDGED["not-measured"]).find("testcase/error")

    assert error is not None
    assert error.get("type") == "not-measured"
    assert error.get("message") == "no request was served while watching"
    assert "leakscope doctor" in (error.text or "")


def test_a_pass_says_what_it_could_have_missed() -> None:
    told = suite_of(*JUDGED["passed"]).findtext("testcase/system-out") or ""

    assert "could have been missed: less than 0.0031" in told


def test_a_case_is_called_the_same_whatever_the_rate_is_in_a_run() -> None:
    names = []
    for length in (9, 97412):
        first = LEAKING.findings[0]
        assert first.holder is not None
        grown = replace(first, holder=replace(first.holder, last_length=length))
        suite = suite_of(replace(LEAKING, findings=(grown,)), None)
        names.append([case.get("name") for case in suite])

    assert names[0] == names[1]


def test_the_schema_refuses_what_jenkins_would() -> None:
    good = render_junit(CLEAN, None)

    for bad in (
        good.replace('name="measurement"', ""),
        good.replace("<system-out>", "<output>").replace("</system-out>", "</output>"),
        good.replace('time="962.000"', 'time="16m"'),
        good.replace('tests="1"', 'tests="-1"'),
    ):
        assert bad != good
        assert not schema().is_valid(bad)


def test_control_characters_that_xml_forbids_are_written_out() -> None:
    text = render_junit(*judged_of(NASTY))

    schema().validate(text)
    assert "\\x1b]0;owned" in text


@given(any_text)
def test_whatever_the_target_is_called_comes_out_of_a_parser_as_it_was_shown(text: str) -> None:
    diagnosis, gate = judged_of(text)
    suite = suite_of(replace(diagnosis, findings=diagnosis.findings[:1]), gate)

    case = suite.find("testcase[@classname='leakscope.finding']")
    assert case is not None
    assert f" in {printable(text)} [" in case.get("name", "")
