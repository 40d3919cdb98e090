"""What makes a finding the same finding in another run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from leakscope.analysis.names import anonymous
from leakscope.model.evidence import Step

_DIGITS = 12


def fingerprint(chain: Sequence[Step], entry: Sequence[Step], leading: str, holder: str) -> str:
    """Return twelve hex digits that stand for a leak, whatever the run.

    They depend on the way from the root to the holder and on to the leading object (without
    indexes, keys, addresses and line numbers), on the holder's type and on the leading type; not
    on rates, counts or the order of findings.
    """
    way = [anonymous(step.edge) for step in chain]
    inside = [anonymous(step.edge) for step in entry]
    text = "\n".join(["leak/1", *way, "=>", holder, *inside, "=>", leading])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGITS]
