"""What became of leaks, in words: the same in every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from leakscope.model.fixes import SMALL, Basis, Fix, Fixes, Match, Row, Side
from leakscope.model.measurement import Measurement, Rate
from leakscope.report.text import (
    bytes_text,
    decimals_for,
    duration,
    number,
    plural,
    printable,
    type_text,
)
from leakscope.report.verdict import ending_text, limit_text

CLEAN = "no leak"
"""What is said where neither run has one."""

UNKNOWN = "not known"

_LONG_PATH = 60

_WITHOUT_FINDING = {
    Basis.TYPE: "no finding {when}; all objects of the type are counted",
    Basis.CONTAINER: "no finding {when}; the same container is counted",
}


def verdict_text(fixes: Fixes) -> str:
    """Return the word that a report begins with."""
    return CLEAN if fixes.fix is None else fixes.fix.value


def headline(fixes: Fixes) -> str:
    """Return what happened to the leak that decides, and how many rows there are of each kind."""
    if not fixes.rows:
        if fixes.fix is None:
            return "nothing leaked before, and nothing leaks after"
        return "no leak was found, but that was not long enough to see one"
    row = next((row for row in fixes.rows if row.fix is fixes.fix), fixes.rows[0])
    subject, per = f"the rate of {short_subject(row)}", f" per {printable(fixes.unit)} "
    before, after = rate_text(row.before.rate), rate_text(row.after.rate)
    if row.before.rate is None:
        told = f"{subject} is {per.join(after)}; before it is {UNKNOWN}"
    elif row.after.rate is None:
        told = f"{subject} was {per.join(before)}; after it is {UNKNOWN}"
    else:
        told = f"{subject} went from {per.join(before)} to {' '.join(after)}"
    return f"{told}; {_tally(fixes)}" if len(fixes.rows) > 1 else told


def subject_text(row: Row) -> str:
    """Return `shop.Order in shop.audit.PENDING`."""
    place = f" in {printable(row.holder)}" if row.holder else ""
    return f"{type_text(row.type)}{place}"


def short_subject(row: Row) -> str:
    """Return the same to speak of in a sentence: without a path that is too long for one."""
    long = row.holder is not None and len(row.holder) > _LONG_PATH
    return type_text(row.type) if long else subject_text(row)


def rate_text(rate: Rate | None) -> tuple[str, str]:
    """Return a rate in objects and its interval: `+1.00`, `[0.99, 1.01]`."""
    if rate is None:
        return UNKNOWN, ""
    slope = rate.slope
    widest = max(abs(slope.low), abs(slope.high))
    decimals = decimals_for(widest)
    if slope.estimate and widest:
        decimals = min(decimals_for(slope.estimate), decimals)
    if not widest:
        return "0", "[0, 0]"
    at = number(slope.estimate, signed=True, decimals=decimals) if slope.estimate else "0"
    low, high = (number(bound, decimals=decimals) for bound in (slope.low, slope.high))
    return at, f"[{low}, {high}]"


def bytes_rate_text(rate: Rate | None) -> str:
    """Return a rate in bytes with its interval."""
    if rate is None:
        return UNKNOWN
    slope = rate.slope
    spread = f"[{bytes_text(slope.low)}, {bytes_text(slope.high)}]"
    return f"{bytes_text(slope.estimate, signed=True)} {spread}"


def matched_text(row: Row) -> str:
    """Return by what a leak was found again; a dash for what only one run has."""
    return "-" if row.match is None else row.match.value


def remarks(row: Row) -> Iterator[str]:
    """Yield how the rates of a row came about, and what keeps it from being clear, a clause each.

    Nothing is said of findings that have one fingerprint.
    """
    before, after = row.before, row.after
    if row.match is Match.HOLDER:
        yield "matched by type and holder; the way to it is another one"
    if row.match is Match.TYPE:
        yield f"matched by type alone; held by {_held(before)} before, by {_held(after)} after"
    for side, when in ((before, "before"), (after, "after")):
        if side.basis in _WITHOUT_FINDING:
            yield _WITHOUT_FINDING[side.basis].format(when=when)
    doubts = [side.doubt for side in (before, after) if side.doubt]
    yield from (printable(doubt) for doubt in doubts)
    if row.fix is Fix.UNCLEAR and not doubts:
        yield f"what may be left is more than {SMALL:.0%} of the rate; a longer run tells"


def forecasts(fixes: Fixes) -> tuple[str, str] | None:
    """Return when memory ends in either run, None if in neither."""
    if fixes.before.forecast is None and fixes.after.forecast is None:
        return None
    return _forecast(fixes.before), _forecast(fixes.after)


def measured_text(run: Measurement) -> str:
    """Return what one run was."""
    done = f"{printable(run.name)}: {run.verdict.value}, {duration(run.seconds)}"
    if run.unit != "second":
        done += f", {plural(run.work, printable(run.unit))}"
    return f"{done}, {run.kind.value} capture"


def _tally(fixes: Fixes) -> str:
    counts = Counter(row.fix for row in fixes.rows)
    kinds = ", ".join(f"{counts[fix]:,} {fix.value}" for fix in Fix if counts[fix])
    return f"of {len(fixes.rows):,} leaks: {kinds}"


def _held(side: Side) -> str:
    return "nobody known" if side.holder is None else printable(side.holder)


def _forecast(run: Measurement) -> str:
    if run.forecast is None:
        return "none"
    return f"{ending_text(run.forecast)} {printable(limit_text(run.forecast, ()))}"
