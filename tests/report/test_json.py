from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given

from leakscope import __version__
from leakscope.model.finding import Diagnosis, Finding
from leakscope.model.trend import Interval
from leakscope.report.json import render_json
from tests.goldens import assert_golden
from tests.report.hostile import any_text, diagnosis_of
from tests.report.samples import (
    CLEAN,
    DIAGNOSES,
    LEAKING,
    NOT_MEASURED,
    QUEUED_REQUESTS,
    SLOW_LEAK,
)

NUMBER = (int, float)
INTERVAL = {"estimate": NUMBER, "low": NUMBER, "high": NUMBER}
SCHEMA: object = {
    "schema": str,
    "leakscope": str,
    "verdict": ("leaking", "clean", "inconclusive", "not-measured"),
    "reason": str,
    "target": {
        "pid": int,
        "started": NUMBER,
        "cmdline": [str],
        "python": str,
        "implementation": str,
    },
    "capture": {
        "kind": ("native", "portable", "readonly"),
        "samples": int,
        "pause_ms": {"median": NUMBER, "max": NUMBER},
    },
    "work": {"unit": str, "total": NUMBER},
    "seconds": NUMBER,
    "findings": [
        {
            "id": str,
            "fingerprint": str,
            "status": ("confirmed", "suspected"),
            "type": str,
            "types": [{"type": str, "objects_per_work": NUMBER, "objects_per_second": NUMBER}],
            "growth": {"unit": str, "objects": INTERVAL, "bytes": {None: INTERVAL}},
            "holder": {None: {"path": str, "type": str, "first_length": int, "last_length": int}},
            "chain": [{"edge": str, "type": str}],
            "allocated_at": [{"file": str, "line": int, "function": str}],
            "retained_bytes": (int, None),
            "why": str,
            "series": [NUMBER],
            "cohorts": [{"made": int, "alive": int}],
            "unheld": [
                {
                    "type": str,
                    "objects": int,
                    "references": int,
                    "retained_bytes": int,
                    "looks": [{"edge": str, "type": str}],
                    "more": int,
                }
            ],
            "exhausted": {None: {"limit": int, "seconds": NUMBER}},
            "opened": [
                {"kind": str, "where": (str, None), "state": (str, None), "descriptors": int}
            ],
        }
    ],
    "not_leaks": [{"key": str, "label": str, "reason": str}],
    "layers": (None,),
    "rss": {
        None: {
            "series": [NUMBER],
            "label": (str, None),
            "slope": {None: INTERVAL},
            "reason": (str, None),
        }
    },
    "forecast": {
        None: {
            "earliest_seconds": NUMBER,
            "latest_seconds": (*NUMBER, None),
            "limit": {"bytes": int, "source": str},
        }
    },
    "caveats": [str],
}
"""What a report is: exactly these keys; `{None: X}` is null or X; a tuple lists what is allowed."""


def misfit(value: object, schema: object, where: str = "$") -> str | None:
    """Return where `value` departs from `schema`, None if it does not."""
    if isinstance(schema, dict) and set(schema) == {None}:
        return None if value is None else misfit(value, schema[None], where)
    if isinstance(schema, dict):
        if not isinstance(value, dict) or list(value) != list(schema):
            return f"{where}: {value!r} has not the keys {list(schema)}"
        faults = (misfit(value[key], schema[key], f"{where}.{key}") for key in schema)
        return next((fault for fault in faults if fault), None)
    if isinstance(schema, list):
        if not isinstance(value, list):
            return f"{where}: {value!r} is no list"
        faults = (misfit(each, schema[0], f"{where}[{i}]") for i, each in enumerate(value))
        return next((fault for fault in faults if fault), None)
    allowed = schema if isinstance(schema, tuple) else (schema,)
    fits = any(
        type(value) is choice if isinstance(choice, type) else value == choice for choice in allowed
    )
    return None if fits else f"{where}: {value!r} is none of {allowed}"


def parsed(diagnosis: Diagnosis) -> dict[str, object]:
    def refuse(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    document = json.loads(render_json(diagnosis), parse_constant=refuse)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("diagnosis", DIAGNOSES.values(), ids=DIAGNOSES)
def test_every_report_has_the_documented_shape(diagnosis: Diagnosis) -> None:
    assert misfit(parsed(diagnosis), SCHEMA) is None


def test_the_shape_is_checked_for_real() -> None:
    document = parsed(LEAKING)

    assert misfit({**document, "verdict": "fine"}, SCHEMA) is not None
    assert misfit({**document, "surplus": 1}, SCHEMA) is not None
    assert misfit({**document, "work": {"unit": "request", "total": None}}, SCHEMA) is not None


@pytest.mark.parametrize("name", DIAGNOSES)
def test_the_document_is_as_reviewed(name: str) -> None:
    text = render_json(DIAGNOSES[name]).replace(f'"{__version__}"', '"VERSION"')

    assert_golden(f"report-{name}.json", text)


def test_every_fact_of_a_finding_is_in_the_document() -> None:
    (first, _) = json.loads(render_json(LEAKING))["findings"]

    assert set(first) == {field.name for field in fields(Finding)}
    assert first["growth"]["objects"] == {"estimate": 1.0, "low": 0.99, "high": 1.01}
    assert first["holder"] == {
        "path": "gateway.audit.PENDING",
        "type": "builtins.dict",
        "first_length": 1204,
        "last_length": 97412,
    }
    assert first["chain"][1] == {"edge": ".PENDING", "type": "builtins.dict"}
    assert first["allocated_at"][0] == {
        "file": "gateway/audit.py",
        "line": 88,
        "function": "enqueue",
    }


def test_what_is_not_known_is_null() -> None:
    document = json.loads(render_json(replace(LEAKING, findings=(SLOW_LEAK,), forecast=None)))
    (finding,) = document["findings"]

    assert finding["holder"] is None
    assert finding["growth"]["bytes"] is None
    assert finding["retained_bytes"] is None
    assert document["forecast"] is None
    assert json.loads(render_json(NOT_MEASURED))["rss"] is None


def test_numbers_that_are_none_become_null() -> None:
    growth = replace(QUEUED_REQUESTS.growth, objects=Interval(math.nan, -math.inf, math.inf))
    odd = replace(CLEAN, findings=(replace(QUEUED_REQUESTS, growth=growth),), seconds=math.inf)

    document = parsed(odd)

    assert document["seconds"] is None
    assert '"low": null' in render_json(odd)


@given(any_text)
def test_hostile_text_is_ascii_and_survives(text: str) -> None:
    written = render_json(diagnosis_of(text))

    assert written.isascii()
    assert "\x1b" not in written
    reason = json.loads(written)["reason"]
    assert reason.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
