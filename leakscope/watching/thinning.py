"""Fewer censuses that tell the same: a watch of days must not grow without bound itself."""

from __future__ import annotations

from leakscope.model.census import Census


def thin(censuses: list[Census], most: int) -> None:
    """Remove censuses until `most` are left, those that stand closest to their neighbours first.

    The first and the last always stay. Called after every new census it keeps their spacing even
    to within a factor of two.
    """
    while len(censuses) > max(2, most):
        gaps = [
            (after.at - before.at, place)
            for place, (before, after) in enumerate(
                zip(censuses[:-2], censuses[2:], strict=True), 1
            )
        ]
        del censuses[min(gaps)[1]]
