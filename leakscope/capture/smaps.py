"""How much of each mapping of a process is in memory, from /proc/PID/smaps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from leakscope.capture.process import TargetGone
from leakscope.errors import LeakscopeError
from leakscope.model.memory import MappedRegion

_HEAD = re.compile(
    rb"([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([rwxsp-]{4}) [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+\s*(.*)"
)
_FIELD = re.compile(rb"(Rss|Swap):\s+(\d{1,15}) kB")
_KIB = 1024


class NoSmaps(LeakscopeError):
    """The kernel does not tell how much of a process's mappings is in memory."""

    hint = "Run leakscope as the target's owner or as root, on a kernel that has /proc/PID/smaps."


@dataclass(frozen=True, slots=True)
class ResidentMap:
    """All mappings of a process at one instant."""

    regions: tuple[MappedRegion, ...]
    """By address."""
    resident: int
    """Bytes, of all of them."""
    swapped: int


def resident_map(pid: int) -> ResidentMap:
    """Return the mappings of a process. Raises `TargetGone` or `NoSmaps`."""
    try:
        content = Path(f"/proc/{pid}/smaps").read_bytes()
    except (FileNotFoundError, ProcessLookupError) as gone:
        if Path(f"/proc/{pid}").exists():
            raise NoSmaps("this kernel has no /proc/PID/smaps") from None
        raise TargetGone(f"process {pid} has exited") from gone
    except OSError as problem:
        raise NoSmaps(f"the mappings of process {pid} may not be read: {problem}") from problem
    return parsed(content)


def parsed(content: bytes) -> ResidentMap:
    """Return what the text of smaps says; lines that make no sense are passed over."""
    regions: list[MappedRegion] = []
    head: re.Match[bytes] | None = None
    resident = swapped = total = 0

    def told() -> None:
        if head is not None:
            name = head[4].decode("utf-8", "replace")
            start, end = int(head[1], 16), int(head[2], 16)
            regions.append(MappedRegion(start, end, head[3].decode(), name, resident))

    for line in content.splitlines():
        found = _HEAD.fullmatch(line)
        if found is not None:
            told()
            head, resident = found, 0
            continue
        field = _FIELD.fullmatch(line)
        if field is None:
            continue
        amount = int(field[2]) * _KIB
        if field[1] == b"Rss":
            resident = amount
            total += amount
        else:
            swapped += amount
    told()
    return ResidentMap(tuple(regions), total, swapped)
