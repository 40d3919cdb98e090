"""What accumulates, of all that an entry keeps alive.

A capture looks at a few entries and names what matters in them. The chains of the types that grow
along, which lead through the same container, are a second opinion: the way that most of them
share leads to what accumulates. A record that keeps a whole request leaks requests, not records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from leakscope.analysis.names import anonymous, starts_with
from leakscope.model.evidence import Step, TypeEvidence

MOST = 0.8
"""Share of what grows that lies beyond a step for it to be part of the way."""


def leading_way(
    holder: Sequence[Step],
    entry: Sequence[Step],
    chains: Mapping[str, TypeEvidence],
    weights: Mapping[str, float],
) -> tuple[Step, ...]:
    """Return the way from the container to what accumulates in it.

    `holder` is the chain to the container, `entry` the way that its entries were found to lead,
    `weights` how fast each type that grows along gains bytes. The way goes on from the container
    as long as most of the weight lies beyond. It replaces `entry` only where it goes the same way
    and farther.
    """
    tails = {
        name: chains[name].chain[len(holder) :]
        for name in weights
        if name in chains and starts_with(chains[name].chain, holder)
    }
    way = _shared(tails, weights)
    if len(way) <= len(entry) or _types(way[: len(entry)]) != _types(entry):
        return tuple(entry)
    return (*entry, *way[len(entry) :])


def _shared(tails: Mapping[str, Sequence[Step]], weights: Mapping[str, float]) -> tuple[Step, ...]:
    way: tuple[Step, ...] = ()
    total = sum(weights[name] for name in tails)
    while True:
        beyond: dict[tuple[str, str], float] = defaultdict(float)
        example: dict[tuple[str, str], Step] = {}
        for name, tail in sorted(tails.items()):
            if len(tail) > len(way) and _shape(tail[: len(way)]) == _shape(way):
                step = tail[len(way)]
                beyond[_key(step)] += weights[name]
                example.setdefault(_key(step), step)
        best = max(beyond, key=lambda key: (beyond[key], key), default=None)
        if best is None or beyond[best] < MOST * total or total <= 0:
            return way
        way = (*way, example[best])


def _shape(steps: Iterable[Step]) -> list[tuple[str, str]]:
    return [_key(step) for step in steps]


def _key(step: Step) -> tuple[str, str]:
    return anonymous(step.edge), step.type


def _types(steps: Iterable[Step]) -> list[str]:
    return [step.type for step in steps]
