"""When memory ends, if it goes on like this."""

from __future__ import annotations

import numpy as np

from leakscope.analysis.axis import seconds_gone
from leakscope.analysis.ranks import robust_slopes
from leakscope.analysis.window import FEWEST_SAMPLES, warm_up_of
from leakscope.model.finding import Forecast
from leakscope.model.recording import Recording
from leakscope.model.trend import Label

_RISING = frozenset({Label.LINEAR, Label.UNCONFIRMED})
_MAY_RISE = _RISING | {Label.NOISE, Label.SATURATING, Label.SAWTOOTH}


def forecast(recording: Recording, label: Label) -> Forecast | None:
    """Return when RSS, whose trend has `label`, meets the limit.

    The room that is left is the limit less the *peak* of RSS, not its last value. There is no
    latest time unless RSS was seen to rise steadily. None without a limit, without RSS at every
    census, or when RSS does not grow. For recordings with confirmed growth only.
    """
    if label not in _MAY_RISE:
        return None
    sizes = [census.metrics.rss for census in recording.censuses]
    known = np.array([float(size) for size in sizes if size is not None])
    start = warm_up_of(len(sizes))
    at = seconds_gone(recording.censuses)[start:]
    if recording.limit is None or len(known) < len(sizes) or len(at) < FEWEST_SAMPLES:
        return None
    if (np.diff(at) <= 0).any():
        return None
    slopes = robust_slopes(at, known[None, start:])
    estimate, low, high = (float(s[0]) for s in (slopes.estimate, slopes.low, slopes.high))
    if estimate <= 0:
        return None
    room = max(0.0, recording.limit.limit_bytes - float(known.max()))
    return Forecast(
        earliest_seconds=room / high,
        latest_seconds=room / low if low > 0 and label in _RISING else None,
        limit=recording.limit,
    )
