"""Objects that get larger while their number stays are a leak of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from leakscope.analysis.diagnose import diagnose
from leakscope.analysis.gate import judge
from leakscope.analysis.suspects import is_growing, suspects
from leakscope.model.census import TypeTotal
from leakscope.model.evidence import Suspects
from leakscope.model.finding import Diagnosis, Status, Verdict
from leakscope.model.gate import Budget, Measure
from leakscope.model.recording import Recording
from leakscope.report.terminal import render_terminal
from tests.builders import evidence_of, holder, recording_of

WORK = [float(w) for w in np.cumsum([0, *np.random.default_rng(7).integers(480, 520, 12)])]
GROWING = [3_000_000.0 + 500 * w for w in WORK]
ONE = [1.0] * len(WORK)
TRAIL = "shop.audit.TRAIL:builtins.bytearray"
BUFFER = "builtins.bytearray"


def buffers(
    sizes: Sequence[float], counts: Sequence[float] = ONE, *, named: bool = True, kind: str = BUFFER
) -> Recording:
    """Return the recording of objects of one type: how many they are, and of how many bytes."""
    about = [holder(f"shop.audit.TRAIL:{kind}")] if named else []
    recording = recording_of(
        {kind: counts, "shop.Order": [50.0] * len(WORK)}, work=WORK, evidence=evidence_of(*about)
    )
    censuses = tuple(
        replace(census, types={**census.types, kind: TypeTotal(int(count), int(size))})
        for census, size, count in zip(recording.censuses, sizes, counts, strict=True)
    )
    return replace(recording, censuses=censuses)


def text_of(diagnosis: Diagnosis) -> str:
    return render_terminal(diagnosis, width=200)


def test_a_buffer_that_is_only_added_to_is_a_leak_by_its_place() -> None:
    diagnosis = diagnose(buffers(GROWING))

    assert diagnosis.verdict is Verdict.LEAKING
    assert diagnosis.reason.startswith("shop.audit.TRAIL (bytearray) grows steadily")
    (finding,) = diagnosis.findings
    assert finding.status is Status.CONFIRMED
    assert finding.growth.is_of_bytes
    assert finding.growth.main.estimate == pytest.approx(500, rel=0.01)
    assert (finding.type, finding.types, finding.holder) == (BUFFER, (), None)
    assert [step.edge for step in finding.chain] == ["module shop.audit", ".TRAIL"]
    text = text_of(diagnosis)
    assert "+500 B bytearray per request [500 B, 500 B]" in text
    assert ".TRAIL : bytearray   ← gets ever larger" in text
    assert "The bytearray at shop.audit.TRAIL gets ever larger" in text


def test_where_it_is_not_known_nothing_is_claimed_of_its_place() -> None:
    diagnosis = diagnose(buffers(GROWING, named=False))

    (finding,) = diagnosis.findings
    assert finding.chain == ()
    assert "which of them does was not found out" in finding.why


def test_more_of_them_are_a_leak_of_objects() -> None:
    counts = [round(2 + w) for w in WORK]

    diagnosis = diagnose(buffers([500.0 * n for n in counts], counts))

    (finding,) = diagnosis.findings
    assert not finding.growth.is_of_bytes
    assert suspects(buffers([500.0 * n for n in counts], counts)).sizes == ()


@pytest.mark.parametrize(
    "sizes",
    [
        [3_000_000.0] * len(WORK),
        [3_000_000.0 + 500 * min(w, 2000.0) for w in WORK],
        [3_000_000.0 + 2 * w for w in WORK],  # 12 KiB in all
        [3_000_000.0 + 100_000 * (i % 3) for i in range(len(WORK))],
    ],
    ids=["still", "filled", "little", "sawtooth"],
)
def test_what_does_not_go_on_growing_is_none(sizes: list[float]) -> None:
    diagnosis = diagnose(buffers(sizes))

    assert diagnosis.findings == ()
    assert diagnosis.verdict is Verdict.CLEAN


def test_lists_that_get_longer_are_told_by_their_entries() -> None:
    recording = buffers([56 + 8 * w for w in WORK], kind="list")
    lengths = recording_of(
        {"shop.Order": [50.0] * len(WORK)},
        lengths={"shop.audit.TRAIL": WORK},
        work=WORK,
    )
    censuses = tuple(
        replace(census, containers=other.containers)
        for census, other in zip(recording.censuses, lengths.censuses, strict=True)
    )

    (finding,) = diagnose(replace(recording, censuses=censuses)).findings

    assert finding.holder is not None
    assert finding.holder.path == "shop.audit.TRAIL"
    assert not finding.growth.is_of_bytes


def test_a_build_fails_unless_a_budget_in_bytes_allows_it() -> None:
    recording = buffers(GROWING)
    diagnosis = diagnose(recording)

    def passes(*budgets: Budget) -> bool:
        return judge(diagnosis, recording, budgets).passed

    assert not passes()
    assert not passes(Budget("*", 1e6, "request"))
    assert not passes(Budget("bytearray", 100, "request", Measure.BYTES))
    assert passes(Budget("bytearray", 1024, "request", Measure.BYTES))
    assert passes(Budget("shop.audit.*", 1024, "request", Measure.BYTES))
    (breach,) = judge(diagnosis, recording).breaches
    assert breach.type == BUFFER
    assert breach.slope.estimate == pytest.approx(500, rel=0.01)


def test_the_object_that_grows_is_asked_for() -> None:
    assert suspects(buffers(GROWING)) == Suspects(sizes=(BUFFER,))
    assert is_growing(buffers(GROWING))
    assert not is_growing(buffers([3_000_000.0] * len(WORK)))
