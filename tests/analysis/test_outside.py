"""A recording made from outside names types and containers, and says how to learn the holder."""

from __future__ import annotations

from leakscope.analysis.diagnose import diagnose
from leakscope.model.finding import Finding, Verdict
from leakscope.model.recording import CaptureKind
from leakscope.report.terminal import render_terminal
from tests.builders import TARGET, Series, key_of, recording_of

SAMPLES = 13
GROWING = [100.0 + 50 * n for n in range(SAMPLES)]
FASTER = [100.0 + 170 * n for n in range(SAMPLES)]
FLAT = [900.0] * SAMPLES


def found(types: dict[str, Series], lengths: dict[str, Series]) -> Finding:
    """Return the only finding of a read-only recording."""
    diagnosis = diagnose(recording_of(types, lengths=lengths, kind=CaptureKind.READONLY))
    assert diagnosis.verdict is Verdict.LEAKING
    (finding,) = diagnosis.findings
    return finding


def test_a_type_is_told_with_the_container_that_grows_as_fast() -> None:
    finding = found(
        {"shop.Session": GROWING, "builtins.dict": FLAT},
        {"shop.SESSIONS:builtins.dict": GROWING, "shop.CONFIG:builtins.dict": FLAT},
    )

    assert finding.type == "shop.Session"
    assert finding.holder is not None
    assert (finding.holder.path, finding.holder.type) == ("an unnamed dict", "builtins.dict")
    assert (finding.holder.first_length, finding.holder.last_length) == (100, 700)
    assert f"The dict at {key_of('shop.SESSIONS')} goes on growing" in finding.why
    assert f"`leakscope why {TARGET.pid} @{key_of('shop.SESSIONS')}` can" in finding.why


def test_a_container_of_what_gc_does_not_track_is_told_alone() -> None:
    finding = found({"shop.Order": FLAT}, {"shop.THUMBNAILS:builtins.dict": GROWING})

    assert finding.type == "builtins.dict"
    assert finding.holder is not None
    assert finding.holder.last_length == 700
    assert f"@{key_of('shop.THUMBNAILS')}" in finding.why
    assert "number of" not in finding.why


def test_of_containers_that_grow_alike_the_longest_is_told() -> None:
    longer = [1000 + n for n in GROWING]
    finding = found({"shop.Session": GROWING}, {"shop.A:list": GROWING, "shop.B:list": longer})

    assert finding.holder is not None
    assert finding.holder.last_length == 1700
    assert key_of("shop.B") in finding.why


def test_a_type_without_such_a_container_says_that_there_is_none() -> None:
    recording = recording_of({"shop.Session": GROWING}, kind=CaptureKind.READONLY)
    diagnosis = diagnose(recording)

    assert diagnosis.findings[0].holder is None
    assert f"`leakscope why {TARGET.pid} shop.Session` can" in diagnosis.findings[0].why
    assert "a read-only census names no holders" in render_terminal(diagnosis)


def test_other_recordings_are_told_as_ever() -> None:
    finding = diagnose(recording_of({"shop.Session": GROWING})).findings[0]

    assert "read-only" not in finding.why


def test_two_leaks_are_two_findings_each_with_its_container() -> None:
    diagnosis = diagnose(
        recording_of(
            {"shop.Session": GROWING},
            lengths={"shop.SESSIONS:builtins.dict": GROWING, "shop.SEEN:builtins.set": FASTER},
            kind=CaptureKind.READONLY,
        )
    )

    assert sorted((f.type, f.holder.type) for f in diagnosis.findings if f.holder) == [
        ("builtins.set", "builtins.set"),
        ("shop.Session", "builtins.dict"),
    ]
