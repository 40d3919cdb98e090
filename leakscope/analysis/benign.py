"""What grew and is no leak, under the names a reader would look for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from leakscope.analysis.growth import Growth, Judged
from leakscope.analysis.names import is_named, is_plain, path_of
from leakscope.model.evidence import HolderEvidence
from leakscope.model.finding import NotLeak
from leakscope.model.trend import KeyKind, Label

MOST_TOLD = 50

_FEWEST_GAINED = 10.0
_NOTICED = 0.03
_MUCH = 100.0
"""What a key must have gained to be told of when it goes up and down all the time anyway."""
_RESTLESS = frozenset({Label.NOISE, Label.SAWTOOTH})
_UNTOLD = frozenset({Label.LINEAR, Label.FLAT, Label.TOO_SHORT, Label.SHRINKING})


def not_leaks(
    growth: Growth, holders: Sequence[HolderEvidence], explained: Collection[str]
) -> tuple[NotLeak, ...]:
    """Return the keys that grew noticeably and were rejected, by key, at most `MOST_TOLD`.

    Types in `explained` belong to a finding and are left out. Containers are told by their path,
    those without one never; the language's own types only where nothing better known has their
    label: a cache of records that filled is told as the cache and the record, not as ten dicts.
    """
    paths = {f"{h.address:#x}": path_of(h.chain) for h in holders if is_named(h.chain)}
    named = [item for item in growth.containers if item.trend.key in paths]
    grown = [item for item in (*named, *growth.types) if _noticed(item)]
    grown = [item for item in grown if item.trend.key not in explained]
    telling = [item for item in grown if _tells(item)]
    told = {item.trend.label for item in telling}
    others = [item for item in grown if item not in telling and item.trend.label not in told]
    most = sorted([*telling, *others], key=lambda i: (-_gained(i), i.trend.key))[:MOST_TOLD]
    listed = {
        name: NotLeak(name, item.trend.label.value, item.trend.reason)
        for item in reversed(most)
        for name in [paths.get(item.trend.key, item.trend.key)]
    }
    return tuple(listed[name] for name in sorted(listed))


def _noticed(item: Judged) -> bool:
    if item.trend.label in _UNTOLD:
        return False
    fewest = _MUCH if item.trend.label in _RESTLESS else _FEWEST_GAINED
    return _gained(item) >= max(fewest, _NOTICED * item.trend.last)


def _gained(item: Judged) -> float:
    return item.trend.last - item.trend.first


def _tells(item: Judged) -> bool:
    return item.trend.kind is KeyKind.CONTAINER or not is_plain(item.trend.key)
