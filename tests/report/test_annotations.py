"""Workflow commands: what the runner reads is what was meant, whatever the target is called."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given

from leakscope.model.gate import GateResult
from leakscope.report.annotations import MOST_OF_A_LEVEL, render_annotations
from leakscope.report.places import Checkout
from leakscope.report.text import printable
from tests.goldens import assert_golden
from tests.report.gates import FAILED, JUDGED, PASSED, judged_of
from tests.report.hostile import NASTY, any_text, raw_in
from tests.report.samples import CLEAN, LEAKING, QUEUED_REQUESTS, SLOW_LEAK

TRICKY = "a%0Ab::error file=x,line=1::owned\n::set-env name=PATH::x%25"


@dataclass(frozen=True)
class Command:
    """One command as the runner takes it apart."""

    name: str
    properties: dict[str, str]
    message: str


def commands(text: str) -> list[Command]:
    """Read `text` line by line as the runner does."""
    return [read(line) for line in text.split("\n")] if text else []


def read(line: str) -> Command:
    assert line.startswith("::")
    head, message = line[2:].split("::", 1)
    name, _, told = head.partition(" ")
    pairs = [pair.split("=", 1) for pair in told.split(",")]
    unescaped = {pair[0]: pair[1] for pair in pairs}
    for code, character in (("%3A", ":"), ("%2C", ",")):
        unescaped = {key: value.replace(code, character) for key, value in unescaped.items()}
    return Command(name, {k: plain(v) for k, v in unescaped.items()}, plain(message))


def plain(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


@pytest.mark.parametrize("name", JUDGED)
def test_the_annotations_are_as_reviewed(name: str) -> None:
    assert_golden(f"annotations-{name}.txt", render_annotations(*JUDGED[name]))


def test_a_leak_over_budget_is_an_error_at_the_line_that_allocates_it() -> None:
    first, second = commands(render_annotations(LEAKING, FAILED))

    assert first.name == "error"
    assert first.properties["file"] == "gateway/audit.py"
    assert first.properties["line"] == "88"
    assert "accumulates here" in first.message
    assert second.name == "warning"
    assert "file" not in second.properties


def test_a_leak_within_its_budget_is_no_error_and_the_pass_says_what_it_could_have_missed() -> None:
    found = commands(render_annotations(LEAKING, PASSED))

    assert [each.name for each in found] == ["warning", "notice", "notice"]
    assert "could have been missed: less than 0.0031 gateway.audit.AuditRecord" in found[1].message


def test_no_answer_is_a_warning_and_no_measurement_an_error() -> None:
    names = ("undecided", "inconclusive", "not-measured")
    levels = {name: read(render_annotations(*JUDGED[name])).name for name in names}

    assert levels == {"undecided": "warning", "inconclusive": "warning", "not-measured": "error"}


def test_a_clean_watch_without_a_gate_is_a_notice() -> None:
    (only,) = commands(render_annotations(CLEAN, None))

    assert only.name == "notice"
    assert only.message == CLEAN.reason


def test_an_absolute_path_is_told_from_the_root_of_the_checkout() -> None:
    sites = (replace(QUEUED_REQUESTS.allocated_at[0], file="/ci/shop/gateway/audit.py"),)
    finding = replace(QUEUED_REQUESTS, allocated_at=sites)

    text = render_annotations(replace(LEAKING, findings=(finding,)), FAILED, Checkout("/ci/shop"))

    assert read(text).properties["file"] == "gateway/audit.py"


def test_more_than_github_keeps_of_a_level_ends_with_how_many_more_there_are() -> None:
    many = tuple(replace(SLOW_LEAK, id=f"L{place}") for place in range(25))

    found = commands(render_annotations(replace(LEAKING, findings=many), None))

    assert len(found) == MOST_OF_A_LEVEL
    assert found[-1].properties["title"] == "leakscope: 16 more findings"


@pytest.mark.parametrize("text", [NASTY, TRICKY])
def test_a_hostile_name_makes_no_command_of_its_own(text: str) -> None:
    found = commands(render_annotations(*judged_of(text)))

    assert [each.name for each in found] == ["error"] * 3 + ["warning"]
    assert all(set(each.properties) <= {"file", "line", "title"} for each in found)
    assert not raw_in("".join(each.message for each in found))


@given(any_text)
def test_what_the_runner_reads_is_what_was_meant(text: str) -> None:
    diagnosis, gate = judged_of(text)
    alone = replace(diagnosis, findings=diagnosis.findings[:1])

    found = commands(render_annotations(alone, gate))

    shown = printable(text)
    (leak,) = [each for each in found if each.properties["title"].startswith("leak over")]
    assert leak.properties["title"].endswith(f" in {shown}")
    assert leak.message.endswith("\n" + shown)
    assert "\r" not in render_annotations(alone, gate)


def test_a_gate_without_findings_still_names_what_broke_its_budget() -> None:
    found = commands(render_annotations(CLEAN, GateResult(False, FAILED.breaches)))

    assert [each.message for each in found] == [
        "aiohttp.web_request.Request in gateway.audit.PENDING +1.00 per request [0.99, 1.01], "
        "budget 0.010 (aiohttp.*)"
    ]
