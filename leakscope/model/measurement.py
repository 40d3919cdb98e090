"""What one run measured, as far as it takes to hold it against another run.

Of a recording, or of the JSON report that was written of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from leakscope.model.finding import Forecast, Verdict
from leakscope.model.recording import CaptureKind
from leakscope.model.target import Target
from leakscope.model.trend import Interval, Label

REPORT_SCHEMA = "leakscope.report/1"
"""Of the JSON reports of `watch` and `check`.

1: the first. Keys may be added; none is renamed, removed or given another meaning.
"""

_MAY_RISE = frozenset({Label.LINEAR, Label.UNCONFIRMED, Label.SATURATING})


class Rises(str, Enum):
    """Whether something goes on growing."""

    YES = "yes"
    """Confirmed."""
    PERHAPS = "perhaps"
    """It rose; whether it goes on is not settled."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast something grew."""

    slope: Interval
    """Per unit of work."""
    rises: Rises

    def scaled(self, factor: float) -> Rate:
        """Return it in another unit, as `Interval.scaled` does."""
        return replace(self, slope=self.slope.scaled(factor))


@dataclass(frozen=True, slots=True)
class TypeTrend:
    """How one type grew, without its series: what a report tells of every type that moved."""

    type: str
    label: Label
    slope: Interval
    """Objects per unit of work."""


@dataclass(frozen=True, slots=True)
class MeasuredLeak:
    """One finding, as far as it takes to find it again."""

    fingerprint: str
    type: str
    holder: str | None
    """Path of the container in which objects accumulate."""
    rate: Rate
    """Objects of `type`; `PERHAPS` rises what is only suspected."""
    types: Mapping[str, float]
    """Objects per unit of work, of each type that grows with it; empty where it is a container of
    which only its length is known."""
    container: str | None = None
    """Which of `Measurement.containers` it is, where that is known."""
    per_entry: float = 1.0
    """Objects of `type` for each entry of the container."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run."""

    name: str
    """What the file is called."""
    verdict: Verdict
    reason: str
    target: Target
    kind: CaptureKind
    unit: str
    """What rates are per, singular: `request`, `second`."""
    work: float
    """How many of them there were."""
    seconds: float
    steady: bool
    """Whether work was done all the time, so that its rates can be given per second."""
    leaks: tuple[MeasuredLeak, ...]
    """In the order of the report."""
    rates: Mapping[str, Rate] | None
    """Of the types that moved; what is not in it did not. None where that is not told."""
    containers: Mapping[str, Rate] = field(default_factory=dict)
    """In entries, by `0x…` address and type; empty where that is not told."""
    rss: Rate | None = None
    """In bytes."""
    forecast: Forecast | None = None

    @property
    def settled(self) -> bool:
        """Whether it was long enough to tell what grows."""
        too_short = self.verdict is Verdict.INCONCLUSIVE and not self.leaks
        return self.verdict is not Verdict.NOT_MEASURED and not too_short

    def per_second(self) -> Measurement | None:
        """Return it with its rates per second, None if they cannot be given so."""
        if self.unit == "second":
            return self
        if not self.steady or self.seconds <= 0 or self.work <= 0:
            return None
        factor = self.work / self.seconds
        return replace(
            self,
            unit="second",
            work=self.seconds,
            leaks=tuple(_scaled(leak, factor) for leak in self.leaks),
            rates=None if self.rates is None else _all_scaled(self.rates, factor),
            containers=_all_scaled(self.containers, factor),
            rss=None if self.rss is None else self.rss.scaled(factor),
        )


def rate_of(label: Label, slope: Interval) -> Rate:
    """Return how fast something with a trend grew.

    What rose and is compatible with no growth at all does not count as rising.
    """
    if label is Label.LINEAR:
        return Rate(slope, Rises.YES)
    may = label in _MAY_RISE and slope.low > 0
    return Rate(slope, Rises.PERHAPS if may else Rises.NO)


def type_rate_of(label: Label, slope: Interval) -> Rate:
    """Return how fast objects of a type grew, beside what findings tell of them.

    Never for sure: a straight rise that is in no finding was too little to be told from garbage.
    """
    return rate_of(Label.UNCONFIRMED if label is Label.LINEAR else label, slope)


def _scaled(leak: MeasuredLeak, factor: float) -> MeasuredLeak:
    types = {name: rate * factor for name, rate in leak.types.items()}
    return replace(leak, rate=leak.rate.scaled(factor), types=types)


def _all_scaled(rates: Mapping[str, Rate], factor: float) -> dict[str, Rate]:
    return {key: rate.scaled(factor) for key, rate in rates.items()}
