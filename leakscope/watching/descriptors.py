"""What a process has open, and which of its objects that belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from leakscope.analysis.descriptors import folder_of, place_of_connection, place_of_file
from leakscope.analysis.heapgraph import type_name
from leakscope.capture.descriptors import Descriptor, described, most_descriptors, open_links
from leakscope.capture.gathering import printable
from leakscope.capture.heapnames import HeapNames
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.errors import LeakscopeError
from leakscope.model.descriptors import DescriptorGroup, DescriptorPicture
from leakscope.model.evidence import Opened
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.explaining import looking_into
from leakscope.watching.heap_chains import commonest
from leakscope.watching.heap_roots import rows_at
from leakscope.watching.heap_view import HeapView

_NOTHING_RUN = "nothing was to be run in the process"

_Key = tuple[str, str, str]
"""Kind, place and state."""


def descriptors_from_process(
    pid: int,
    choice: CaptureChoice = CaptureChoice.AUTO,
    groups: int = 20,
    told: Callable[[str], None] = lambda _stage: None,
) -> DescriptorPicture:
    """Return the picture of what process `pid` has open; at most so many groups.

    Only what was open before the heap was frozen and still is afterwards: what an object said when
    it was frozen is true of that. Where the heap cannot be frozen the kernel's part is told alone.
    Raises `NotPermitted`, `TargetGone`, `NoDescriptors`.
    """
    identity = identify(pid)
    told("descriptors")
    before = open_links(identity)
    if choice is CaptureChoice.READONLY:
        return _picture(identity, before, before, groups, _NothingKnown(_NOTHING_RUN))
    try:
        with looking_into(identity, choice, "who has what open", told) as view:
            return _picture(identity, before, open_links(identity), groups, _Owners(view))
    except LeakscopeError as why:
        identity.verify()
        return _picture(identity, before, before, groups, _NothingKnown(str(why)))


def opened_since(
    identity: ProcessIdentity, before: Mapping[int, str], most: int = 3
) -> tuple[Opened, ...]:
    """Return what a process has open now and had not `before` (see `open_links`), most first.

    Nothing is run in it. Raises what `open_links` raises.
    """
    now = open_links(identity)
    came = {number for number, link in now.items() if before.get(number) != link}
    alike = [
        Opened(*key, len(came.intersection(numbers)))
        for key, numbers in _by_place(described(identity, now)).items()
    ]
    ordered = sorted(alike, key=lambda each: (-each.descriptors, each.kind, each.where))
    return tuple(each for each in ordered[:most] if each.descriptors)


class _NothingKnown:
    """Stands for objects where none could be looked at."""

    pause_ms = None

    def __init__(self, unseen: str) -> None:
        self.unseen = unseen

    def group(self, key: _Key, numbers: tuple[int, ...]) -> DescriptorGroup:
        """Return what is known of descriptors that are told together."""
        return DescriptorGroup(*key, numbers, None, 0, "", ())


class _Owners:
    """The objects that have a descriptor in a heap."""

    unseen = ""

    def __init__(self, view: HeapView) -> None:
        self._view = view
        self._rows: dict[int, int] = {}
        self.pause_ms: float | None = view.image.pause_ms
        names = view.names
        numbers = dict(names.descriptors()) if isinstance(names, HeapNames) else {}
        rows = rows_at(view.snapshot, sorted(numbers))
        live = view.graph.live
        # Where several have the same, one of them was alive when it was opened: rather that one.
        for row in sorted(rows.tolist(), key=lambda row: bool(live[row])):
            self._rows[numbers[int(view.snapshot.address[row])]] = row

    def group(self, key: _Key, numbers: tuple[int, ...]) -> DescriptorGroup:
        """Return what is known of descriptors that are told together."""
        view = self._view
        rows = np.array([self._rows[n] for n in numbers if n in self._rows], np.int32)
        live = rows[view.graph.live[rows]]
        chain = commonest(view.snapshot, view.paths, live)
        typical = [*chain[-1:], *rows[:1].tolist()]
        owner = type_name(view.snapshot, typical[0]) if typical else ""
        return DescriptorGroup(
            *key,
            numbers=numbers,
            owned=len(rows),
            garbage=len(rows) - len(live),
            owner=printable(owner),
            chain=view.chains.chain(chain),
        )


def _picture(
    identity: ProcessIdentity,
    before: Mapping[int, str],
    after: Mapping[int, str],
    groups: int,
    owners: _Owners | _NothingKnown,
) -> DescriptorPicture:
    stayed = {number: link for number, link in before.items() if after.get(number) == link}
    alike = _by_place(described(identity, stayed))
    ordered = sorted(alike.items(), key=lambda item: (-len(item[1]), item[0]))
    return DescriptorPicture(
        descriptors=len(stayed),
        limit=most_descriptors(identity),
        groups=tuple(owners.group(key, tuple(numbers)) for key, numbers in ordered[:groups]),
        more_groups=max(0, len(ordered) - groups),
        passing=len(before) - len(stayed),
        unseen=owners.unseen,
        pause_ms=owners.pause_ms,
    )


def _by_place(descriptors: Iterable[Descriptor]) -> dict[_Key, list[int]]:
    """Return the numbers of descriptors that are told together, ascending."""
    found = list(descriptors)
    listening = {d.local[1] for d in found if d.kind == "TCP listener" and d.local is not None}
    folders = [folder_of(each.path) for each in found]
    in_folder: dict[str, set[str]] = defaultdict(set)
    for each, folder in zip(found, folders, strict=True):
        in_folder[folder].add(each.path)
    alike: dict[_Key, list[int]] = defaultdict(list)
    for each, folder in zip(found, folders, strict=True):
        if each.path:
            place = place_of_file(each.path, alone=len(in_folder[folder]) == 1)
        else:
            place = place_of_connection(each.local, each.peer, listening)
        alike[each.kind, printable(place), each.state].append(each.number)
    return alike
