"""Memory that grows outside of Python's objects, as a finding of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from leakscope.analysis.beside import NO_OBJECTS, found_beside
from leakscope.analysis.growth import Growth as Grown
from leakscope.analysis.layers import layers_of, leading_layer
from leakscope.analysis.verdict import MUCH
from leakscope.model.finding import Finding, Growth
from leakscope.model.memory import LayerKind
from leakscope.model.recording import Recording

_MOST = 0.5
"""Share of the growth that one layer has to explain."""
_WHY = {
    LayerKind.NATIVE: "C code asks for memory and does not give it back: an extension, or a "
    "library below it. `leakscope alloc PID` tells what was asked for through Python; for what "
    "was not, look at what the service calls most, or use a native profiler (heaptrack, "
    "jemalloc's).",
    LayerKind.STACKS: "More and more threads are started and none ends. `leakscope threads PID` "
    "tells what they run.",
    LayerKind.FILES: "Files are mapped and not unmapped, or more and more of one is looked at.",
    LayerKind.SHARED: "Shared memory is made and not removed: segments of multiprocessing, memfd, "
    "/dev/shm.",
    LayerKind.OTHER: "C code maps memory and does not unmap it, past malloc. /proc/PID/maps tells "
    "where it is.",
}
"""What grows for ever if it goes on; the other layers only hold what was freed."""


def native_findings(recording: Recording, growth: Grown) -> Iterator[Finding]:
    """Yield the finding that memory outside of Python's objects grows, nothing if it does not.

    Resident memory has to rise in a straight line to the end, and one layer of it to explain most
    of that.
    """
    layers = layers_of(recording)
    if layers is None or growth.rss is None or not growth.rss.grows or growth.rss.gain < MUCH:
        return
    kind = leading_layer(layers)
    gained = layers.last.ledger.resident - layers.first.ledger.resident
    if kind is None or kind not in _WHY or layers.gained(kind) < _MOST * gained:
        return
    slope = growth.rss.trend.slope
    yield found_beside(
        kind.value,
        Growth(recording.work_unit, objects=NO_OBJECTS, bytes=slope),
        growth.rss,
        _WHY[kind],
    )
