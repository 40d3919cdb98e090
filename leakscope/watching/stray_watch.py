"""Following, while a process is measured, references that are found nowhere in its heap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leakscope.analysis.axis import work_done
from leakscope.analysis.compare import slopes_along
from leakscope.analysis.names import short_type
from leakscope.analysis.unheld import Unseen, strays_in, unseen_in
from leakscope.model.census import Census
from leakscope.model.unheld import STRAY_CAUSE, StrayReferences, alike
from leakscope.watching.heap_unheld import strays_told
from leakscope.watching.heap_view import HeapView

_FEWEST = 3
"""Heaps that it takes to tell what goes on from what happened once."""
_APART = 0.1
"""Share of the time since the first heap that lies between two that are compared."""


class StrayWatch:
    """Remembers of each heap what lacks references, and tells what lacks ever more."""

    def __init__(self) -> None:
        self._seen: list[Unseen] = []
        self._at: list[float] = []
        self._strays: tuple[StrayReferences, ...] = ()

    def see(self, view: HeapView, at: float) -> None:
        """Take note of a heap that was frozen at `at`, seconds since the epoch.

        One that comes at once after another is passed over. Raises what the naming of references
        and the graph kernels raise.
        """
        if self._at and at - self._at[-1] <= _APART * (at - self._at[0]):
            return
        self._seen.append(unseen_in(view.snapshot, view.unseen))
        self._at.append(at)
        if len(self._at) < _FEWEST:
            return
        found = strays_in(self._seen, view.in_calls)
        self._strays = strays_told(view, found, np.array(self._at)) if found else ()

    def caveats(self, censuses: Sequence[Census], unit: str) -> tuple[str, ...]:
        """Return a sentence on each object that lacks more references in every heap.

        Rates are per `unit` of the work that `censuses`, taken meanwhile, tell of.
        """
        along = np.array(self._at)
        per_work = unit != "second" and all(census.work is not None for census in censuses)
        if per_work:
            along = np.interp(along, [census.at for census in censuses], work_done(censuses))
        told = []
        for strays in alike(self._strays):
            counts = strays[0].references
            (slope,) = slopes_along(along, np.array([counts], float))
            per = unit if per_work else "second"
            pace = "" if slope is None else f" by {slope.estimate:.3g} per {per}"
            each = ", to each" if len(strays) > 1 else ""
            told.append(
                f"References to {' and '.join(map(_name, strays))} that nobody seen holds rise"
                f"{pace}, from {counts[0]:,} to {counts[-1]:,}{each}: {STRAY_CAUSE}."
            )
        return tuple(told)


def _name(stray: StrayReferences) -> str:
    kind = short_type(stray.type)
    return f"{stray.path} ({kind})" if stray.path else f"{kind} @{stray.address:#x}"
