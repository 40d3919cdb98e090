"""A leak of known size, planted to see whether it is found."""

from __future__ import annotations

Canary: type = type("Canary", (), {"__slots__": ("kept",), "__module__": "leakscope_session"})
"""What is planted; gc tracks it, for it could refer to something."""

canaries: list[object] = []


def plant_canaries(count: int) -> int:
    """Keep `count` more of them; return the address of the list that does."""
    canaries.extend([Canary() for _ in range(count)])
    return id(canaries)


def remove_canaries() -> int:
    """Let all of them go."""
    canaries.clear()
    return id(canaries)
