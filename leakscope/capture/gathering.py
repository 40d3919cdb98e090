"""Evidence on suspects, gathered by the payload in steps short enough for the target to breathe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leakscope.capture.entry_graph import (
    EntryGraph,
    Headline,
    Node,
    headline,
    retained,
    shares,
    way_to_code,
)
from leakscope.capture.session import TargetError
from leakscope.model.evidence import EntryShare, HolderEvidence, Site, Step, TypeEvidence

SEARCH_SECONDS = 2.0
"""Longest search for the ways from the roots, for all suspects together."""
ENTRY_SECONDS = 2.0
"""Longest look at entries, for all containers together."""
SAMPLES = 24
RECENT = 0.5
"""Share of a container, from the youngest entry on, that the sample is spread over."""

SEEK_PART = 50_000
"""Objects whose references are gone through in one call, in search of what gc does not track."""
INSTANCE_SECONDS = 2.0
"""Longest search for instances, for all types together."""

Call = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Sampled:
    """One entry that was looked at."""

    graph: EntryGraph
    kept: frozenset[int]
    headline: Headline | None

    @property
    def kind(self) -> tuple[str, ...]:
        """The types along the way to the headline: entries with the same are alike."""
        return tuple(
            self.graph.nodes[at].type for at in (self.headline.way if self.headline else ())
        )


class Gathering:
    """One round of gathering. `call` calls the payload, `name_of` names a type by its id."""

    def __init__(self, call: Call, name_of: Callable[[int], str]) -> None:
        self._call = call
        self._name_of = name_of

    def run(
        self,
        containers: Sequence[int],
        types: Mapping[str, tuple[Sequence[int], int]],
        objects: int,
    ) -> tuple[tuple[HolderEvidence, ...], tuple[TypeEvidence, ...]]:
        """Return what there is to say on the containers and types, in the order given.

        `types` has the ids and the number of instances by name, `objects` is the size of the heap.
        """
        try:
            held = self._held(containers, objects)
            found = [address for address in containers if address in held]
            chains = self._chains(found, objects, apart=True)
            holders = self._holders({a: self._name_of(held[a]) for a in found}, chains)
            made = self._made(types)
            ways = self._chains([a for found in made.values() for a in found], objects, apart=False)
            return holders, tuple(
                TypeEvidence(name, types[name][1], _best([ways[a] for a in made[name]]))
                for name in types
            )
        finally:
            self._call("search_end")
            self._call("release")

    def _held(self, containers: Sequence[int], objects: int) -> dict[int, int]:
        """Hold the containers, those that gc does not track too; return their types' ids."""
        held = dict(self._call("hold_containers", list(containers)))
        deadline = time.monotonic() + SEARCH_SECONDS / 2
        for start in range(0, objects, SEEK_PART):
            missing = [address for address in containers if address not in held]
            if not missing or time.monotonic() > deadline:
                break
            held.update(self._call("hold_untracked", missing, start, SEEK_PART))
        return held

    def _try(self, function: str, *args: object) -> Any:  # noqa: ANN401
        """Call what looks at one suspect; None where that fails, so that the others are told of."""
        try:
            return self._call(function, *args)
        except TargetError:
            return None

    def _made(self, types: Mapping[str, tuple[Sequence[int], int]]) -> dict[str, list[int]]:
        """Hold instances of each type, as far as the time allows."""
        deadline = time.monotonic() + INSTANCE_SECONDS
        return {
            name: self._instances(ids, count) if time.monotonic() < deadline else []
            for name, (ids, count) in types.items()
        }

    def _instances(self, ids: Sequence[int], count: int) -> list[int]:
        """Hold a recently made instance, but not one of the last, and an older one in reserve.

        The last may be in use just now and tell nothing, and any may be garbage.
        """
        places = {count - 1 - max(count > 8, count // 50), count * 2 // 3}
        found = [self._try("hold_instance", list(ids), at) for at in sorted(places, reverse=True)]
        return [address for address in found if address]

    def _chains(
        self, addresses: list[int], objects: int, *, apart: bool
    ) -> dict[int, tuple[Step, ...]]:
        """Return the chain to each held object; `apart`: rather not through one another."""
        width = max(4, min(32, 4_000_000 // max(1, objects)))
        deadline = time.monotonic() + SEARCH_SECONDS / 2
        self._call("search_begin", addresses, apart)
        while time.monotonic() < deadline and self._call("search_step", width):
            pass
        chains = {address: self._try("chain_to", address) for address in addresses}
        self._call("search_through")
        for way in ("chain_to", "chain_from_anything"):
            for address in addresses:
                chains[address] = chains[address] or self._try(way, address)
        return {address: _steps(chains[address] or ()) for address in addresses}

    def _holders(
        self, types: dict[int, str], chains: dict[int, tuple[Step, ...]]
    ) -> tuple[HolderEvidence, ...]:
        seconds = ENTRY_SECONDS / max(1, len(types))
        return tuple(self._holder(a, types[a], chains[a], seconds) for a in types)

    def _holder(
        self, address: int, type_name: str, chain: tuple[Step, ...], seconds: float
    ) -> HolderEvidence:
        sampled = self._sampled(address, seconds)
        steps, site = self._entry(address, sampled)
        return HolderEvidence(
            address=address,
            type=type_name,
            chain=chain,
            entry=steps,
            shares=average_shares([(s.graph, s.kept) for s in sampled]),
            entries_sampled=len(sampled),
            site=site,
        )

    def _sampled(self, address: int, seconds: float) -> list[_Sampled]:
        deadline = time.monotonic() + seconds
        sampled = []
        for place in range(SAMPLES):
            if time.monotonic() > deadline:
                break
            told = self._try("entry_graph", address, RECENT * (place + 0.5) / SAMPLES)
            if told is not None:
                graph = _graph(*told)
                kept = retained(graph)
                sampled.append(_Sampled(graph, kept, headline(graph, kept)))
        return sampled

    def _entry(
        self, address: int, sampled: Sequence[_Sampled]
    ) -> tuple[tuple[Step, ...], Site | None]:
        """Return the way from the container to the commonest headline, and where its code is."""
        kinds = Counter(s.kind for s in sampled if s.headline)
        ranked = sorted(kinds, key=lambda k: (-kinds[k], k))
        for entry in sorted((s for s in sampled if s.headline), key=lambda s: ranked.index(s.kind)):
            assert entry.headline
            way = entry.headline.way
            steps = self._try("name_entry", address, entry.headline.edge, _addresses(entry, way))
            if steps:
                return _steps(steps), self._site(address, entry)
        return (), None

    def _site(self, address: int, entry: _Sampled) -> Site | None:
        way = way_to_code(entry.graph, entry.kept, entry.headline.way if entry.headline else ())
        if not way:
            return None
        told = self._try("entry_site", address, _addresses(entry, way))
        return Site(printable(told[0]), told[1], printable(told[2])) if told else None


def _best(chains: Sequence[tuple[Step, ...]]) -> tuple[Step, ...]:
    """Return the first chain that starts at a module, else the first that says anything."""
    rooted = [c for c in chains if c and c[0].type == "builtins.module"]
    return next((c for c in (*rooted, *chains) if c), ())


def average_shares(
    entries: Sequence[tuple[EntryGraph, frozenset[int]]],
) -> tuple[EntryShare, ...]:
    """Return what one entry retains on average, by type; most bytes first, ties by name."""
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for graph, kept in entries:
        for name, (count, size) in shares(graph, kept).items():
            objects[name] += count
            sizes[name] += size
    count = len(entries)
    averages = [EntryShare(n, objects[n] / count, sizes[n] / count) for n in objects]
    return tuple(sorted(averages, key=lambda s: (-s.bytes, s.type)))


def _graph(
    edges: list[str],
    rows: list[tuple[int, int, int, int, list[int]]],
    names: list[str],
    code: list[int],
) -> EntryGraph:
    """Return the graph that the payload told of."""
    types = [printable(name) for name in names]
    return EntryGraph(
        tuple(edges),
        tuple(
            Node(address, references, size, types[cls], tuple(referents), at in code)
            for at, (address, references, size, cls, referents) in enumerate(rows)
        ),
    )


def _addresses(entry: _Sampled, way: Iterable[int]) -> list[int]:
    return [entry.graph.nodes[at].address for at in way]


def _steps(told: Iterable[tuple[str, str]]) -> tuple[Step, ...]:
    return tuple(Step(printable(edge), printable(cls)) for edge, cls in told)


def printable(text: str) -> str:
    """Return `text` with what cannot be encoded (lone surrogates) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def printable_site(site: Site) -> Site:
    """Return `site` with its texts made `printable`."""
    return Site(printable(site.file), site.line, printable(site.function))
