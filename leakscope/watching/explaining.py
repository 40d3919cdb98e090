"""Why objects of one type are alive, asked of a process or of a file."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from leakscope.capture.process import identify
from leakscope.errors import LeakscopeError, UsageError
from leakscope.model.evidence import Evidence, HolderEvidence, Suspects
from leakscope.storage.files import load
from leakscope.watching.opening import connect_to

_LONGEST_CONTAINERS = 12
"""Of a process, so many of its longest containers are looked into for objects of the type."""


class UnknownType(UsageError):
    """No object of this type is alive there."""

    hint = "`leakscope snapshot PID -o FILE` lists the types that are alive."


class NoChainKept(LeakscopeError):
    """The file knows the type but not who holds it."""

    hint = "Ask the running process: `leakscope why PID TYPE`."


@dataclass(frozen=True, slots=True)
class Answer:
    """The full name of the type that was asked for, and what is known of it."""

    type: str
    evidence: Evidence


def explain_from_process(pid: int, type_name: str) -> Answer:
    """Ask process `pid` who holds the objects of a type."""
    with connect_to(identify(pid)) as connected:
        reading = connected.capture.census()
        full = full_name(type_name, reading.types)
        longest = tuple(c.address for c in reading.containers[:_LONGEST_CONTAINERS])
        evidence = connected.capture.gather(Suspects(containers=longest, types=(full,)))
    if not evidence.types:
        raise UnknownType(f"the last object of type {full} has just gone")
    return Answer(full, about(evidence, full))


def explain_from_file(path: Path, type_name: str) -> Answer:
    """Look up in a file who held the objects of a type when it was made."""
    recording = load(path)
    known = set(recording.censuses[-1].types)
    known.update(share.type for h in recording.evidence.holders for share in h.shares)
    full = full_name(type_name, known)
    evidence = about(recording.evidence, full)
    if not evidence.types and not evidence.holders:
        raise NoChainKept(f"{path} counts {full} but holds no chain for it: it did not grow")
    return Answer(full, evidence)


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


def _keeps(holder: HolderEvidence, type_name: str) -> bool:
    return holder.type == type_name or any(
        share.type == type_name and share.objects > 0 for share in holder.shares
    )
