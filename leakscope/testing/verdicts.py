"""How a test is told what was measured: it fails, with the finding and nothing of our own."""

from __future__ import annotations

from typing import NoReturn

import pytest

from leakscope.testing.messages import Ended, Outcome

_WORDS = {
    Outcome.LEAK: "leaks",
    Outcome.INCONCLUSIVE: "may leak",
    Outcome.NOT_MEASURED: "could not be measured",
}
_ADVICE = {
    Outcome.INCONCLUSIVE: "More work in each round or more rounds settle it (`calls=`, `rounds=`); "
    "what only fills up at first takes more `warm_up=`.",
}


def require_clean(ended: Ended | None, *, subject: str = "this test") -> None:
    """Return if nothing leaks; fail the test otherwise, a measurement without an end included."""
    __tracebackhide__ = True
    if ended is None:
        fail_unmeasured("the measurement did not come to its end", subject=subject)
    if ended.outcome is Outcome.CLEAN:
        return
    headline = f"{subject} {_WORDS[ended.outcome]}: {ended.reason}"
    fail(headline, ended.text, _ADVICE.get(ended.outcome, ""))


def fail_unmeasured(reason: str, said: str = "", *, subject: str = "this test") -> NoReturn:
    """Fail a test that could not be measured, with what the process that measures has said."""
    __tracebackhide__ = True
    fail(f"{subject} {_WORDS[Outcome.NOT_MEASURED]}: {reason}", said.strip())


def fail(*parts: str) -> NoReturn:
    """Fail the test with these paragraphs and no traceback; empty ones are left out."""
    __tracebackhide__ = True
    text = "\n\n".join(part for part in parts if part)
    raise pytest.fail.Exception(text, pytrace=False) from None
