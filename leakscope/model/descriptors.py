"""The open descriptors of a process: what they are, and which objects they belong to."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.model.evidence import Step


@dataclass(frozen=True, slots=True)
class DescriptorGroup:
    """Descriptors of one kind that lead to the same place."""

    kind: str
    """`TCP connection`, `TCP listener`, `UDP socket`, `UNIX socket`, `pipe`, `file`, `epoll
    instance`…"""
    where: str
    """With its preposition: `to 10.0.0.7:443`, `from 10.0.0.9 at :8080`, `in /var/log`; may be
    empty."""
    state: str
    """Of TCP, as the kernel calls it: `ESTABLISHED`, `CLOSE_WAIT`; else empty."""
    numbers: tuple[int, ...]
    """Ascending."""
    owned: int | None
    """How many of them a Python object was found for, garbage included; None if nobody looked."""
    garbage: int
    """How many of them belong to objects that only the garbage collector could still reach."""
    owner: str
    """Type of the object that the chain leads to, or else of one of them; empty without any."""
    chain: tuple[Step, ...]
    """How the object is held of that most are held alike; empty without any."""


@dataclass(frozen=True, slots=True)
class DescriptorPicture:
    """The descriptors of a process that stayed open while it was looked at."""

    descriptors: int
    limit: int | None
    """How many the process may have; None if there is no limit or it is not known."""
    groups: tuple[DescriptorGroup, ...]
    """Most descriptors first, then by kind, place and state. At most as many as were asked for."""
    more_groups: int
    """Groups beyond those."""
    passing: int
    """How many more were closed meanwhile."""
    unseen: str
    """Why no Python objects were looked at; empty if they were."""
    pause_ms: float | None
    """None if nothing was held up."""
