"""Which leak makes a type grow: a leaked request and its thirty dicts are one leak, not 31."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from leakscope.analysis.growth import Judged
from leakscope.analysis.holdings import Leak, is_near
from leakscope.analysis.names import beyond, is_builtin
from leakscope.model.evidence import HELD_BY, TypeEvidence, is_garbage
from leakscope.model.trend import Interval
from leakscope.model.typenames import bare, is_plumbing, is_standard

EXPLAINED_WITHIN = 1.5
"""A type that grows up to so many times as fast as the leaks account for is explained by them."""

_FAR_BEYOND = 16
"""What grows so many times as fast as the entries of all leaks together is hardly part of them."""

_RUNNING = (
    *("local ", "awaited by ", "call of ", "caller of "),
    *("task", "coroutine", "greenlet", "frame", "thread "),
)
"""How references of what runs begin, or is suspended."""
_MOST_PER_ENTRY = 8
"""Objects of one type per entry up to which equal rates are taken for one cause."""


def attribute(
    leaks: Sequence[Leak], types: Sequence[Judged], evidence: Mapping[str, TypeEvidence]
) -> list[Judged]:
    """Give each growing type to the leaks that explain it; return those that none does.

    A type that several leaks account for is split between them in proportion. The order of
    `types` is kept. What grows far faster than the entries of all leaks is theirs only when
    nothing else does that could have brought it.
    """
    own = [item for item in types if not is_builtin(item.trend.key)]
    left = [item for item in own if not _explained(leaks, item, evidence)]
    rivals = [item for item in left if is_held_elsewhere(evidence.get(item.trend.key))]
    others = any(_is_far_beyond(leaks, item) for item in rivals)
    for item in types:
        if is_builtin(item.trend.key):
            in_full = not (others and _is_far_beyond(leaks, item))
            if not _explained(leaks, item, evidence, in_full=in_full):
                left.append(item)
    keys = {item.trend.key for item in left}
    return [item for item in types if item.trend.key in keys]


def filled(
    caches: Sequence[Leak], types: Sequence[Judged], evidence: Mapping[str, TypeEvidence]
) -> list[Judged]:
    """Return the types that grow because `caches` fill, and no faster than those account for."""
    return [item for item in types if _is_filled(caches, item, evidence.get(item.trend.key))]


def is_lost(about: TypeEvidence, evidence: Mapping[str, TypeEvidence]) -> bool:
    """Return whether nobody seen holds the objects of a type, or those that they are part of."""
    first = about.chain[0] if about.chain else None
    if first is None or first.edge != HELD_BY:
        return about.unheld is not None
    owner = evidence.get(first.type)
    return owner is not None and owner.unheld is not None


def _is_filled(caches: Sequence[Leak], item: Judged, evidence: TypeEvidence | None) -> bool:
    name = item.trend.key
    chain = evidence.chain if evidence is not None else ()
    accounted = 0.0
    for cache in caches:
        is_in_it = beyond(chain, cache.main.evidence.chain) is not None
        one_each = cache.slope.estimate if is_in_it or cache.main.leading == name else 0.0
        accounted += max(cache.claim(name), one_each)
    return 0 < item.trend.slope.low <= EXPLAINED_WITHIN * accounted


def _is_far_beyond(leaks: Sequence[Leak], item: Judged) -> bool:
    entries = sum(leak.slope.high for leak in leaks)
    return item.trend.slope.low > _FAR_BEYOND * entries


def _explained(
    leaks: Sequence[Leak],
    item: Judged,
    evidence: Mapping[str, TypeEvidence],
    *,
    in_full: bool = True,
) -> bool:
    """Return whether leaks explain a type, which is then told to grow with them.

    Not `in_full`: only what they account for is theirs, and the rest is to be explained.
    """
    name, slope = item.trend.key, item.trend.slope
    about = evidence.get(name)
    if about is not None and is_garbage(about.chain):
        return False
    if about is not None and is_lost(about, evidence):
        silent = (leak for leak in leaks if leak.tells_nothing and is_builtin(name))
        keeper = next((leak for leak in silent if _in_step(slope, leak.slope)), None)
        if keeper is not None:
            keeper.types[name] = slope.estimate
        return keeper is not None
    claims = [leak.claim(name) for leak in leaks]
    total = sum(claims)
    if total > 0 and (is_builtin(name) or slope.low <= EXPLAINED_WITHIN * total):
        for leak, claim in zip(leaks, claims, strict=True):
            if claim > 0:
                leak.types[name] = slope.estimate * claim / total if in_full else claim
        return in_full
    if not in_full:
        return False
    owner = _owner(leaks, name, slope, about)
    if owner is not None:
        owner.types[name] = slope.estimate
    return owner is not None


def _owner(
    leaks: Sequence[Leak], name: str, slope: Interval, evidence: TypeEvidence | None
) -> Leak | None:
    """Return the leak that a type nobody accounts for belongs to, judged by chain and rate."""
    chain = evidence.chain if evidence is not None else ()
    for leak in leaks:
        if any(beyond(chain, holding.evidence.chain) is not None for holding in leak.holdings):
            return leak
    for leak in leaks:
        brought = sum(holding.claim_beside(name) for holding in leak.holdings)
        if slope.low <= EXPLAINED_WITHIN * brought:
            return leak
    for leak in leaks:
        if leak.main.leading == name:
            return leak
    if leaks and is_builtin(name):
        return leaks[0]
    if chain and is_held_elsewhere(evidence):
        return None
    in_step = next((leak for leak in leaks if _in_step(slope, leak.slope)), None)
    if in_step is None and is_standard(name) and any(is_plumbing(step.type) for step in chain):
        # What a leak keeps several entries at a time, a connection's timer say, grows more slowly.
        return next((leak for leak in leaks if slope.high <= leak.slope.low), None)
    return in_step


def is_held_elsewhere(evidence: TypeEvidence | None) -> bool:
    """Return whether a chain leads from a module to where objects can stay.

    One that leads through something that runs may be that of an object that is in use just now,
    and what hangs on an event loop is there for somebody else. The frames that a traceback keeps
    do not run any more.
    """
    if evidence is None or not evidence.chain:
        return False
    before_failure = takewhile(lambda step: bare(step.type) != "traceback", evidence.chain)
    return evidence.chain[0].edge.startswith("module ") and not any(
        step.edge.startswith(_RUNNING) or is_plumbing(step.type) for step in before_failure
    )


def _in_step(slope: Interval, holder: Interval) -> bool:
    """Return whether a type gains a whole number of objects per entry of the holder."""
    if holder.estimate <= 0:
        return False
    per_entry = max(1, round(slope.estimate / holder.estimate))
    return per_entry <= _MOST_PER_ENTRY and is_near(slope.estimate, per_entry * holder.estimate)
