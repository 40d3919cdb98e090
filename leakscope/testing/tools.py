"""What the tools that run a test keep for themselves: it grows, and is no leak of the test's.

Reports of subtests, a tracer for every thread that was started, what a monkeypatch will undo:
pytest and its plugins keep such things until the test or the session ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakscope.model.evidence import Step
from leakscope.model.finding import Diagnosis, Finding, Verdict
from leakscope.model.typenames import is_plain
from leakscope.report.tree import holder_index

TOOLS = frozenset(
    {
        "_pytest",
        "anyio",
        "coverage",
        "execnet",
        "hypothesis",
        "leakscope",
        "pluggy",
        "pytest",
        "pytest_asyncio",
        "pytest_cov",
        "pytest_timeout",
        "xdist",
    }
)
"""Packages whose objects are the tools'."""

_OF_THE_TEST = ("_pytest.fixtures.", "_pytest.python.")
"""Where pytest keeps what is the test's: values of fixtures."""


def without_tools(diagnosis: Diagnosis) -> Diagnosis:
    """Return `diagnosis` without what accumulates in a container of the tools' own, which it says.

    The values of fixtures are the test's, wherever pytest keeps them.
    """
    theirs = tuple(finding for finding in diagnosis.findings if _is_tools(finding))
    if not theirs:
        return diagnosis
    rest = tuple(finding for finding in diagnosis.findings if finding not in theirs)
    kept = ", ".join(sorted({finding.type for finding in theirs}))
    caveat = f"What tests are run with keeps more with every call ({kept}); it does not count."
    diagnosis = replace(diagnosis, findings=rest, caveats=(*diagnosis.caveats, caveat))
    if rest:
        return diagnosis
    reason = "nothing went on growing but what tests are run with"
    return replace(diagnosis, verdict=Verdict.CLEAN, reason=reason)


def _is_tools(finding: Finding) -> bool:
    if finding.holder is None:
        return False
    index = holder_index(finding.chain, finding.holder)
    return index is not None and _belongs_to_tools(finding.chain[: index + 1])


def _belongs_to_tools(way: Sequence[Step]) -> bool:
    """Return whether the last object on the way that has a meaning is of a tool."""
    for step in reversed(way):
        if not is_plain(step.type) and not step.type.endswith("module"):
            return _package(step.type) in TOOLS and not step.type.startswith(_OF_THE_TEST)
    return bool(way) and _package(way[0].edge.removeprefix("module ")) in TOOLS


def _package(name: str) -> str:
    return name.partition(".")[0]
