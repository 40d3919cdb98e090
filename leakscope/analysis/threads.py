"""Threads by what they run: Go's goroutine profile for the threads of a Python process. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leakscope.model.evidence import Site
from leakscope.model.roots import ThreadRoot
from leakscope.model.threads import ThreadGroup, ThreadPicture


@dataclass(frozen=True, slots=True)
class KernelThread:
    """What the kernel says of one thread."""

    name: str
    running: bool
    cpu_seconds: float


@dataclass(slots=True)
class _Alike:
    """Threads that are told together."""

    names: list[str] = field(default_factory=list)
    native_ids: list[int] = field(default_factory=list)
    seen: list[KernelThread] = field(default_factory=list)
    count: int = 0

    def add(self, name: str, native_id: int, told: KernelThread | None) -> None:
        self.count += 1
        if name not in self.names:
            self.names.append(name)
        if native_id:
            self.native_ids.append(native_id)
        if told is not None:
            self.seen.append(told)


def picture_of(
    threads: Sequence[ThreadRoot],
    kernel: Mapping[int, KernelThread] | None,
    *,
    groups: int,
    pause_ms: float,
) -> ThreadPicture:
    """Put threads together that run the same.

    `threads`: those that the interpreter knows; `kernel`: all of the process, by their native ids,
    None if nobody asked it. At most so many `groups` are told.
    """
    alike: dict[tuple[tuple[Site, ...], str], _Alike] = {}
    told = kernel or {}
    known = {thread.native_id for thread in threads}
    for thread in sorted(threads, key=lambda each: each.native_id):
        calls = tuple(reversed(thread.calls))
        key = (calls, "" if calls else "Python")
        name, native_id = thread.name, thread.native_id
        alike.setdefault(key, _Alike()).add(name, native_id, told.get(native_id))
    for native_id, thread_told in sorted(told.items()):
        if native_id not in known:
            key = ((), f"C {thread_told.name}")
            alike.setdefault(key, _Alike()).add(thread_told.name, native_id, thread_told)
    ordered = sorted(alike.items(), key=_order)
    others = sum(native_id not in known for native_id in told)
    return ThreadPicture(
        threads=len(threads) + others,
        python=len(threads),
        groups=tuple(_group(calls, each) for (calls, _), each in ordered[:groups]),
        more_groups=max(0, len(ordered) - groups),
        sees_all=kernel is not None,
        tells_calls=any(thread.calls for thread in threads) or not threads,
        pause_ms=pause_ms,
    )


def _order(item: tuple[tuple[tuple[Site, ...], str], _Alike]) -> tuple[object, ...]:
    (calls, kind), each = item
    return (not calls, -each.count, calls, kind)


def _group(calls: tuple[Site, ...], each: _Alike) -> ThreadGroup:
    whole = len(each.seen) == each.count
    return ThreadGroup(
        calls=calls,
        names=tuple(each.names),
        native_ids=tuple(sorted(each.native_ids)),
        threads=each.count,
        running=sum(told.running for told in each.seen) if whole else None,
        cpu_seconds=sum(told.cpu_seconds for told in each.seen) if whole else None,
    )
