"""How a test is told what was measured: it fails, with the finding and nothing of our own."""

from __future__ import annotations

from typing import NoReturn

import pytest

from leakscope.testing.measurer import Measurer
from leakscope.testing.messages import Ended, Outcome

_HEADLINES = {
    Outcome.LEAK: "leaks: it keeps more with every call",
    Outcome.INCONCLUSIVE: "may leak: the rounds do not settle it",
    Outcome.NOT_MEASURED: "could not be measured",
}
_ADVICE = {
    Outcome.INCONCLUSIVE: "More work per round or more rounds settle it: `calls=`, `rounds=`; "
    "what fills up first takes more `warm_up=`.",
}


def require_clean(ended: Ended | None, measurer: Measurer, *, subject: str = "this test") -> None:
    """Return if nothing leaks; fail the test otherwise, a measurement without an end included."""
    __tracebackhide__ = True
    if ended is None:
        fail_unmeasured("the measurement did not come to its end", measurer, subject=subject)
    if ended.outcome is Outcome.CLEAN:
        return
    parts = [f"{subject} {_HEADLINES[ended.outcome]}", ended.text, _ADVICE.get(ended.outcome, "")]
    pytest.fail("\n\n".join(part for part in parts if part), pytrace=False)


def fail_unmeasured(reason: str, measurer: Measurer, *, subject: str = "this test") -> NoReturn:
    """Fail a test that could not be measured, with what the process that measures has said."""
    __tracebackhide__ = True
    headline = f"{subject} {_HEADLINES[Outcome.NOT_MEASURED]}"
    parts = [headline, reason, measurer.said().strip()]
    pytest.fail("\n\n".join(part for part in parts if part), pytrace=False)
