"""What grew and is no leak, under the names a reader would look for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from leakscope.analysis.growth import Growth, Judged
from leakscope.analysis.names import is_builtin, is_named, path_of
from leakscope.model.evidence import HolderEvidence
from leakscope.model.finding import NotLeak
from leakscope.model.trend import KeyKind, Label

MOST_TOLD = 50

_NOTICED = 0.03
_FEWEST_GAINED = {
    Label.UNCONFIRMED: 10.0,
    Label.SATURATING: 10.0,
    Label.FILLED: 50.0,
    Label.STEP: 50.0,
    Label.WARM_UP: 50.0,
    Label.NOISE: 100.0,
    Label.SAWTOOTH: 100.0,
    Label.BACKLOG: 100.0,
}
"""What a key must have gained to be told of, by label: the less the more it may still be growing.
Keys with other labels are not told of."""


def not_leaks(
    growth: Growth,
    holders: Sequence[HolderEvidence],
    explained: Collection[str],
    filling: Sequence[NotLeak] = (),
) -> tuple[NotLeak, ...]:
    """Return the keys that grew noticeably and were rejected, by key, at most `MOST_TOLD`.

    The caches that are `filling` come with them, however many.
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
    listed |= {cache.key: cache for cache in filling}
    return tuple(listed[name] for name in sorted(listed))


def _noticed(item: Judged) -> bool:
    fewest = _FEWEST_GAINED.get(item.trend.label, float("inf"))
    return _gained(item) >= max(fewest, _NOTICED * item.trend.last)


def _gained(item: Judged) -> float:
    last = item.trend.last
    if item.trend.label is Label.BACKLOG:
        last = float(item.followed.values.max())
    return last - item.trend.first


def _tells(item: Judged) -> bool:
    return item.trend.kind is KeyKind.CONTAINER or not is_builtin(item.trend.key)
