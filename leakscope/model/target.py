"""The process under diagnosis, and what bounds its memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The process under diagnosis."""

    pid: int
    started: float
    """Start of the process, seconds since the epoch: with `pid` its identity."""
    cmdline: tuple[str, ...]
    python: str
    """Interpreter version, for example `3.12.1`."""
    implementation: str
    """For example `cpython`."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """What will kill the target when its memory reaches it."""

    limit_bytes: int
    source: str
    """For example `cgroup memory.max` or `host memory`."""
