"""Everything that one watch saw: the series of censuses and the evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from leakscope.model.census import Census
from leakscope.model.evidence import Evidence
from leakscope.model.memory import LayerReading
from leakscope.model.target import MemoryLimit, Target

if TYPE_CHECKING:  # Its arrays need numpy, which many that deal with recordings can do without.
    from leakscope.model.image import HeapImage


class CaptureKind(str, Enum):
    """How the measurements were made."""

    NATIVE = "native"
    PORTABLE = "portable"
    READONLY = "readonly"

    @property
    def counts_everything(self) -> bool:
        """Whether objects are counted that gc does not track: numbers, texts, byte strings."""
        return self is CaptureKind.NATIVE


class Ending(str, Enum):
    """Why a recording stopped where it did."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    TARGET_EXITED = "target-exited"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything that one `watch`, `snapshot` or `check` saw of one target."""

    target: Target
    kind: CaptureKind
    work_unit: str
    """What `Census.work` counts, singular: `request`; `second` when time is the measure."""
    censuses: tuple[Census, ...]
    """In order of time; at least one."""
    evidence: Evidence = field(default_factory=Evidence)
    ending: Ending = Ending.COMPLETE
    limit: MemoryLimit | None = None
    caveats: tuple[str, ...] = ()
    """What the reader must know to read the figures right, one sentence each."""
    leakscope: str = ""
    """Version of leakscope that made it."""
    heaps: tuple[HeapImage, ...] = ()
    """Heap snapshots that were kept, in order of time."""
    layers: tuple[LayerReading, ...] = ()
    """Where resident memory went, in order of time: after warm-up and at the end; empty where that
    could not be told."""
    at_rest: bool = False
    """Whether every census was taken when nothing was being worked on, and counts what is alive
    only: nothing in flight, no garbage that awaits collection."""

    @property
    def counts_work(self) -> bool:
        """Whether growth is per unit of work rather than per second."""
        return self.work_unit != "second"

    @property
    def seconds(self) -> float:
        """Time from the first census to the last."""
        return self.censuses[-1].at - self.censuses[0].at
