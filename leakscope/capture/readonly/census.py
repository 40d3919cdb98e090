"""One read-only census: the windows of a target's memory, added up by type."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from leakscope.capture.interface import CONTAINERS, SHORTEST
from leakscope.capture.readonly.dicts import Numbers, lengths_now
from leakscope.capture.readonly.headers import (
    TYPE,
    confirmed,
    headers_at,
    linked,
    possible_objects,
    unlinked,
)
from leakscope.capture.readonly.layout import HEADER, Builtins, Layout
from leakscope.capture.readonly.regions import Regions, Survey
from leakscope.capture.readonly.sizes import Objects, TypeColumns
from leakscope.capture.readonly.types import Types
from leakscope.capture.readonly.windows import WINDOW, Rows, Source, Window, windows
from leakscope.errors import LeakscopeError
from leakscope.model.census import ContainerLength, TypeTotal

SHORTEST_UNTRACKED = 64
"""Entries from which a dict is worth following that gc does not track."""


class CensusTooSlow(LeakscopeError):
    """The target's memory could not be read in time."""

    hint = "Use `--capture native`: it counts in a copy, and reads nothing out of the target."


@dataclass(frozen=True, slots=True)
class Counted:
    """What one census found."""

    types: dict[str, TypeTotal]
    """By name, sorted."""
    containers: tuple[ContainerLength, ...]
    """The longest, longest first, ties by address."""
    types_left_out: bool
    """Whether there were more types than are counted."""


def count(
    source: Source,
    survey: Survey,
    layout: Layout,
    builtins: Builtins,
    *,
    deadline: float = float("inf"),
    window: int = WINDOW,
) -> Counted:
    """Count the objects that gc tracks.

    Reads `window` bytes at a time, a multiple of the page size: what it takes itself is a small
    multiple of that. Raises `CensusTooSlow` after `deadline` (of `time.monotonic`), and
    `TargetGone`.
    """
    census = _Census(source, survey.readable, layout, builtins)
    for part in windows(source, survey.heap, window):
        if time.monotonic() > deadline:
            raise CensusTooSlow(f"reading {survey.heap.size / 1e9:.1f} GB took too long")
        census.add(part)
    return census.result()


class _Census:
    """Totals so far."""

    def __init__(
        self, source: Source, readable: Regions, layout: Layout, builtins: Builtins
    ) -> None:
        self._source = source
        self._readable = readable
        self._layout = layout
        self._dict = builtins.dict
        self._types = Types(source, layout, builtins, readable)
        self._objects = np.empty(0, dtype=np.int64)
        self._bytes = np.empty(0, dtype=np.int64)
        self._longest = np.empty((0, 3), dtype=np.int64)

    def add(self, window: Window) -> None:
        """Count what is in one window."""
        at = possible_objects(window, self._layout)
        found = self._tracked_objects(at, window)
        kinds = len(self._types.found)
        sizes = found.sizes(self._source, self._readable, self._layout)
        self._objects = _added(self._objects, np.bincount(found.type, minlength=kinds))
        self._bytes = _added(self._bytes, np.bincount(found.type, sizes, minlength=kinds))
        self._keep(found, found.lengths())
        self._keep_untracked(at, window)

    def result(self) -> Counted:
        """Return what there was in all windows."""
        totals: dict[str, TypeTotal] = {}
        types = self._types.found
        for kind, objects, size in zip(types, self._objects, self._bytes, strict=False):
            if objects:
                before = totals.get(kind.name, TypeTotal(0, 0))
                totals[kind.name] = TypeTotal(
                    before.objects + int(objects), before.bytes + int(size)
                )
        return Counted(
            types=dict(sorted(totals.items())),
            containers=tuple(
                ContainerLength(address, types[kind].name, length)
                for address, length, kind in _longest(self._longest).tolist()
            ),
            types_left_out=self._types.too_many,
        )

    def _tracked_objects(self, at: Rows, window: Window) -> Objects:
        found = self._objects_of_types(linked(at, window.words), window)
        sure = confirmed(found.headers, window, self._source, self._readable)
        return found.where(sure)

    def _objects_of_types(self, at: Rows, window: Window) -> Objects:
        """Return what has a type and is the window's own."""
        at = at[self._types.indices(window.words[at + TYPE]) >= 0]
        headers = headers_at(at, window)
        kinds = self._types.indices(headers.type)
        return Objects(headers, kinds, TypeColumns.of(self._types.found), window)

    def _keep_untracked(self, at: Rows, window: Window) -> None:
        """Keep long dicts that gc does not track: they hold texts, say, and may be what leaks.

        No neighbour confirms them, so their tables must.
        """
        at = at[window.words[at + TYPE] == np.uint64(self._dict)]
        found = self._objects_of_types(unlinked(at, window.words), window)
        found = found.where(found.lengths() >= SHORTEST_UNTRACKED)
        lengths = lengths_now(found.headers.address, self._source, self._readable, self._layout)
        self._keep(found, lengths)

    def _keep(self, found: Objects, lengths: Numbers) -> None:
        """Keep what has enough entries, as long as it is among the longest."""
        long = (lengths >= SHORTEST) & (lengths <= self._readable.size)
        address = found.headers.address[long].astype(np.int64) + HEADER
        rows = np.stack((address, lengths[long], found.type[long]), axis=1)
        self._longest = _longest(np.concatenate((self._longest, rows)))


def _longest(rows: Numbers) -> Numbers:
    """Return the rows of (address, length, type) with the greatest lengths, ties by address."""
    order = np.lexsort((rows[:, 0], -rows[:, 1]))
    return rows[order[:CONTAINERS]]


def _added(before: Numbers, more: Numbers) -> Numbers:
    total = np.zeros(max(len(before), len(more)), dtype=np.int64)
    total[: len(before)] += before
    total[: len(more)] += more.astype(np.int64)
    return total
