"""Memory that grows outside of Python's objects."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from leakscope.analysis.budgets import parse_budget
from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.analysis.layers import layers_of, leading_layer
from leakscope.model.finding import Status, Verdict
from leakscope.model.gate import GateResult, KnownLeak
from leakscope.model.memory import Layer, LayerKind, LayerReading, Ledger
from leakscope.model.recording import Recording
from leakscope.report.json import report_document
from leakscope.report.junit import render_junit
from leakscope.report.markdown import render_markdown
from leakscope.report.terminal import render_terminal
from tests.builders import EPOCH, recording_of

MIB = 1 << 20
SAMPLES = 23
RISING = [100 * MIB + n * MIB for n in range(SAMPLES)]


def reading(at: float, work: float | None, **sizes: int) -> LayerReading:
    layers = tuple(Layer(kind, sizes.get(kind.name.lower(), 0) * MIB) for kind in LayerKind)
    ledger = Ledger(
        resident=sum(layer.bytes for layer in layers),
        layers=layers,
        remainder=0,
        objects=1000,
        garbage=0,
        threads=1,
        allocator="malloc",
        tells_free=True,
        swapped=0,
        pause_ms=1.0,
    )
    return LayerReading(EPOCH + at, work, ledger)


def watched(*layers: LayerReading, rss: list[int] = RISING) -> Recording:
    recording = recording_of(
        {"builtins.dict": [5000] * SAMPLES}, rss=rss, work=[100.0 * n for n in range(SAMPLES)]
    )
    return replace(recording, layers=layers)


BEFORE = reading(25.0, 500.0, objects=80, native=20)
AFTER = reading(110.0, 2200.0, objects=80, native=37, malloc_free=1)


def test_native_memory_that_grows_is_a_leak_of_its_own() -> None:
    diagnosis = diagnose(watched(BEFORE, AFTER))

    assert diagnosis.verdict is Verdict.LEAKING
    (finding,) = diagnosis.findings
    assert (finding.type, finding.status) == ("native memory in use", Status.CONFIRMED)
    assert finding.growth.is_of_bytes
    assert finding.growth.bytes is not None
    assert finding.growth.bytes.estimate == pytest.approx(MIB / 100)
    text = render_terminal(diagnosis)
    assert "+10.2 KiB native memory in use per request" in text
    assert "leakscope alloc PID" in text


def test_layers_tell_what_resident_memory_is_made_of_per_request() -> None:
    diagnosis = diagnose(watched(BEFORE, AFTER))

    assert diagnosis.layers is not None
    assert diagnosis.layers.rate(LayerKind.NATIVE) == 17 * MIB / 1700
    text = re.sub(r"\s+", " ", render_terminal(diagnosis))
    assert (
        "after warm-up +10.8 KiB/request = native memory in use +10.2 KiB · free in malloc +617 B"
        in text
    )
    told = report_document(diagnosis)["layers"]
    assert isinstance(told, dict)
    assert told["native_in_use"] == {
        "first_bytes": 20 * MIB,
        "last_bytes": 37 * MIB,
        "bytes_per_work": 17 * MIB / 1700,
    }


def test_freed_memory_that_is_not_given_back_is_no_leak_and_is_named() -> None:
    diagnosis = diagnose(
        watched(BEFORE, reading(110.0, 2200.0, objects=80, native=20, malloc_free=17))
    )

    assert diagnosis.verdict is Verdict.CLEAN
    assert any("free in malloc grows" in caveat for caveat in diagnosis.caveats)


def test_resident_memory_that_does_not_rise_to_the_end_is_no_leak() -> None:
    filled = [100 * MIB + min(n, 5) * 3 * MIB for n in range(SAMPLES)]

    assert diagnose(watched(BEFORE, AFTER, rss=filled)).verdict is Verdict.CLEAN


def test_a_layer_that_explains_little_of_it_is_no_finding() -> None:
    spread = reading(110.0, 2200.0, objects=80, native=26, malloc_free=5, python_free=5, garbage=5)

    assert not diagnose(watched(BEFORE, spread)).findings


def test_without_two_readings_nothing_is_told_of_layers() -> None:
    assert layers_of(watched(BEFORE)) is None
    assert layers_of(watched(BEFORE, reading(110.0, None, native=50))) is None
    assert layers_of(watched(BEFORE, BEFORE)) is None


def test_a_layer_is_named_only_if_it_grew_much() -> None:
    growth = layers_of(watched(BEFORE, reading(110.0, 2200.0, objects=80, native=20)))

    assert growth is not None
    assert leading_layer(growth) is None


def test_other_reports_tell_it_as_well() -> None:
    diagnosis = diagnose(watched(BEFORE, AFTER))

    for told in (render_markdown(diagnosis, None), render_junit(diagnosis, None)):
        assert "native memory in use" in told


def gated(*budgets: str, known: tuple[KnownLeak, ...] = ()) -> GateResult:
    recording = watched(BEFORE, AFTER)
    asked = [parse_budget(text) for text in budgets]
    return judge(diagnose(recording), recording, asked, known=known)


@pytest.mark.parametrize("budget", [(), ("*=5/request",), ("native*=1KiB/request",)])
def test_native_memory_above_its_budget_fails_the_build(budget: tuple[str, ...]) -> None:
    result = gated(*budget)

    assert not result.passed
    assert [breach.type for breach in result.breaches] == ["native memory in use"]
    assert result.breaches[0].slope.estimate == pytest.approx(MIB / 100)


@pytest.mark.parametrize("budget", ["native*=1MiB/request", "*=1MiB/request", "rss=1MiB/request"])
def test_native_memory_within_its_budget_passes(budget: str) -> None:
    assert gated(budget).passed


def test_what_exceeds_the_budget_of_resident_memory_is_told_once() -> None:
    assert [breach.type for breach in gated("rss=1KiB/request").breaches] == ["rss"]


def test_known_native_memory_passes_until_it_grows_faster() -> None:
    (known,) = gated().found

    assert known.rate == pytest.approx(MIB / 100)
    assert gated(known=(known,)).passed
    assert not gated(known=(replace(known, rate=known.rate / 10),)).passed
