"""Which addresses are those of types.

No pointer is trusted: what claims to be a type must have a type as its own type, up to `type`
itself, and say of itself what types say. To pass and be none it would have to be made for that.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.capture.readonly.kinds import Describer, ObjectType
from leakscope.capture.readonly.layout import (
    IS_TYPE,
    OB_TYPE,
    READY,
    TP_FLAGS,
    Builtins,
    Layout,
)
from leakscope.capture.readonly.regions import Regions
from leakscope.capture.readonly.windows import Source, words_at
from leakscope.capture.vectored import Addresses, Mask

MOST_TYPES = 1 << 17
"""So many are looked at; objects of more are not counted."""
_MOST_REFUSED = 1 << 20
_LEVELS = 3
"""How many metaclasses one above the other are followed up to `type`."""


class Types:
    """The types of a target at one moment, found as their objects are met."""

    def __init__(
        self, source: Source, layout: Layout, builtins: Builtins, readable: Regions
    ) -> None:
        self.found: list[ObjectType] = []
        self.too_many = False
        """Whether there are more than `MOST_TYPES`."""
        self._source = source
        self._describer = Describer(source, layout, builtins)
        self._readable = readable
        self._looked_at = 0
        self._known = np.empty(0, dtype=np.uint64)
        self._index = np.empty(0, dtype=np.int64)
        self._refused = np.empty(0, dtype=np.uint64)
        self._metaclasses = np.array([builtins.type], dtype=np.uint64)

    def indices(self, addresses: Addresses) -> npt.NDArray[np.int64]:
        """Return the index in `found` of the type at each address, -1 for what is none.

        Types whose objects have no header of gc are none here. Raises `TargetGone`.
        """
        unknown = _distinct(addresses[~_is_in(addresses, self._known)])
        unknown = unknown[~_is_in(unknown, self._refused)]
        if len(unknown):
            self._examine(unknown)
        if not len(self._known):
            return np.full(len(addresses), -1, dtype=np.int64)
        at = _places(addresses, self._known)
        return np.where(self._known[at] == addresses, self._index[at], -1)

    def _examine(self, addresses: Addresses) -> None:
        """Add the types among `addresses`, all of them new, and remember the others."""
        added: list[int] = []
        first = len(self.found)
        for address in addresses[self._have_type_as_type(addresses, _LEVELS)].tolist():
            self._looked_at += 1
            if self._looked_at > MOST_TYPES:
                self.too_many = True
                break
            described = self._describer.describe(address)
            if described is not None:
                added.append(address)
                self.found.append(described)
        known = np.concatenate((self._known, np.array(added, dtype=np.uint64)))
        index = np.concatenate((self._index, np.arange(first, len(self.found))))
        order = np.argsort(known)
        self._known, self._index = known[order], index[order]
        refused = addresses[~_is_in(addresses, self._known)]
        self._refused = np.sort(np.concatenate((self._refused, refused)))
        if len(self._refused) > _MOST_REFUSED:
            self._refused = np.empty(0, dtype=np.uint64)

    def _have_type_as_type(self, addresses: Addresses, levels: int) -> Mask:
        """Return at which addresses is what has a type, that has a type, and so on to `type`."""
        fields = addresses + np.uint64(OB_TYPE)
        found = np.zeros(len(addresses), dtype=np.bool_)
        there = np.flatnonzero(self._readable.hold(fields))
        kinds = words_at(self._source, fields[there], 1)[0][:, 0]
        others = _distinct(kinds[~_is_in(kinds, self._metaclasses)])
        if levels and len(others):
            self._add_metaclasses(others[self._have_type_as_type(others, levels - 1)])
        found[there] = _is_in(kinds, self._metaclasses)
        return found

    def _add_metaclasses(self, types: Addresses) -> None:
        flags, _ = words_at(self._source, types + np.uint64(TP_FLAGS), 1)
        wanted = np.uint64(IS_TYPE | READY)
        more = types[flags[:, 0] & wanted == wanted]
        self._metaclasses = np.sort(np.concatenate((self._metaclasses, more)))


def _distinct(addresses: Addresses) -> Addresses:
    """Return each of `addresses` once, sorted: as `np.unique`, which takes ten times as long."""
    ordered = np.sort(addresses)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def _places(wanted: Addresses, among: Addresses) -> npt.NDArray[np.int64]:
    """Return where in `among`, sorted and not empty, each of `wanted` is if it is there at all."""
    at = np.searchsorted(among, wanted)
    at[at == len(among)] = 0
    return at


def _is_in(wanted: Addresses, among: Addresses) -> Mask:
    """Return which of `wanted` are in `among`, which is sorted."""
    if not len(among):
        return np.zeros(len(wanted), dtype=np.bool_)
    found: Mask = among[_places(wanted, among)] == wanted
    return found
