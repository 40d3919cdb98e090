"""The rules that results in SARIF refer to."""

from __future__ import annotations

from leakscope import __version__
from leakscope.report.documents import Json

LEAK = "memory-leak"
"""The first rule: findings."""
BUDGET = "growth-budget"
"""The second rule: breaches that no finding accounts for."""


def driver() -> Json:
    """Return leakscope as SARIF knows a tool: its version and its rules."""
    return {
        "name": "leakscope",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [
            _rule(
                LEAK,
                "MemoryLeak",
                "Objects accumulate without end",
                "The number of live objects rises with the work that the service does, and nothing "
                "lets go of them.",
                "Follow the retention chain from its root to the container in which objects "
                "accumulate. Remove entries when they are done with, or bound the container. If "
                "the growth is wanted, give it a budget with --max-growth.",
            ),
            _rule(
                BUDGET,
                "GrowthBudget",
                "A budget for growth was exceeded",
                "Something grew faster than the budget allows that was given for it.",
                "The lower bound of the growth is above the budget. Mend the leak, or raise the "
                "budget if the growth is wanted.",
            ),
        ],
    }


def _rule(name: str, title: str, short: str, full: str, remedy: str) -> Json:
    return {
        "id": name,
        "name": title,
        "shortDescription": {"text": short},
        "fullDescription": {"text": full},
        "help": {"text": remedy, "markdown": remedy},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": ["memory", "reliability"],
            "precision": "high",
            "problem.severity": "error",
        },
    }
