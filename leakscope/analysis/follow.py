"""From censuses to series: every key that can be followed to the end of a recording."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from leakscope.analysis.chance import Floats
from leakscope.analysis.window import FEWEST_GAINED
from leakscope.model.census import Census, TypeTotal
from leakscope.model.recording import Recording
from leakscope.model.trend import KeyKind

RSS_KEY = "rss"


@dataclass(frozen=True, slots=True)
class Followed:
    """One key and its value at each census, from `first` to the last."""

    kind: KeyKind
    key: str
    """A type's name, `0x…` for a container's address; `rss`, `threads`, `fds`."""
    type: str
    """The type itself, or the container's type; empty for RSS."""
    values: Floats
    """One value per census."""
    first: int = 0
    """Index of the census that shows it first."""


def followed_types(recording: Recording) -> list[Followed]:
    """Return the series of every type, by name; a census without the type counts 0 of it."""
    censuses = recording.censuses
    row = {name: i for i, name in enumerate(sorted({n for c in censuses for n in c.types}))}
    table = np.zeros((len(row), len(censuses)))
    for column, census in enumerate(censuses):
        rows = [row[name] for name in census.types]
        table[rows, column] = [total.objects for total in census.types.values()]
    return [Followed(KeyKind.TYPE, name, name, table[i]) for name, i in row.items()]


def followed_sizes(recording: Recording) -> list[Followed]:
    """Return the series of the bytes of types, by name: of those that gained enough to tell."""
    first, last = recording.censuses[0].types, recording.censuses[-1].types
    nothing = TypeTotal(0, 0)
    grown = sorted(
        name
        for name, total in last.items()
        if total.bytes - first.get(name, nothing).bytes >= FEWEST_GAINED[KeyKind.SIZE]
    )
    return [
        Followed(
            KeyKind.SIZE,
            name,
            name,
            np.array([float(c.types.get(name, nothing).bytes) for c in recording.censuses]),
        )
        for name in grown
    ]


def followed_type(recording: Recording, name: str) -> Followed:
    """Return the series of one type, as `followed_types` does."""
    totals = [census.types.get(name) for census in recording.censuses]
    counts = [0.0 if total is None else float(total.objects) for total in totals]
    return Followed(KeyKind.TYPE, name, name, np.array(counts))


def followed_containers(recording: Recording) -> list[Followed]:
    """Return the series of every container that is there at the end, by address and type.

    A census lists the longest containers only. One that is missing is taken to be as long as the
    shortest that was listed, or as it is when it is seen next if that is less. So a container that
    is emptied time and again, or another one at an address that became free, is seen to begin
    anew, and one that grows out of obscurity is followed all the way.
    """
    seen: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)
    for index, census in enumerate(recording.censuses):
        for container in census.containers:
            seen[container.address, container.type][index] = container.length
    least = [min((c.length for c in census.containers), default=0) for census in recording.censuses]
    last = len(least) - 1
    return [
        Followed(
            kind=KeyKind.CONTAINER,
            key=f"{address:#x}",
            type=kind,
            values=_filled(lengths, least),
            first=min(lengths),
        )
        for (address, kind), lengths in sorted(seen.items())
        if last in lengths
    ]


def followed_rss(recording: Recording) -> Followed | None:
    """Return the series of the resident set size, None when it was not read every time."""
    sizes = [census.metrics.rss for census in recording.censuses]
    known = [float(size) for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    return Followed(KeyKind.RSS, RSS_KEY, "", np.array(known))


def followed_process(recording: Recording) -> list[Followed]:
    """Return the series of threads and open files, without one that was not read every time."""
    metrics = [census.metrics for census in recording.censuses]
    read = {
        KeyKind.THREADS: [each.threads for each in metrics],
        KeyKind.FDS: [each.fds for each in metrics],
    }
    return [
        Followed(kind, kind.value, "", np.array(counts, dtype=float))
        for kind, counts in read.items()
        if None not in counts
    ]


def mean_size(census: Census, name: str) -> float:
    """Return the flat size of one object of type `name`, 0 when there is none."""
    total = census.types.get(name)
    return total.bytes / total.objects if total is not None and total.objects else 0.0


def _filled(lengths: dict[int, int], least: list[int]) -> Floats:
    values = np.zeros(len(least))
    following = lengths[len(least) - 1]
    for index in reversed(range(len(least))):
        following = lengths.get(index, min(least[index], following))
        values[index] = following
    return values
