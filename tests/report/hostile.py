"""What must never reach a terminal or page raw, and diagnoses full of it."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from hypothesis import strategies as st

from leakscope.model.evidence import Opened, Site, Step, Unheld
from leakscope.model.finding import Diagnosis, Holder, NotLeak, TypeRate
from tests.report.samples import LEAKING, QUEUED_REQUESTS

NASTY = "\x1b]0;owned\x07\x1b[2J\r\n\u202e\u2066\u200b\u2028\x9b31m\ud800\x00\U000e0041"
"""Escape sequences, line ends, a change of direction, a C1 control, a surrogate, a tag."""

any_text = st.text(
    st.one_of(st.characters(codec=None), st.sampled_from(NASTY)), min_size=0, max_size=30
)


def raw_in(text: str) -> set[str]:
    """Return the characters of `text`, line ends aside, that act instead of showing."""
    return {
        c
        for c in text
        if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }


def diagnosis_of(text: str) -> Diagnosis:
    """Return a diagnosis with `text` wherever text from the target gets to."""
    finding = replace(
        QUEUED_REQUESTS,
        type=text,
        types=(TypeRate(text, 1.0, 1.0), TypeRate(text + "x", 1.0, 1.0)),
        holder=Holder(text, text, 1, 2),
        chain=(Step(text, text), Step(text, "module"), Step(text, text)),
        allocated_at=(Site(text, 1, text),),
        why=text,
        unheld=(Unheld(text, 2, 2, 100, (Step(text, text),), 3),),
        opened=(Opened(text, text, text, 3),),
    )
    return replace(
        LEAKING,
        reason=text,
        target=replace(LEAKING.target, cmdline=(text, text), python=text, implementation=text),
        findings=(
            finding,
            replace(finding, chain=(), id="L2"),
        ),
        not_leaks=(NotLeak(text, text, text),),
        caveats=(text,),
    )
