"""How much memory a process may still take before something stops it.

Several bounds hold at once: the limits of its control group and of every group above that one,
its own resource limits, the memory of the host. The one that leaves the least room is the one
that matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from leakscope.model.target import MemoryLimit

_PROC = Path("/proc")
_RESOURCES = (
    (b"Max address space", b"VmSize", "RLIMIT_AS"),
    (b"Max data size", b"VmData", "RLIMIT_DATA"),
)


@dataclass(frozen=True, slots=True)
class MemoryBound:
    """One limit on a process's memory, and what counts against it already."""

    limit_bytes: int
    used_bytes: int
    """What cannot be reclaimed: page cache that the kernel would drop is not in it."""
    source: str
    """What sets it, for example `cgroup /service memory.max`, `RLIMIT_AS` or `host memory`."""

    @property
    def headroom_bytes(self) -> int:
        """Bytes that may still be taken; 0 if the limit is reached."""
        return max(0, self.limit_bytes - self.used_bytes)

    def as_limit(self) -> MemoryLimit:
        """Return the limit as the model knows it."""
        return MemoryLimit(limit_bytes=self.limit_bytes, source=self.source)


@dataclass(frozen=True, slots=True)
class _Controller:
    """How one version of the memory controller spells things."""

    filesystem: bytes
    limit: str
    usage: str
    cache: bytes


_V2 = _Controller(b"cgroup2", "memory.max", "memory.current", b"inactive_file")
_V1 = _Controller(
    b"cgroup", "memory.limit_in_bytes", "memory.usage_in_bytes", b"total_inactive_file"
)


def memory_bound(pid: int, *, proc: Path = _PROC) -> MemoryBound | None:
    """Return the bound that leaves process `pid` the least room, None if none can be read.

    Ties go to control groups (the inner one first), then to resource limits, then to the host.
    `proc` is where procfs is mounted.
    """
    return tightest(memory_bounds(pid, proc=proc))


def tightest(bounds: Iterable[MemoryBound]) -> MemoryBound | None:
    """Return the bound that leaves the least room, the first of several, None if there is none."""
    return min(bounds, key=lambda bound: bound.headroom_bytes, default=None)


def memory_bounds(pid: int, *, proc: Path = _PROC) -> tuple[MemoryBound, ...]:
    """Return every bound on the memory of process `pid` that can be read.

    Control groups come first, from the inner to the outer, then resource limits, then the host.
    """
    return (*_cgroups(pid, proc), *_resource_limits(pid, proc), *_host(proc))


def promise_bound(*, proc: Path = _PROC) -> MemoryBound | None:
    """Return the bound on what the kernel promises all processes together, None if it has none.

    With `vm.overcommit_memory` 2 it promises no more than there is. A fork has to be promised all
    that the process could come to write (`writable_bytes`), and what is promised to a copy cannot
    be promised to the process itself meanwhile.
    """
    if _number(_read(proc / "sys/vm/overcommit_memory")) != 2:
        return None
    memory = _read(proc / "meminfo")
    return MemoryBound(
        1024 * _field(memory, b"CommitLimit:"),
        1024 * _field(memory, b"Committed_AS:"),
        "vm.overcommit_memory=2",
    )


def writable_bytes(pid: int, *, proc: Path = _PROC) -> int:
    """Return the size of the private memory that a process may write; 0 if it cannot be read."""
    status = _read(proc / str(pid) / "status")
    return 1024 * (_field(status, b"VmData:") + _field(status, b"VmStk:"))


def host_memory() -> MemoryBound:
    """Return what there is where no procfs tells more: the memory of the host."""
    memory = psutil.virtual_memory()
    return MemoryBound(memory.total, memory.total - memory.available, "host memory")


def _cgroups(pid: int, proc: Path) -> Iterator[MemoryBound]:
    for line in _read(proc / str(pid) / "cgroup").splitlines():
        number, _, rest = line.partition(b":")
        controllers, _, group = rest.partition(b":")
        if number == b"0" and not controllers:
            controller = _V2
        elif b"memory" in controllers.split(b","):
            controller = _V1
        else:
            continue
        path = PurePosixPath(group.decode(errors="surrogateescape"))
        yield from _groups_upwards(controller, path, proc)


def _groups_upwards(
    controller: _Controller, group: PurePosixPath, proc: Path
) -> Iterator[MemoryBound]:
    mounted = _mount(controller, group, proc)
    if mounted is None:
        return
    top, inside = mounted
    for path in (inside, *inside.parents):
        bound = _group_bound(controller, top / path, PurePosixPath("/") / path)
        if bound is not None:
            yield bound


def _mount(
    controller: _Controller, group: PurePosixPath, proc: Path
) -> tuple[Path, PurePosixPath] | None:
    """Return where the hierarchy is mounted and the path of `group` below that, None if unseen.

    A group outside our own control group namespace has a path through `..` and is not visible.
    """
    if ".." in group.parts:
        return None
    for line in _read(proc / "self" / "mountinfo").splitlines():
        left, _, right = line.partition(b" - ")
        where, what = left.split(b" "), right.split(b" ")
        if len(where) < 5 or len(what) < 3 or what[0] != controller.filesystem:
            continue
        if controller is _V1 and b"memory" not in what[2].split(b","):
            continue
        root, top = _unescaped(where[3]), Path(_unescaped(where[4]))
        if group.is_relative_to(root):
            return top, group.relative_to(root)
    return None


def _group_bound(
    controller: _Controller, directory: Path, name: PurePosixPath
) -> MemoryBound | None:
    limit = _number(_read(directory / controller.limit))
    usage = _number(_read(directory / controller.usage))
    if limit is None or usage is None or limit >= 1 << 62:
        return None
    cache = _field(_read(directory / "memory.stat"), controller.cache)
    return MemoryBound(limit, max(0, usage - cache), f"cgroup {name} {controller.limit}")


def _resource_limits(pid: int, proc: Path) -> Iterator[MemoryBound]:
    limits = _read(proc / str(pid) / "limits").splitlines()
    status = _read(proc / str(pid) / "status")
    for title, counter, name in _RESOURCES:
        line = next((line for line in limits if line.startswith(title)), b"")
        words = line[len(title) :].split()
        limit = _number(words[0]) if words else None
        if limit is not None:
            yield MemoryBound(limit, 1024 * _field(status, counter + b":"), name)


def _host(proc: Path) -> Iterator[MemoryBound]:
    memory = _read(proc / "meminfo")
    total = 1024 * _field(memory, b"MemTotal:")
    if total:
        yield MemoryBound(total, total - 1024 * _field(memory, b"MemAvailable:"), "host memory")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _number(text: bytes) -> int | None:
    """Return the number that `text` is, None for `max`, `unlimited` or nothing."""
    text = text.strip()
    return int(text) if text.isdigit() else None


def _field(text: bytes, name: bytes) -> int:
    """Return the number that follows `name` at the start of a line, 0 without such a line."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return 0


def _unescaped(field: bytes) -> str:
    """Return a field of mountinfo as text; it writes blanks and backslashes as octal escapes."""
    for char in (b" ", b"\t", b"\n", b"\\"):
        field = field.replace(b"\\%03o" % char[0], char)
    return field.decode(errors="surrogateescape")
