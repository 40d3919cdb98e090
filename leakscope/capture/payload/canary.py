"""A leak of known size, planted to see whether it is found."""

from __future__ import annotations


class Canary:
    """What is planted; gc tracks it, for it could refer to something."""

    __slots__ = ("kept",)


canaries: list[Canary] = []


def plant_canaries(count: int) -> int:
    """Keep `count` more of them; return the address of the list that does."""
    for _ in range(count):
        canaries.append(Canary())  # noqa: PERF401 - the list stays the same one
    return id(canaries)


def remove_canaries() -> int:
    """Let all of them go."""
    canaries.clear()
    return id(canaries)
