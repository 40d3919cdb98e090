"""What became of the entries of a container, in words."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.cohorts import Cohort
from leakscope.report.documents import Json

_STAYS = 0.95
"""Share of a cohort that is still there from which on it is said to stay."""


def cohorts_text(found: Sequence[Cohort]) -> str:
    """Return how many of each cohort are left, oldest first, and what that looks like."""
    told = " · ".join(f"{cohort.alive:,} of {cohort.made:,}" for cohort in found)
    older = [cohort for cohort in found[:-1] if cohort.made]
    if not older:
        return f"of what came in between {told} are still there"
    made, alive = sum(c.made for c in older), sum(c.alive for c in older)
    if all(c.alive >= _STAYS * c.made for c in older):
        words = "what comes stays"
    elif alive < made / 2:
        words = "old entries go: a cache or a backlog looks like this"
    else:
        words = "some of what comes stays"
    return f"of what came in between {told} are still there: {words}"


def cohorts_document(found: Sequence[Cohort]) -> Json:
    """Return the cohorts as a list of objects."""
    return [{"made": cohort.made, "alive": cohort.alive} for cohort in found]
