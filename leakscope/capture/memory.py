"""Another process's memory, read and written through /proc/PID/mem, and the map of it.

Nothing runs in the process and nothing stops it. What is read there is data of a stranger: every
read says whether it got all it asked for, and no size that was read is used unchecked.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from leakscope.capture.process import TargetGone
from leakscope.capture.vectored import (
    Addresses,
    Bytes,
    Call,
    FromFile,
    FromProcess,
    Mask,
    read_pieces,
)
from leakscope.errors import LeakscopeError

PAGE = os.sysconf("SC_PAGE_SIZE")
READ_LIMIT = 1 << 28
"""No single read is larger: whoever asks for more was misled by what it read before."""
_FORBIDDEN = (errno.ENOSYS, errno.EPERM)
"""What `process_vm_readv` fails with in a sandbox that lets /proc/PID/mem be read."""


class MemoryUnreadable(LeakscopeError):
    """An address of the target cannot be read or written."""

    hint = "The target changed while it was looked at, or is not what it seems: try again."


class MapsUnreadable(LeakscopeError):
    """The kernel does not show the map of the target's memory."""

    hint = "Run leakscope as the target's owner or as root."


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of /proc/PID/maps."""

    start: int
    end: int
    """First address behind it."""
    permissions: str
    """Four letters, for example `r-xp`."""
    offset: int
    """Where in the file it begins."""
    device: str
    inode: int
    """0 for memory that belongs to no file."""
    path: str
    """As the target named it; ends in ` (deleted)` for a file that has no name any more."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    @property
    def name(self) -> str:
        """The file's name without its folder and without ` (deleted)`, empty for none."""
        return self.path.removesuffix(" (deleted)").rpartition("/")[2] if self.inode else ""


class Memory:
    """The memory of one process. Use it as a context manager, or close it."""

    def __init__(self, pid: int, *, writable: bool = False, vectored: bool = True) -> None:
        """Open the memory of `pid`; `vectored` as false does without `process_vm_readv`.

        Raises `TargetGone`, and `PermissionError` when the kernel forbids it (see `permissions`).
        """
        self.pid = pid
        flags = os.O_RDWR if writable else os.O_RDONLY
        try:
            self._fd = os.open(f"/proc/{pid}/mem", flags | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as gone:
            raise TargetGone(f"process {pid} has exited") from gone
        # How pieces are read.
        self.reader: Call = FromFile(self._fd)
        if vectored:
            with suppress(AttributeError):
                self.reader = FromProcess(pid)

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes; raise `MemoryUnreadable` if not all of them are there."""
        if not (0 <= size <= READ_LIMIT and 0 <= address < 1 << 63):
            raise MemoryUnreadable(
                f"process {self.pid}: {size} bytes at {address:#x} make no sense"
            )
        try:
            found = os.pread(self._fd, size, address)
        except (OSError, OverflowError) as error:
            raise self._unreadable(address, size) from error
        if len(found) != size:
            raise self._unreadable(address, size)
        return found

    def read_pieces(self, starts: Addresses, sizes: Addresses, into: Bytes) -> Mask:
        """Read pieces of memory into `into`, one behind the other; return which came whole.

        `into` has room for all of them; what could not be read is zero there. Raises `TargetGone`.
        """
        try:
            return read_pieces(self.reader, starts, sizes, into)
        except ProcessLookupError as gone:
            raise TargetGone(f"process {self.pid} has exited") from gone
        except OSError as error:
            if error.errno in _FORBIDDEN and not isinstance(self.reader, FromFile):
                self.reader = FromFile(self._fd)
                return self.read_pieces(starts, sizes, into)
            raise self._unreadable(int(starts[0]), int(sizes[0])) from error

    def write(self, address: int, content: bytes) -> None:
        """Write all of `content`; raise `MemoryUnreadable` if that is not possible."""
        try:
            written = os.pwrite(self._fd, content, address)
        except (OSError, OverflowError) as error:
            raise self._unreadable(address, len(content)) from error
        if written != len(content):
            raise self._unreadable(address, len(content))

    def u32(self, address: int) -> int:
        """Return the unsigned 32-bit number at `address`."""
        return int(struct.unpack("<I", self.read(address, 4))[0])

    def u64(self, address: int) -> int:
        """Return the unsigned 64-bit number (or pointer) at `address`."""
        return int(struct.unpack("<Q", self.read(address, 8))[0])

    def close(self) -> None:
        """Give the file descriptor back. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _unreadable(self, address: int, size: int) -> LeakscopeError:
        if not Path(f"/proc/{self.pid}").exists():
            return TargetGone(f"process {self.pid} has exited")
        return MemoryUnreadable(
            f"process {self.pid}: {size} bytes at {address:#x} are not accessible"
        )


def mappings(pid: int) -> tuple[Mapping, ...]:
    """Return the map of a process's memory, lowest address first.

    Raises `TargetGone` or `MapsUnreadable`. Empty for a zombie and a kernel thread.
    """
    try:
        text = Path(f"/proc/{pid}/maps").read_bytes()
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise TargetGone(f"process {pid} has exited") from gone
    except OSError as error:
        raise MapsUnreadable(f"process {pid}: cannot read its memory map: {error}") from error
    return tuple(_parse(line) for line in text.split(b"\n") if line)


def mapping_at(address: int, among: Sequence[Mapping]) -> Mapping | None:
    """Return the mapping that holds `address`, None if there is none."""
    return next((m for m in among if m.start <= address < m.end), None)


def _parse(line: bytes) -> Mapping:
    """Parse one line; a file name may hold anything but a newline (the kernel escapes that)."""
    fields = line.split(None, 5)
    start, _, end = fields[0].partition(b"-")
    return Mapping(
        start=int(start, 16),
        end=int(end, 16),
        permissions=fields[1].decode(),
        offset=int(fields[2], 16),
        device=fields[3].decode(),
        inode=int(fields[4]),
        path=os.fsdecode(fields[5]) if len(fields) > 5 else "",
    )
