"""What the entries of a container in a frozen heap are, and what one of them keeps alive.

The rules are those by which the portable capture looks at entries: an entry is an element, or the
value and the key of a dict; all that it alone keeps alive is its own, by the dominator tree.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.dominators import DominatedHeap, dominated_by
from leakscope.analysis.heapgraph import is_greenlet, type_name
from leakscope.analysis.kernels import Amounts, Mask, Rows
from leakscope.analysis.names import is_builtin
from leakscope.analysis.retention import Chain
from leakscope.model.evidence import EntryShare
from leakscope.model.explanation import EXPLAINS
from leakscope.model.heap import ObjectFlag
from leakscope.model.typenames import bare, is_code, is_plain, leading, telling
from leakscope.watching.heap_chains import ChainNames
from leakscope.watching.naming import UNNAMED

SAMPLES = 24
"""Entries that are looked into, spread over the younger half; they are alike."""

_DEEPEST = 32
_FARTHEST = 20_000
"""Objects that are looked at to find the way from an entry to what matters in it."""
_FEW = 0.05
"""Objects of a type per entry, below which they are not told to be beside it."""
_ATOMS = frozenset({"str", "int", "bytes", "float", "bool", "NoneType"})
_CACHE, _LINK = "functools._lru_cache_wrapper", "functools._lru_list_elem"
_KEYED = frozenset({"dict", "collections.OrderedDict", "collections.defaultdict"})


@dataclass(frozen=True, slots=True)
class EntriesFound:
    """What the sampled entries of a container have in common."""

    edge: str
    """How the container refers to it: `[*]`, `<key>` or `<element>`."""
    way: Chain
    """Rows from an object of a typical entry to the one that matters in it."""
    code: int | None
    """Row of the code that tells best where such an entry comes from."""
    shares: tuple[EntryShare, ...]
    """Averages over the sample; most bytes first, ties by name."""
    sampled: int
    beside: tuple[EntryShare, ...] = ()
    """See `HolderEvidence`."""


class Entries:
    """The entries of containers of one heap."""

    def __init__(self, heap: DominatedHeap, retained: Amounts, names: ChainNames) -> None:
        self._heap = heap
        self._snapshot = heap.graph.snapshot
        self._retained = retained
        self._names = names

    def of(self, container: int, length: int | None) -> EntriesFound | None:
        """Look at the entries of a container, None if it has none.

        `length` is how many it has, where that is known.
        """
        return self._common(container, self._sample(container, length))

    def among(self, container: int, rows: Rows) -> EntriesFound | None:
        """Look at `rows`, which are known to be entries of a container; None if there are none.

        Those of the type that tells most are looked at, evenly spread.
        """
        if not len(rows):
            return None
        types = self._snapshot.type[rows]
        totals = np.bincount(types, weights=self._retained[rows])
        present = sorted(np.unique(types), key=lambda index: self._snapshot.type_names[index])
        names = [self._snapshot.type_names[index] for index in present]
        tells = telling(names, [float(totals[index]) for index in present])
        alike = rows[types == present[tells]]
        places = np.linspace(0, len(alike) - 1, min(len(alike), SAMPLES)).astype(np.int64)
        return self._common(container, list(alike[places].reshape(-1, 1)))

    def _common(self, container: int, sample: list[Rows]) -> EntriesFound | None:
        if not sample:
            return None
        ways = [self._to_what_matters(container, entry) for entry in sample]
        types = self._snapshot.type
        kinds = Counter(tuple(types[list(way)].tolist()) for way in ways)
        # Counters keep the order of the sample, youngest first, which decides among equals.
        kind = max(kinds, key=lambda k: kinds[k])
        at = next(i for i, way in enumerate(ways) if tuple(types[list(way)].tolist()) == kind)
        rows = [row for entry in sample for row in self._own(container, entry)]
        kept = dominated_by(self._heap.children, *rows)
        return EntriesFound(
            edge=self._edge(container, ways[at][0]),
            way=ways[at],
            code=self._code(sample[at], ways[at]),
            shares=self._shares(kept, len(sample)),
            sampled=len(sample),
            beside=self._beside(container, kept, len(sample)),
        )

    def _sample(self, container: int, length: int | None) -> list[Rows]:
        """Return some of the younger entries, youngest first."""
        found = self._heap.graph.outgoing.of(container)
        if length is None:
            found = found[(self._snapshot.flags[found] & ObjectFlag.TYPE) == 0]
        if not len(found):
            return []
        kind = bare(type_name(self._snapshot, container))
        cache = self._cache_of(container, found)
        if cache is not None:
            entries = self._cached(cache, len(found) // 2)
        elif self._is_keyed(container, kind, found, length):
            entries = self._pairs(found, length)
        else:
            alone = found[-length:] if length else found
            entries = alone[::-1].reshape(-1, 1)
            if self._is_list(container, alone):
                entries = entries[::-1]
        count = len(entries)
        if not count:
            return []
        places = {int(0.5 * (i + 0.5) / SAMPLES * count) for i in range(SAMPLES)}
        return [entries[place] for place in sorted(places)]

    def _is_keyed(self, container: int, kind: str, found: Rows, length: int | None) -> bool:
        """Return whether a container gives a key with each value.

        The dict of an instance that shares its keys with others of its class does not.
        """
        if kind in _KEYED and length is not None:
            return len(found) >= 2 * length
        return kind != "list" and self._edge(container, int(found[-1])) == "<key>"

    def _is_list(self, container: int, entries: Rows) -> bool:
        """Return whether a container gives its references from the last to the first."""
        kind = bare(type_name(self._snapshot, container))
        if kind in ("set", "collections.deque"):
            return False
        return kind == "list" or self._names.edge(container, int(entries[-1])) == "[0]"

    def _pairs(self, found: Rows, length: int | None) -> Rows:
        """Return (value, key) rows, youngest first.

        A table of text keys gives all values and then all keys; any other value and key in turn.
        """
        count = length if length and 2 * length <= len(found) else len(found) // 2
        both = found[len(found) - 2 * count :]
        texts = [i for i, name in enumerate(self._snapshot.type_names) if bare(name) == "str"]
        if bool(np.isin(self._snapshot.type[both[count:]], texts).all()):
            columns: Rows = both.reshape(2, count).T[::-1]
            return columns
        pairs: Rows = both.reshape(count, 2)[::-1]
        return pairs

    def _cache_of(self, container: int, found: Rows) -> int | None:
        """Return the function cache whose table a dict is, None if it is none.

        What such a table refers to are links of C, which do not tell what they hold; the cache
        itself does.
        """
        if type_name(self._snapshot, int(found[0])) != _LINK and (
            type_name(self._snapshot, int(found[-1])) != _LINK
        ):
            return None
        referrers: Rows = self._heap.graph.incoming.of(container)
        caches = [row for row in referrers if type_name(self._snapshot, int(row)) == _CACHE]
        return int(caches[0]) if caches else None

    def _cached(self, cache: int, count: int) -> Rows:
        """Return (result, key) rows of a function cache, youngest first."""
        found = self._heap.graph.outgoing.of(cache)
        alone = found[(self._snapshot.flags[found] & ObjectFlag.TYPE) == 0]
        count = min(count, len(alone) // 2)
        pairs: Rows = alone[: 2 * count].reshape(-1, 2)[::-1, ::-1]
        return pairs

    def _own(self, container: int, entry: Rows) -> list[int]:
        """Return the objects of an entry, without a mere value that many share."""
        above = self._heap.tree.immediate
        inside = {container, *entry.tolist()}
        return [
            row
            for row in dict.fromkeys(entry.tolist())
            if len(entry) == 1
            or int(above[row]) in inside
            or bare(type_name(self._snapshot, row)) not in _ATOMS
        ]

    def _to_what_matters(self, container: int, entry: Rows) -> Chain:
        """Return the way from an entry to the object that an engineer would name as what leaks."""
        own = self._own(container, entry) or [int(entry[0])]
        line = self._heavy_line(own)
        names = [type_name(self._snapshot, row) for row in line]
        chosen = line[leading(names, [float(self._retained[row]) for row in line])]
        return self.way(own, chosen) or (line[0],)

    def _heavy_line(self, own: list[int]) -> list[int]:
        """Return the objects, from the entry on, that each account for most of the entry.

        What a plain container takes for itself counts for nobody.
        """
        retained, snapshot = self._retained, self._snapshot
        types = [type_name(snapshot, row) for row in own]
        line = [own[telling(types, [float(retained[row]) for row in own])]]
        total = int(retained[line[0]])
        while len(line) < _DEEPEST:
            if is_plain(type_name(snapshot, line[-1])):
                total = min(total, int(retained[line[-1]])) - int(snapshot.size[line[-1]])
            below = self._heap.children.of(line[-1])
            if not len(below):
                break
            heaviest = int(below[retained[below].argmax()])
            if retained[heaviest] < EXPLAINS * total:
                break
            line.append(heaviest)
        return line

    def way(self, starts: Sequence[int], goal: int) -> Chain:
        """Return the shortest way from one of `starts` to what they keep alive, both included.

        Empty if it is too far.
        """
        came = dict.fromkeys(starts, -1)
        pending = deque(starts)
        while pending and goal not in came and len(came) < _FARTHEST:
            at = pending.popleft()
            for to in self._heap.graph.outgoing.of(at).tolist():
                if to not in came and self._belongs(to, starts):
                    came[to] = at
                    pending.append(to)
        if goal not in came:
            return ()
        way = [goal]
        while came[way[-1]] != -1:
            way.append(came[way[-1]])
        return tuple(reversed(way))

    def _belongs(self, row: int, owners: Sequence[int]) -> bool:
        """Return whether one of `owners` dominates an object."""
        above = self._heap.tree.immediate
        for _ in range(_DEEPEST * 4):
            if row in owners:
                return True
            row = int(above[row])
            if row < 0:
                return False
        return False

    def _code(self, entry: Rows, way: Chain) -> int | None:
        """Return the code that an entry leads to, or else the nearest that it keeps alive."""
        if self._is_code(way[-1]):
            return way[-1]
        starts = entry.tolist()
        seen, pending = set(starts), deque(starts)
        while pending and len(seen) < _FARTHEST // 10:
            row = pending.popleft()
            if self._is_code(row):
                return int(row)
            for to in self._heap.graph.outgoing.of(row).tolist():
                if to not in seen and self._belongs(to, starts):
                    seen.add(to)
                    pending.append(to)
        return None

    def _is_code(self, row: int) -> bool:
        return is_code(type_name(self._snapshot, row)) or is_greenlet(self._snapshot, row)

    def _edge(self, container: int, row: int) -> str:
        edge = self._names.edge(container, row)
        return "[*]" if edge.startswith(("[", UNNAMED)) else edge

    def _shares(self, kept: Mask, sampled: int) -> tuple[EntryShare, ...]:
        snapshot = self._snapshot
        types = snapshot.type[kept]
        counts = np.bincount(types) / sampled
        sizes = np.bincount(types, weights=snapshot.size[kept]) / sampled
        objects: defaultdict[str, float] = defaultdict(float)
        bytes_: defaultdict[str, float] = defaultdict(float)
        for index in np.flatnonzero(counts):
            objects[snapshot.type_names[index]] += float(counts[index])
            bytes_[snapshot.type_names[index]] += float(sizes[index])
        shares = [EntryShare(name, objects[name], bytes_[name]) for name in objects]
        return tuple(sorted(shares, key=lambda share: (-share.bytes, share.type)))

    def _beside(self, container: int, kept: Mask, sampled: int) -> tuple[EntryShare, ...]:
        """Return what `kept`, all that the sampled entries alone keep alive, refers to besides.

        What most entries refer to, their types and the like, does not come with them.
        """
        outgoing, snapshot = self._heap.graph.outgoing, self._snapshot
        sources = np.flatnonzero(kept)[:_FARTHEST].tolist()
        found = np.concatenate([np.empty(0, np.int32), *(outgoing.of(row) for row in sources)])
        found = found[~kept[found] & (found != container)]
        rows, times = np.unique(found, return_counts=True)
        own = rows[2 * times <= sampled]
        shares = [
            EntryShare(name, count / sampled, 0.0)
            for name, count in Counter(type_name(snapshot, row) for row in own.tolist()).items()
            if count >= _FEW * sampled and not is_builtin(name)
        ]
        return tuple(sorted(shares, key=lambda share: (-share.objects, share.type)))
