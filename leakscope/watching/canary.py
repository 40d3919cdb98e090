"""A leak of known rate, planted in the target along with the load, to see whether it is found.

A gate that passes has seen nothing, which proves little. If it would have seen this, it proves
that the way from the target to the verdict works.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from leakscope.analysis.growth import trends
from leakscope.capture.interface import Planted, Planting, Reading
from leakscope.errors import LeakscopeError
from leakscope.model.census import TypeTotal
from leakscope.model.gate import CanaryResult
from leakscope.model.recording import Recording
from leakscope.model.trend import Label

_WITHIN = 0.02
"""Share of its rate by which a canary may be measured wrong."""


class CanaryMissed(LeakscopeError):
    """What was planted was not found, so neither would a leak be."""

    hint = "More requests in each round, or more rounds, show a slower leak; or plant a faster one."


@dataclass(slots=True)
class Canary:
    """Plants objects as work is done, and keeps them out of what is measured of the target."""

    capture: Planting
    rate: float
    """Objects per unit of work."""
    _begin: float | None = None
    _planted: int = 0
    _where: Planted | None = None
    _totals: list[TypeTotal] = field(default_factory=list)

    def plant(self, work: float) -> None:
        """Plant what is due when so much work was done; nothing the first time."""
        if self._begin is None:
            self._begin = work
        due = round(self.rate * (work - self._begin)) - self._planted
        if due > 0:
            self._where = self.capture.plant(due)
            self._planted += due

    def taken_out(self, reading: Reading) -> Reading:
        """Return a reading without what was planted, which is noted."""
        if self._where is None:
            self._totals.append(TypeTotal(0, 0))
            return reading
        types = dict(reading.types)
        self._totals.append(types.pop(self._where.type, TypeTotal(0, 0)))
        address = self._where.address
        containers = tuple(c for c in reading.containers if c.address != address)
        return replace(reading, types=types, containers=containers)

    def remove(self) -> None:
        """Have the target let go of what was planted."""
        if self._where is not None:
            self.capture.plant(0)

    def result(self, recording: Recording) -> CanaryResult:
        """Return whether a leak like this would have been found in `recording`.

        It is judged among all keys of the recording, as any of them was.
        """
        name = "" if self._where is None else self._where.type
        censuses = tuple(
            replace(census, types={**census.types, name: total})
            for census, total in zip(recording.censuses, self._totals, strict=True)
        )
        judged = trends(replace(recording, censuses=censuses))
        trend = next(trend for trend in judged if trend.key == name)
        right = abs(trend.slope.estimate - self.rate) <= _WITHIN * self.rate + 1e-9
        inside = trend.slope.low <= self.rate <= trend.slope.high
        found = trend.label is Label.LINEAR and (right or inside)
        return CanaryResult(self.rate, trend.slope, found)


def require_found(result: CanaryResult, unit: str) -> None:
    """Raise `CanaryMissed` if what was planted was not found."""
    if not result.found:
        raise CanaryMissed(
            f"the canary was not found: {result.rate:.3g} objects per {unit} were planted, and "
            f"{result.slope.estimate:.3g} measured, not confirmed as a leak"
        )
