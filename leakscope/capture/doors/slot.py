"""A place in the target for the text that a door runs, without allocating anything there.

Between the end of a module's `.bss` and the end of its last page lie zero bytes that are mapped,
writable and never used. The text is tagged, so that a later attach uses the same place again: a
call that was queued earlier and runs late then meets the newer text, which does nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.capture.doors.interface import NoDoor
from leakscope.capture.doors.text import TAG
from leakscope.capture.elf import Image, images
from leakscope.capture.memory import PAGE, Mapping, Memory, mapping_at

_ALIGNMENT = 64


class TextSlot:
    """Where the text lies in the target, with some bytes for a result behind it."""

    def __init__(self, memory: Memory, address: int, text: bytes) -> None:
        """Write `text` (which must hold no NUL) to `address`."""
        self._memory = memory
        self.address = address
        self._size = _slot_size(text)
        self.result_address = address + self._size - 8
        memory.write(address, text.ljust(self._size, b"\0"))

    def disarm(self) -> None:
        """Turn the text into an empty one by one byte, so that no reader sees half of it."""
        self._memory.write(self.address, b"\0")

    def wipe(self) -> None:
        """Make all of it zero again. Only after `disarm`, and when nobody reads it any more."""
        self._memory.write(self.address, bytes(self._size))


def place_text(memory: Memory, among: Sequence[Mapping], text: bytes) -> TextSlot:
    """Put the text into the first suitable module; raise `NoDoor` if there is none."""
    if any(m.name.startswith(("ld-musl", "libc.musl")) for m in among):
        raise NoDoor(
            "musl gives the unused ends of modules to malloc",
            hint="On musl (Alpine) leakscope needs a target on Python 3.14 or later, or "
            "`--capture readonly`.",
        )
    size = _slot_size(text)
    for image in images(memory, among):
        if image.name.startswith(("ld-", "ld.")):
            continue  # the dynamic linker uses its own slack
        address = _slack(memory, among, image, size)
        if address is not None:
            return TextSlot(memory, address, text)
    raise NoDoor("no module has room for the text behind its data")


def _slack(memory: Memory, among: Sequence[Mapping], image: Image, size: int) -> int | None:
    for segment in image.segments:
        page_end = segment.end + PAGE - 1 & -PAGE
        address = segment.end + _ALIGNMENT - 1 & -_ALIGNMENT
        if not segment.writable or page_end - address < size:
            continue
        mapping = mapping_at(address, among)
        behind = mapping_at(page_end, among)
        if mapping is None or not mapping.permissions.startswith("rw"):
            continue
        if mapping.path == "[heap]" or (behind is not None and behind.path == "[heap]"):
            continue  # without address randomisation the heap begins right behind the data
        if _is_free(memory.read(address, size)):
            return address
    return None


def _is_free(content: bytes) -> bool:
    """Return whether the place was never used, or by us: also by one that was killed on the way."""
    return not any(content) or content[1:].startswith(TAG.encode()[1:])


def _slot_size(text: bytes) -> int:
    return (len(text) + 1 + 15 & -16) + 16
