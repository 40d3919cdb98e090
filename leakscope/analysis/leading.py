"""What accumulates, of all that an entry keeps alive.

A capture looks at a few entries and names what matters in them. The chains of the types that grow
along, which lead through the same container, are a second opinion: the way that most of them
share leads to what accumulates. A record that keeps a whole request leaks requests, not records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from leakscope.analysis.names import anonymous, beyond, is_builtin
from leakscope.model.evidence import Step, TypeEvidence
from leakscope.model.explanation import EXPLAINS
from leakscope.model.typenames import leading


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
    and farther, to something that the end of `entry` captured: never to one of its own parts.
    """
    way = _shared(_tails(holder, chains, weights), weights)
    if not entry:
        return way
    if len(way) <= len(entry) or _types(way[: len(entry)]) != _types(entry):
        return tuple(entry)
    farther = way[len(entry) :]
    names = [entry[-1].type, *_types(farther)]
    return (*entry, *farther[: leading(names, [1.0, *[EXPLAINS] * len(farther)])])


def telling_way(
    holder: Sequence[Step],
    way: Sequence[Step],
    chains: Mapping[str, TypeEvidence],
    weights: Mapping[str, float],
) -> tuple[Step, ...]:
    """Return a way to an object of the program's or a library's own type, if there is one as big.

    A dict whose keys are tuples and whose values are sessions leaks sessions. `way` stays where
    it leads to such a type already, or where what it leads to outweighs them all.
    """
    if not way or not is_builtin(way[-1].type):
        return tuple(way)
    tails = _tails(holder, chains, weights)
    own = [name for name, tail in tails.items() if tail and not is_builtin(name)]
    heaviest = max(own, key=lambda name: (weights[name], name), default=None)
    if heaviest is None or weights[heaviest] < weights.get(way[-1].type, 0.0) / 2:
        return tuple(way)
    return tuple(tails[heaviest])


def _tails(
    holder: Sequence[Step], chains: Mapping[str, TypeEvidence], names: Iterable[str]
) -> dict[str, Sequence[Step]]:
    """Return the way on from the container for the types whose chains lead through it."""
    tails = {name: beyond(chains[name].chain, holder) for name in names if name in chains}
    return {name: tail for name, tail in tails.items() if tail is not None}


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
        if best is None or beyond[best] < EXPLAINS * total or total <= 0:
            return way
        way = (*way, example[best])


def _shape(steps: Iterable[Step]) -> list[tuple[str, str]]:
    return [_key(step) for step in steps]


def _key(step: Step) -> tuple[str, str]:
    return anonymous(step.edge), step.type


def _types(steps: Iterable[Step]) -> list[str]:
    return [step.type for step in steps]
