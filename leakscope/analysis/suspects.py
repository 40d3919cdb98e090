"""Which keys are worth asking the target about while it is still there.

Liberal on purpose: evidence is cheap and a verdict is not. What grows for sure comes first, then
what may, then what grew and stopped, so that a cache that filled can be called by its name.
"""

from __future__ import annotations

from leakscope.analysis.growth import Judged, judge
from leakscope.analysis.swelling import swelling
from leakscope.model.evidence import Suspects
from leakscope.model.recording import Recording
from leakscope.model.trend import Label

MOST_SUSPECTS = 24
"""How many containers, and how many types, are named at most."""

MOST_STOPPED = 6
"""How many of them may be keys that grew and stopped."""

_FEWEST_GAINED = 10

_RANK = {
    Label.LINEAR: 0,
    Label.UNCONFIRMED: 1,
    Label.SATURATING: 2,
    Label.TOO_SHORT: 2,
    Label.FILLED: 3,
    Label.STEP: 3,
    Label.WARM_UP: 3,
}


def suspects(recording: Recording) -> Suspects:
    """Return the containers and types of `recording` that evidence is wanted for.

    Within one degree of suspicion the fastest come first, ties by key. Containers that grow alike
    are all named: which of them holds what leaks is for the evidence to tell.
    """
    growth = judge(recording)
    return Suspects(
        containers=tuple(int(item.trend.key, 16) for item in _chosen(growth.containers)),
        types=tuple(item.trend.key for item in _chosen(growth.types)),
        sizes=tuple(item.trend.key for item in swelling(recording, growth)),
    )


def is_growing(recording: Recording) -> bool:
    """Return whether anything in `recording` grows, or may, and has not stopped."""
    growth = judge(recording)
    return bool(swelling(recording, growth)) or any(
        _has_gained(item) and not _has_stopped(item) for item in (*growth.containers, *growth.types)
    )


def _chosen(keys: tuple[Judged, ...]) -> list[Judged]:
    gained = [item for item in keys if _has_gained(item)]
    gained.sort(key=lambda item: (_RANK[item.trend.label], -_gain(item), item.trend.key))
    growing = [item for item in gained if not _has_stopped(item)]
    stopped = [item for item in gained if _has_stopped(item)]
    return (growing + stopped[:MOST_STOPPED])[:MOST_SUSPECTS]


def _has_gained(item: Judged) -> bool:
    return item.trend.label in _RANK and _gain(item) >= _FEWEST_GAINED


def _has_stopped(item: Judged) -> bool:
    return _RANK[item.trend.label] == _RANK[Label.FILLED]


def _gain(item: Judged) -> float:
    """Return what the key gained: since warm-up, or since ever where it stopped after that."""
    return max(item.gain, item.trend.last - item.trend.first)
