"""What differs between snapshots of one service, type by type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leakscope.analysis.axis import work_done
from leakscope.analysis.chance import Floats
from leakscope.analysis.ranks import sen_slopes
from leakscope.errors import UsageError
from leakscope.model.census import Census, TypeTotal
from leakscope.model.comparison import Comparison, TypeChange
from leakscope.model.image import HeapImage
from leakscope.model.recording import Recording
from leakscope.model.trend import Interval

FEWEST_FOR_SLOPES = 3

_NOTHING = TypeTotal(0, 0)


class NothingToCompare(UsageError):
    """There is one census only."""

    hint = "Name two files or more, or one recording of a watch."


def compare(recordings: Sequence[Recording]) -> Comparison:
    """Return what differs between the last censuses of `recordings`, in the order given.

    One recording alone is compared with itself, from its first census to its last. Slopes are per
    unit of work when every census of one process knows its work and work was done, else per
    second; there are none when time or work does not rise from census to census. Where some count
    every object and some only those that gc tracks, types that one of the latter does not have are
    left out: it may just not count them. Raises `NothingToCompare` when there is one census only.
    """
    alone = len(recordings) == 1
    censuses = recordings[0].censuses if alone else tuple(r.censuses[-1] for r in recordings)
    if len(censuses) < 2:
        raise NothingToCompare("one census alone cannot be compared")
    same = len({(r.target.pid, r.target.started) for r in recordings}) == 1
    work = _work(recordings, censuses) if same else None
    seconds = np.array([census.at - censuses[0].at for census in censuses])
    counts_differ = len({r.kind.counts_everything for r in recordings}) > 1
    if counts_differ:
        censuses = _counted_by_all(recordings, censuses)
    return Comparison(
        unit="second" if work is None else recordings[0].work_unit,
        censuses=len(censuses),
        seconds=float(seconds[-1]),
        work=None if work is None else float(work[-1]),
        same_process=same,
        changes=_changes(censuses, seconds if work is None else work),
        counts_differ=counts_differ,
    )


def comparable_heaps(recordings: Sequence[Recording]) -> tuple[HeapImage, ...]:
    """Return the heap snapshots that tell where one process grew, in the order given.

    The last of each recording, or all of one recording alone; none of different processes.
    """
    if len(recordings) == 1:
        return recordings[0].heaps
    if len({(r.target.pid, r.target.started) for r in recordings}) > 1:
        return ()
    return tuple(recording.heaps[-1] for recording in recordings if recording.heaps)


def _work(recordings: Sequence[Recording], censuses: tuple[Census, ...]) -> Floats | None:
    counted = all(r.counts_work for r in recordings) and all(c.work is not None for c in censuses)
    if not counted or len({r.work_unit for r in recordings}) != 1:
        return None
    done = work_done(censuses)
    return done if done[-1] > 0 else None


def _counted_by_all(
    recordings: Sequence[Recording], censuses: tuple[Census, ...]
) -> tuple[Census, ...]:
    """Return the censuses without the types that one lacks which does not count everything."""
    some = [
        set(census.types)
        for recording, census in zip(recordings, censuses, strict=True)
        if not recording.kind.counts_everything
    ]
    shared = set.intersection(*some)
    return tuple(
        replace(census, types={name: census.types[name] for name in census.types if name in shared})
        for census in censuses
    )


def _changes(censuses: tuple[Census, ...], x: Floats) -> tuple[TypeChange, ...]:
    first, last = censuses[0].types, censuses[-1].types
    names = sorted(name for name in {*first, *last} if first.get(name) != last.get(name))
    slopes = _slopes(censuses, x, names)
    changes = [
        TypeChange(
            type=name,
            objects_first=before.objects,
            objects_last=after.objects,
            bytes_first=before.bytes,
            bytes_last=after.bytes,
            slope=slope,
        )
        for name, slope in zip(names, slopes, strict=True)
        for before, after in [(first.get(name, _NOTHING), last.get(name, _NOTHING))]
    ]
    return tuple(sorted(changes, key=lambda c: (-c.objects, -c.bytes, c.type)))


def _slopes(censuses: tuple[Census, ...], x: Floats, names: list[str]) -> Sequence[Interval | None]:
    counts = [[census.types.get(name, _NOTHING).objects for census in censuses] for name in names]
    return slopes_along(x, np.array(counts, dtype=float))


def slopes_along(x: Floats, counts: Floats) -> Sequence[Interval | None]:
    """Return the slope of each row of `counts`, shape (K, n), over `x`, which is n long.

    None for all where `x` falls, or rises fewer than twice.
    """
    apart = np.concatenate(([True], np.diff(x) > 0))
    if apart.sum() < FEWEST_FOR_SLOPES or (np.diff(x) < 0).any() or not len(counts):
        return [None] * len(counts)
    found = sen_slopes(x[apart], counts[:, apart])
    return [
        Interval(float(estimate), float(low), float(high))
        for estimate, low, high in zip(found.estimate, found.low, found.high, strict=True)
    ]
