"""Where the fields are that a read-only census reads, by version of CPython.

The same offsets as the native agent's (`agent/heap_layout.c`), on 64-bit machines, builds with a
GIL.
"""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.capture.elf import Image
from leakscope.capture.memory import Memory, MemoryUnreadable
from leakscope.errors import LeakscopeError

HEADER = 16
"""Bytes of the collector's header; the object comes behind it."""
OB_TYPE, OB_SIZE = 8, 16
TP_NAME, TP_BASICSIZE, TP_ITEMSIZE, TP_FLAGS = 24, 32, 40, 168
TP_METHODS, TP_BASE, TP_DICT = 232, 256, 264
MA_KEYS = 32
STR_LENGTH, STR_STATE = 16, 32
KEYS_LOG2_SIZE, KEYS_LOG2_INDEX_BYTES, KEYS_KIND = 8, 9, 10
"""From 3.11 on, one byte each; before, there is the number of slots at 8."""
KEYS_GENERAL, KEYS_SPLIT = 0, 2

INLINE_VALUES, MANAGED_WEAKREF, MANAGED_DICT = 1 << 2, 1 << 3, 1 << 4
HEAP_TYPE, READY, HAS_HEADER = 1 << 9, 1 << 12, 1 << 14
IS_INT, IS_LIST, IS_STR, IS_DICT, IS_TYPE = 1 << 24, 1 << 25, 1 << 28, 1 << 29, 1 << 31


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets and sizes in bytes that differ between minor versions."""

    minor: int
    qualname: int
    """`ht_qualname` in a class."""
    cached_keys: int
    """`ht_cached_keys` in a class: the names of its instances' attributes."""
    heap_type_size: int
    ascii_text: int
    """Where the characters of an ASCII str begin."""
    other_text: int
    """Where those of another str begin; a legacy str has their address here."""
    keys_usable: int
    keys_entries: int
    keys_indices: int

    @property
    def largest_count(self) -> int:
        """A reference count, as `count_bits` leaves it, is smaller than this."""
        return 1 << 32 if self.minor >= 14 else 1 << 33

    @property
    def count_bits(self) -> int:
        """What of the first word of an object is its reference count."""
        return 0x0000_FFFF_FFFF_FFFF if self.minor >= 14 else 0xFFFF_FFFF_FFFF_FFFF


_LAYOUTS = (
    Layout(9, 856, 864, 880, 48, 72, 24, 32, 40),
    Layout(10, 864, 872, 888, 48, 72, 24, 32, 40),
    Layout(11, 864, 872, 904, 48, 72, 16, 24, 32),
    Layout(12, 872, 880, 920, 40, 56, 16, 24, 32),
    Layout(13, 872, 880, 928, 40, 56, 16, 24, 32),
    Layout(14, 872, 880, 936, 40, 56, 16, 24, 32),
    Layout(15, 880, 888, 944, 40, 56, 16, 24, 32),
)


class HeapNotUnderstood(LeakscopeError):
    """The target's objects do not look as those of its version should."""

    hint = "Use `--capture auto`, which asks the interpreter itself."


def layout_of(minor: tuple[int, int]) -> Layout:
    """Return the layout of a version; raise `HeapNotUnderstood` if it is not known."""
    for layout in _LAYOUTS:
        if minor == (3, layout.minor):
            return layout
    raise HeapNotUnderstood(f"the objects of CPython {minor[0]}.{minor[1]} are not known")


@dataclass(frozen=True, slots=True)
class Builtins:
    """Addresses of builtin types, by which others are told; 0 for one that is not there."""

    type: int
    str: int
    dict: int
    frozendict: int
    odict: int
    sets: tuple[int, ...]
    """`set` and `frozenset`."""
    frames: tuple[int, ...]
    """Types whose objects end in a frame: `frame`, generators and their like."""

    @classmethod
    def of(cls, image: Image) -> Builtins:
        """Find them in the image of an interpreter; raise `MalformedImage` if one is missing."""
        frames = ("PyFrame_Type", "PyGen_Type", "PyCoro_Type", "PyAsyncGen_Type")
        return cls(
            type=image.require("PyType_Type"),
            str=image.require("PyUnicode_Type"),
            dict=image.require("PyDict_Type"),
            frozendict=image.symbol("PyFrozenDict_Type") or 0,
            odict=image.require("PyODict_Type"),
            sets=(image.require("PySet_Type"), image.require("PyFrozenSet_Type")),
            frames=tuple(image.require(name) for name in frames),
        )

    def verify(self, memory: Memory) -> None:
        """Return if `type` is where it was and is its own type.

        Raises `HeapNotUnderstood`: the process runs another program by now, or a build of Python
        whose objects have more fields.
        """
        try:
            if memory.u64(self.type + OB_TYPE) == self.type:
                return
        except MemoryUnreadable:
            pass
        raise HeapNotUnderstood(
            f"process {memory.pid} runs another program by now, or an unusual build of Python"
        )
