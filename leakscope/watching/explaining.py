"""Why objects are alive, asked of a process or of a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leakscope.analysis.heapgraph import row_of
from leakscope.capture.interface import Capture
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.census import ContainerLength
from leakscope.model.evidence import Evidence, HolderEvidence, Suspects
from leakscope.model.explanation import Explanation, ObjectFacts
from leakscope.model.recording import CaptureKind, Recording
from leakscope.storage.files import load
from leakscope.watching.captures import (
    UNEXPLAINED,
    UNREADABLE,
    CaptureChoice,
    FrozenCensusCapture,
)
from leakscope.watching.heap_view import HeapView
from leakscope.watching.heap_ways import explain_object, explain_type
from leakscope.watching.opening import connect_to

_LONGEST_CONTAINERS = 12
"""Of a process, so many of its longest containers are looked into for objects of the type."""


class UnknownType(UsageError):
    """No object of this type is alive there."""

    hint = "`leakscope snapshot PID -o FILE` lists the types that are alive."


class UnknownObject(UsageError):
    """There is no object at this address."""

    hint = "Write the address as `leakscope top` prints it: @0x7f00aa10."


class NoChainKept(LeakscopeError):
    """The file knows the type but not who holds it."""

    hint = "Ask the running process: `leakscope why PID TYPE`."


class NoHeapKept(LeakscopeError):
    """The file has no heap snapshot."""

    hint = "Take one: `leakscope snapshot PID -o FILE`."


@dataclass(frozen=True, slots=True)
class Answer:
    """The full name of the type that was asked for, and the evidence that was found on it."""

    type: str
    evidence: Evidence


def explain_from_process(
    pid: int,
    what: str,
    choice: CaptureChoice = CaptureChoice.AUTO,
    told: Callable[[str], None] = lambda _stage: None,
) -> Explanation | ObjectFacts | Answer:
    """Ask process `pid` who holds the objects of a type, or the one at `@ADDRESS`.

    From all its references where its heap can be frozen, else what Python in the process finds.
    `told` is told what is about to be done.
    """
    with connect_to(identify(pid), choice) as connected:
        reading = connected.capture.census()
        capture = connected.capture
        if isinstance(capture, FrozenCensusCapture):
            try:
                with capture.view(told=told) as view:
                    return explain_in(view, what)
            except UNREADABLE:
                raise
            except UNEXPLAINED:
                if what.startswith("@"):
                    raise
        if what.startswith("@"):
            raise NoHeapKept(
                "an object can be looked up only in a frozen copy of the heap",
                hint="`leakscope doctor PID` says why there is none; ask for a type instead.",
            )
        return _searched(capture, full_name(what, reading.types), reading.containers)


def explain_from_file(
    path: Path, what: str, told: Callable[[str], None] = lambda _stage: None
) -> Explanation | ObjectFacts | Answer:
    """Look up in a file who held the objects of a type, or the one at `@ADDRESS`.

    `told` is told what is about to be done.
    """
    told("objects and references")
    recording = load(path, heaps=(-1,))
    if recording.heaps or what.startswith("@"):
        return explain_in(last_heap(recording, path, told), what)
    known = set(recording.censuses[-1].types)
    known.update(share.type for h in recording.evidence.holders for share in h.shares)
    full = full_name(what, known)
    if recording.kind is CaptureKind.READONLY:
        raise NoChainKept(f"{path} counts {full}; it was made read-only, which tells no holders")
    evidence = about(recording.evidence, full)
    if not evidence.types and not evidence.holders:
        raise NoChainKept(f"{path} counts {full} but holds no chain for it: it did not grow")
    return Answer(full, evidence)


def explain_in(view: HeapView, what: str) -> Explanation | ObjectFacts:
    """Return why the objects of a type, or the one at `@ADDRESS`, are alive in a heap."""
    if what.startswith("@"):
        row = row_of(view.snapshot, _address(what))
        if row is None:
            raise UnknownObject(f"there is no object at {what[1:]}")
        return explain_object(view, row)
    found = explain_type(view, full_name(what, set(view.snapshot.type_names)))
    if found is None:
        raise UnknownType(f"no object of a type {what!r} is alive there")
    return found


@contextmanager
def looking_into(
    identity: ProcessIdentity,
    choice: CaptureChoice,
    what: str,
    told: Callable[[str], None] = lambda _stage: None,
) -> Iterator[HeapView]:
    """Yield the frozen heap of a process, in which `what` is looked for.

    Raises `NoHeapKept` where the heap cannot be frozen, and what a snapshot raises.
    """
    with connect_to(identity, choice) as connected:
        capture = connected.capture
        if not isinstance(capture, FrozenCensusCapture):
            raise NoHeapKept(
                f"{what} can be told only from a frozen copy of the heap",
                hint="`leakscope doctor PID` says why there is none.",
            )
        capture.census()
        with capture.view(told=told) as view:
            yield view


def last_heap(
    recording: Recording, path: Path, told: Callable[[str], None] = lambda _stage: None
) -> HeapView:
    """Return the last heap snapshot of a recording that was loaded from `path`."""
    if not recording.heaps:
        raise NoHeapKept(f"{path} counts types but holds no heap snapshot")
    return HeapView(recording.heaps[-1], told=told)


def about(evidence: Evidence, type_name: str) -> Evidence:
    """Return the part of `evidence` that concerns one type."""
    return Evidence(
        holders=tuple(h for h in evidence.holders if _keeps(h, type_name)),
        types=tuple(t for t in evidence.types if t.type == type_name),
    )


def full_name(wanted: str, types: Collection[str]) -> str:
    """Return the type that `wanted` names: itself, or the only one with that last part.

    Raises `UnknownType`, which names types that are spelled alike.
    """
    if wanted in types:
        return wanted
    matches = sorted(t for t in types if t.endswith("." + wanted))
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UnknownType(f"{wanted!r} is ambiguous: {', '.join(matches[:5])}")
    near = difflib.get_close_matches(wanted, types, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else None
    raise UnknownType(f"no object of a type {wanted!r} is alive there", hint=hint)


def _searched(capture: Capture, full: str, containers: Collection[ContainerLength]) -> Answer:
    longest = tuple(c.address for c in list(containers)[:_LONGEST_CONTAINERS])
    evidence = capture.gather(Suspects(containers=longest, types=(full,)))
    if not evidence.types:
        raise UnknownType(f"the last object of type {full} has just gone")
    return Answer(full, about(evidence, full))


def _address(text: str) -> int:
    try:
        address = int(text[1:], 0)
    except ValueError:
        address = -1
    if not 0 <= address < 1 << 64:
        raise UnknownObject(f"{text!r} is no address")
    return address


def _keeps(holder: HolderEvidence, type_name: str) -> bool:
    return holder.type == type_name or any(
        share.type == type_name and share.objects > 0 for share in holder.shares
    )
