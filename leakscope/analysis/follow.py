"""From censuses to series: every key that can be followed to the end of a recording."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.ranks import Floats
from leakscope.model.census import Census
from leakscope.model.recording import Recording
from leakscope.model.trend import KeyKind

RSS_KEY = "rss"


@dataclass(frozen=True, slots=True)
class Followed:
    """One key and its value at each census, from `first` to the last."""

    kind: KeyKind
    key: str
    """A type's name, `0x…` for a container's address, `rss`."""
    type: str
    """The type itself, or the container's type; empty for RSS."""
    values: Floats
    """One value per census; not a number before `first`."""
    first: int = 0
    """Index of the first census from which on the key is known without a gap."""

    @property
    def known(self) -> Floats:
        """The values that are known."""
        return self.values[self.first :]


def followed_types(recording: Recording) -> list[Followed]:
    """Return the series of every type, by name; a census without the type counts 0 of it."""
    censuses = recording.censuses
    row = {name: i for i, name in enumerate(sorted({n for c in censuses for n in c.types}))}
    table = np.zeros((len(row), len(censuses)))
    for column, census in enumerate(censuses):
        rows = [row[name] for name in census.types]
        table[rows, column] = [total.objects for total in census.types.values()]
    return [Followed(KeyKind.TYPE, name, name, table[i]) for name, i in row.items()]


def followed_containers(recording: Recording) -> list[Followed]:
    """Return the series of every container that is there at the end, by address and type.

    A census lists the longest containers only: one that is missing was shorter or did not exist.
    A gap is bridged when the container is not longer before it than after it; otherwise what came
    after the gap is taken for another object at the same address, and followed alone.
    """
    seen: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for index, census in enumerate(recording.censuses):
        for container in census.containers:
            seen[container.address, container.type].append((index, container.length))
    count = len(recording.censuses)
    return [
        _container(address, kind, readings, count)
        for (address, kind), readings in sorted(seen.items())
        if readings[-1][0] == count - 1
    ]


def followed_rss(recording: Recording) -> Followed | None:
    """Return the series of the resident set size, None when it was not read every time."""
    sizes = [census.metrics.rss for census in recording.censuses]
    known = [float(size) for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    return Followed(KeyKind.RSS, RSS_KEY, "", np.array(known))


def mean_size(census: Census, name: str) -> float:
    """Return the flat size of one object of type `name`, 0 when there is none."""
    total = census.types.get(name)
    return total.bytes / total.objects if total is not None and total.objects else 0.0


def _container(address: int, kind: str, readings: list[tuple[int, int]], count: int) -> Followed:
    values = np.full(count, np.nan)
    later, length_later = readings[-1]
    values[later] = length_later
    for index, length in reversed(readings[:-1]):
        gap = later - index - 1
        if gap and (gap > max(1, count // 10) or length > length_later):
            break
        if gap:
            values[index:later] = np.linspace(length, length_later, gap + 2)[:-1]
        values[index] = length
        later, length_later = index, length
    return Followed(KeyKind.CONTAINER, f"{address:#x}", kind, values, first=later)
