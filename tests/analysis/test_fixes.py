"""A leak is called fixed when it is gone for sure, and nothing else is called so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.analysis.fixes import DifferentUnits, NoMeasurement, compare_runs, fix_of
from leakscope.model.fixes import Basis, Fix, Fixes, Match, Row
from leakscope.model.measurement import MeasuredLeak, Rate, Rises
from leakscope.model.recording import CaptureKind, Recording
from leakscope.model.trend import Interval
from tests.builders import EPOCH, TARGET, evidence_of, holder, recording_of
from tests.runs import OTHER, REQUESTS, run, shop


def compared(before: Recording, after: Recording) -> Fixes:
    return compare_runs(run(before, "before"), run(after, "after"))


def only(fixes: Fixes) -> Row:
    (row,) = fixes.rows
    return row


def rate(low: float, high: float, rises: Rises) -> Rate:
    return Rate(Interval((low + high) / 2, low, high), rises)


GREW = rate(0.9, 1.1, Rises.YES)


@pytest.mark.parametrize(
    ("after", "fix"),
    [
        (rate(-0.01, 0.01, Rises.NO), Fix.FIXED),
        (rate(-0.1, 0.1, Rises.NO), Fix.FIXED),
        (rate(-0.11, 0.11, Rises.NO), Fix.UNCLEAR),
        (rate(0.01, 0.02, Rises.PERHAPS), Fix.UNCLEAR),
        (rate(0.01, 0.02, Rises.YES), Fix.REDUCED),
        (rate(0.7, 0.89, Rises.YES), Fix.REDUCED),
        (rate(0.7, 0.9, Rises.YES), Fix.UNCHANGED),
        (rate(1.1, 1.3, Rises.YES), Fix.UNCHANGED),
        (rate(1.11, 1.3, Rises.YES), Fix.WORSE),
        (rate(0.9, 1.1, Rises.PERHAPS), Fix.UNCLEAR),
        (None, Fix.UNCLEAR),
    ],
)
def test_the_verdict_follows_from_the_two_intervals(after: Rate | None, fix: Fix) -> None:
    mirrored = {Fix.FIXED: Fix.NEW, Fix.REDUCED: Fix.WORSE, Fix.WORSE: Fix.REDUCED}

    assert fix_of(GREW, after) is fix
    assert fix_of(after, GREW) is mirrored.get(fix, fix)


def test_a_leak_that_is_gone_in_another_process_is_fixed() -> None:
    fixes = compared(shop(1.0), shop(0.0, target=OTHER))
    row = only(fixes)

    assert row.fix is fixes.fix is Fix.FIXED
    assert not fixes.leaks
    assert row.after.basis is Basis.TYPE
    assert row.after.rate is not None
    # Three in 6,000 requests: what was not seen once may be that frequent.
    assert row.after.rate.slope == Interval(0.0, -0.0005, 0.0005)


def test_a_rare_leak_is_not_fixed_because_it_was_not_seen_in_a_short_run() -> None:
    rare, short = shop(0.01), recording_of({"shop.Order": [9.0] * 13}, work=50.0, target=OTHER)
    long = recording_of({"shop.Order": [9.0] * 13}, work=500.0, target=OTHER)

    assert only(compared(rare, short)).fix is Fix.UNCLEAR
    assert only(compared(rare, long)).fix is Fix.FIXED


def test_a_type_that_is_not_there_at_all_any_more_does_not_grow() -> None:
    gone = recording_of({"shop.Server": [1.0] * 13}, work=REQUESTS, target=OTHER)

    assert only(compared(shop(1.0), gone)).fix is Fix.FIXED


def test_a_leak_that_goes_on_is_unchanged_and_known_by_its_fingerprint() -> None:
    fixes = compared(shop(1.0), shop(1.0, target=OTHER))

    assert only(fixes).fix is Fix.UNCHANGED
    assert only(fixes).match is Match.FINGERPRINT
    assert fixes.leaks


def test_a_slower_leak_is_reduced_and_still_a_leak() -> None:
    fixes = compared(shop(1.0), shop(0.5, target=OTHER))

    assert only(fixes).fix is Fix.REDUCED
    assert fixes.leaks


def test_a_leak_of_a_hundredth_is_reduced_and_not_fixed() -> None:
    assert only(compared(shop(2.0), shop(0.1, target=OTHER))).fix is Fix.REDUCED


def test_a_leak_that_was_not_there_before_is_new() -> None:
    fixes = compared(shop(0.0), shop(1.0, target=OTHER))

    assert only(fixes).fix is Fix.NEW
    assert only(fixes).before.basis is Basis.TYPE
    assert fixes.leaks


def test_two_clean_runs_have_no_rows_and_no_verdict() -> None:
    fixes = compared(shop(0.0), shop(0.0, target=OTHER))

    assert fixes.rows == ()
    assert fixes.fix is None


def test_a_run_that_is_too_short_shows_no_fix() -> None:
    fixes = compared(shop(1.0), shop(0.0, samples=4, target=OTHER))

    assert only(fixes).fix is fixes.fix is Fix.UNCLEAR
    assert only(fixes).after.doubt == "after is too short"
    assert not fixes.leaks


def test_two_runs_without_a_finding_are_unclear_if_one_was_too_short() -> None:
    assert compared(shop(0.0, samples=4), shop(0.0)).fix is Fix.UNCLEAR


def test_a_leak_after_a_run_that_was_too_short_still_counts_as_one() -> None:
    fixes = compared(shop(0.0, samples=4), shop(1.0, target=OTHER))

    assert only(fixes).fix is Fix.UNCLEAR
    assert fixes.leaks


def test_noise_that_may_hide_the_leak_shows_no_fix() -> None:
    noisy = shop(0.0, sway=4000.0, target=OTHER)

    assert only(compared(shop(1.0), noisy)).fix is Fix.UNCLEAR


def test_a_run_without_work_holds_no_measurement() -> None:
    idle = recording_of({"shop.Order": [5.0] * 13}, work=0.0)

    with pytest.raises(NoMeasurement, match="after holds no measurement: no work was done"):
        compared(shop(1.0), idle)


def test_what_a_capture_does_not_count_is_not_taken_for_fixed() -> None:
    seen = shop(1.0, leading="builtins.tuple")
    unseen = shop(0.0, leading="builtins.tuple", target=OTHER, kind=CaptureKind.PORTABLE)
    absent = recording_of(
        {"shop.Server": [1.0] * 13}, work=REQUESTS, target=OTHER, kind=CaptureKind.PORTABLE
    )

    for after in (unseen, absent):
        row = only(compared(seen, after))
        assert row.fix is Fix.UNCLEAR
        assert "do not count builtins.tuple alike" in row.after.doubt
    assert only(compared(shop(1.0), absent)).fix is Fix.UNCLEAR


def test_a_finding_keeps_its_identity_when_the_way_to_it_changes() -> None:
    before = run(shop(1.0), "before")
    after = run(shop(1.0, target=OTHER), "after")
    elsewhere = replace(after, leaks=(replace(after.leaks[0], fingerprint="another"),))
    moved = replace(after, leaks=(replace(elsewhere.leaks[0], holder="shop.NEW"),))

    assert only(compare_runs(before, elsewhere)).match is Match.HOLDER
    assert only(compare_runs(before, moved)).match is Match.TYPE


def test_of_leaks_with_one_fingerprint_those_at_the_same_place_belong_together() -> None:
    first = leak("shop.POOLS['a']", 1.0)
    second = leak("shop.POOLS['b']", 2.0)
    before = replace(run(shop(0.0), "before"), leaks=(first, second))
    after = replace(
        run(shop(0.0, target=OTHER), "after"),
        leaks=(second,),
        rates={"shop.Order": rate(1.99, 2.01, Rises.PERHAPS)},
    )

    fixed, unchanged = compare_runs(before, after).rows

    assert (fixed.holder, fixed.fix) == ("shop.POOLS['a']", Fix.FIXED)
    assert (unchanged.holder, unchanged.fix) == ("shop.POOLS['b']", Fix.UNCHANGED)


def leak(path: str, pace: float) -> MeasuredLeak:
    return MeasuredLeak(
        "5f0c",
        "shop.Order",
        path,
        rate(pace - 0.01, pace + 0.01, Rises.YES),
        {"shop.Order": pace},
    )


def test_a_suspicion_that_is_gone_is_no_proof_of_a_fix() -> None:
    before = run(shop(1.0), "before")
    suspected = replace(before.leaks[0], rate=replace(before.leaks[0].rate, rises=Rises.PERHAPS))
    row = only(
        compare_runs(replace(before, leaks=(suspected,)), run(shop(0.0, target=OTHER), "after"))
    )

    assert row.fix is Fix.UNCLEAR
    assert row.before.doubt == "only suspected in before"


def test_in_one_process_the_container_itself_is_followed() -> None:
    later = shop(0.0)
    row = only(compared(shop(1.0), later))

    assert row.after.basis is Basis.CONTAINER
    assert row.fix is Fix.FIXED


def test_an_unnamed_container_of_another_process_cannot_be_followed() -> None:
    grows = [float(i * REQUESTS) for i in range(13)]
    before = recording_of({"shop.Server": [1.0] * 13}, lengths={"shop.X": grows}, work=REQUESTS)

    row = only(compared(before, shop(0.0, target=OTHER)))

    assert row.fix is Fix.UNCLEAR
    assert "no name to know it by" in row.after.doubt


def test_a_leak_per_request_and_one_per_second_are_compared_per_second_and_it_is_said() -> None:
    fixes = compared(shop(1.0), shop(0.2, per_request=False, target=OTHER))
    row = only(fixes)

    assert fixes.unit == "second"
    assert row.before.rate is not None
    # 500 requests every 5 seconds.
    assert row.before.rate.slope.estimate == pytest.approx(100.0)
    assert "one is per request, the other per second: both are taken per second" in fixes.notes


def test_rounds_at_rest_cannot_be_given_per_second() -> None:
    rounds = replace(shop(1.0), at_rest=True)

    with pytest.raises(DifferentUnits, match="before is per request, after per second"):
        compared(rounds, shop(0.0, per_request=False))


def test_resident_memory_has_a_verdict_of_its_own_that_decides_nothing() -> None:
    fixes = compared(shop(0.0, rss=0.0), shop(0.0, rss=4000.0, target=OTHER))

    assert fixes.rss.fix is Fix.NEW
    assert fixes.fix is None
    assert not fixes.leaks
    assert compared(shop(0.0), shop(0.0)).rss.fix is None


def test_the_worst_row_decides() -> None:
    two = recording_of(
        {
            "shop.Order": [REQUESTS * i for i in range(13)],
            "shop.Basket": [2 * REQUESTS * i for i in range(13)],
        },
        lengths={
            "shop.ORDERS": [REQUESTS * i for i in range(13)],
            "shop.BASKETS": [2 * REQUESTS * i for i in range(13)],
        },
        work=REQUESTS,
        evidence=evidence_of(
            holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 64)}),
            holder("shop.BASKETS", entry="[*] : shop.Basket", shares={"shop.Basket": (1, 64)}),
        ),
    )
    fixes = compared(two, shop(1.0, target=OTHER))

    assert {row.type: row.fix for row in fixes.rows} == {
        "shop.Order": Fix.UNCHANGED,
        "shop.Basket": Fix.FIXED,
    }
    assert fixes.fix is Fix.UNCHANGED


def test_other_interpreters_and_captures_are_told() -> None:
    newer = replace(OTHER, python="3.13.0")
    fixes = compared(shop(1.0), shop(0.0, target=newer, kind=CaptureKind.PORTABLE))

    assert "Python was 3.12.1 before and is 3.13.0 after" in fixes.notes
    assert "the captures differ: native before, portable after" in fixes.notes
    assert "both are of the same process" in compared(shop(1.0), shop(1.0)).notes


KEYS = ("shop.Order", "shop.Basket", "builtins.dict")
SHAPES = st.sampled_from(["leak", "slow", "flat", "noise", "step", "filled"])


@st.composite
def runs(draw: st.DrawFn) -> Recording:
    """Draw a run in which some types leak and others do something else."""
    samples = draw(st.integers(4, 20))
    types = {key: draw(series(samples)) for key in KEYS if draw(st.booleans())}
    lengths = {"shop.ORDERS": types["shop.Order"]} if "shop.Order" in types else {}
    return recording_of(
        {**types, "shop.Server": [1.0] * samples},
        lengths=lengths if draw(st.booleans()) else {},
        work=draw(st.sampled_from([100.0, 500.0])),
        target=replace(TARGET, started=EPOCH - draw(st.integers(1, 900))),
        kind=draw(st.sampled_from(CaptureKind)),
        evidence=evidence_of(
            holder("shop.ORDERS", entry="[*] : shop.Order", shares={"shop.Order": (1, 64)})
        ),
    )


@st.composite
def series(draw: st.DrawFn, samples: int) -> list[float]:
    shape = draw(SHAPES)
    pace = draw(st.floats(5, 500))
    sway = draw(st.lists(st.integers(0, 20), min_size=samples, max_size=samples))
    grown = {
        "leak": [pace * i for i in range(samples)],
        "slow": [pace / 20 * i for i in range(samples)],
        "flat": [0.0] * samples,
        "noise": [pace * each for each in sway],
        "step": [pace * 20 * (i > samples / 2) for i in range(samples)],
        "filled": [pace * min(i, samples / 2) for i in range(samples)],
    }[shape]
    still = shape == "flat"
    return [300 + value + (0 if still else more) for value, more in zip(grown, sway, strict=True)]


@settings(max_examples=60, deadline=None)
@given(runs())
def test_nothing_is_fixed_new_or_worse_than_itself(recording: Recording) -> None:
    fixes = compared(recording, recording)

    assert {row.fix for row in fixes.rows} <= {Fix.UNCHANGED, Fix.UNCLEAR}
    assert fixes.rss.fix in (None, Fix.UNCHANGED, Fix.UNCLEAR)


@settings(max_examples=60, deadline=None)
@given(runs(), runs())
def test_what_is_fixed_one_way_is_new_the_other_way(first: Recording, second: Recording) -> None:
    there, back = compared(first, second), compared(second, first)

    assert told(there, Fix.FIXED) == told(back, Fix.NEW)
    assert told(there, Fix.NEW) == told(back, Fix.FIXED)
    assert told(there, Fix.REDUCED) == told(back, Fix.WORSE)
    assert told(there, Fix.UNCLEAR) == told(back, Fix.UNCLEAR)


def told(fixes: Fixes, fix: Fix) -> list[tuple[str, str]]:
    return sorted((row.type, row.holder or "") for row in fixes.rows if row.fix is fix)
