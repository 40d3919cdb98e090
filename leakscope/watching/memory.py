"""Where the memory of a process went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from leakscope.analysis.ledger import ledger_of
from leakscope.capture.heapnames import HeapNames
from leakscope.capture.heapreader import HeapTooLarge
from leakscope.capture.interface import Capture
from leakscope.capture.process import identify
from leakscope.capture.smaps import resident_map
from leakscope.capture.threads import own_threads
from leakscope.errors import LeakscopeError
from leakscope.model.memory import Ledger
from leakscope.storage.files import load
from leakscope.watching.captures import CaptureChoice, FrozenCensusCapture
from leakscope.watching.explaining import looking_into
from leakscope.watching.heap_view import HeapView


class NoLayersKept(LeakscopeError):
    """A file does not tell where memory went."""

    hint = "`leakscope snapshot PID -o FILE` and `leakscope watch PID -o FILE` keep it."


LARGEST = 5_000_000
"""Objects up to which a watch looks where memory went."""


def ledger_taker(capture: Capture, pid: int) -> Callable[[], Ledger] | None:
    """Return what tells where the memory of a captured process went, None if nothing can."""
    if not isinstance(capture, FrozenCensusCapture):
        return None

    def take() -> Ledger:
        if capture.objects > LARGEST:
            raise HeapTooLarge(f"{capture.objects:,} objects take long to look through")
        with capture.view(follow=False) as view:
            return _ledger(view, pid, capture.follow)

    return take


def ledger_from_process(
    pid: int,
    choice: CaptureChoice = CaptureChoice.AUTO,
    told: Callable[[str], None] = lambda _stage: None,
) -> Ledger:
    """Return the ledger of process `pid`; see `ledger_of`.

    Its mappings are read at once after the heap is frozen. Raises `NoHeapKept` where the heap
    cannot be frozen, `NoSmaps`, and what a snapshot raises.
    """
    with looking_into(identify(pid), choice, "layers of memory", told) as view:
        return _ledger(view, pid)


def ledger_from_file(path: Path) -> Ledger:
    """Return the last ledger in a file. Raises `NoLayersKept`, and what loading raises."""
    recording = load(path, heaps=False)
    if not recording.layers:
        raise NoLayersKept(f"{path} does not tell where memory went")
    return recording.layers[-1].ledger


def _ledger(
    view: HeapView, pid: int, ask: Callable[[HeapView], None] = lambda _view: None
) -> Ledger:
    """Return the ledger of a process whose frozen copy waits; asks it the last question.

    Before that `ask` may ask it.
    """
    mapped = resident_map(pid)
    count = len(own_threads(pid))
    graph = view.graph
    ask(view)
    malloc = view.names.malloc() if isinstance(view.names, HeapNames) else None
    return ledger_of(
        graph,
        mapped.regions,
        malloc,
        resident=mapped.resident,
        swapped=mapped.swapped,
        threads=count,
        pause_ms=view.image.pause_ms,
    )
