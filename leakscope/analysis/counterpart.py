"""How fast a leak that one run found grew in another run, which has no such finding. Pure."""

from __future__ import annotations

from dataclasses import replace

from leakscope.model.fixes import Basis, Side
from leakscope.model.measurement import MeasuredLeak, Measurement, Rate, Rises
from leakscope.model.trend import Interval
from leakscope.model.typenames import is_plain

_UNSEEN = 3.0
_STILL = Rate(Interval(0.0, 0.0, 0.0), Rises.NO)


def counterpart(leak: MeasuredLeak, of: Measurement, run: Measurement) -> Side:
    """Return the side of `run` for a leak that `of` found and `run` did not.

    It is the rate of the container if both are of the same process, else that of all objects of the
    leading type less those of other findings.
    """
    same = (of.target.pid, of.target.started) == (run.target.pid, run.target.started)
    if same and leak.container is not None and leak.container in run.containers:
        entries = run.containers[leak.container]
        return Side(_bounded(entries, run.work).scaled(leak.per_entry), Basis.CONTAINER)
    doubt = _doubt(leak, of, run)
    if doubt or run.rates is None:
        return Side(None, None, doubt=doubt)
    rate = _rest(_bounded(run.rates.get(leak.type, _STILL), run.work), leak.type, run)
    doubt = f"it rose in {run.name}, and may go on" if rate.rises is Rises.PERHAPS else ""
    return Side(rate, Basis.TYPE, doubt=doubt)


def _bounded(rate: Rate, work: float) -> Rate:
    """Return a rate as well as it can be known after so much work.

    What was never seen to grow may still do so rarely: the 95 % bound on what did not happen in
    `n` trials is 3/n (Hanley & Lippman-Hand 1983).
    """
    if work <= 0 or rate.rises is Rises.YES:
        return rate
    slope, least = rate.slope, _UNSEEN / work
    low = min(slope.low, slope.estimate - least)
    return replace(
        rate, slope=Interval(slope.estimate, low, max(slope.high, slope.estimate + least))
    )


def _doubt(leak: MeasuredLeak, of: Measurement, run: Measurement) -> str:
    """Return why `run` cannot tell how fast objects of a type grew, empty if it can."""
    if not run.settled:
        return f"{run.name} is too short"
    if run.rates is None:
        return f"{run.name} tells of findings only; its recording tells of the others"
    if not leak.types:
        return f"{run.name} is of another process, and the container has no name to know it by"
    differ = of.kind.counts_everything is not run.kind.counts_everything
    if differ and (is_plain(leak.type) or leak.type not in run.rates):
        return f"the captures do not count {leak.type} alike"
    return ""


def _rest(rate: Rate, name: str, run: Measurement) -> Rate:
    """Return a type's rate without those of its objects that findings of `run` tell of."""
    low = high = estimate = 0.0
    for leak in run.leaks:
        part = leak.types.get(name)
        if part is None or leak.rate.rises is not Rises.YES:
            continue
        told = leak.rate.slope
        wide = (
            (1.0, 1.0)
            if told.estimate <= 0
            else (
                told.low / told.estimate,
                told.high / told.estimate,
            )
        )
        estimate, low, high = estimate + part, low + part * wide[0], high + part * wide[1]
    if not estimate:
        return rate
    slope = rate.slope
    left = Interval(slope.estimate - estimate, slope.low - high, slope.high - low)
    return Rate(left, Rises.PERHAPS if left.low > 0 else Rises.NO)
