"""The baseline file: leaks that are known, which people read, explain and let expire.

JSON, one object per leak, in the order of the fingerprints, so that it is easily reviewed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from leakscope.errors import UsageError
from leakscope.model.gate import KnownLeak
from leakscope.storage.output import write_atomically

FORMAT = "leakscope.baseline/1"
_MOST_BYTES = 16 << 20


class BadBaseline(UsageError):
    """A baseline file that cannot be read."""

    hint = "Mend the entry, or write the file anew with --update-baseline."


def load_baseline(path: Path) -> tuple[KnownLeak, ...]:
    """Return the entries of a baseline file, none if there is no such file.

    Raises `BadBaseline`.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as problem:
        raise BadBaseline(f"cannot read the baseline {path}: {problem.strerror}") from None
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError("it is too large")
        document = json.loads(content)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        leaks = document.get("leaks")
        if not isinstance(leaks, list):
            raise ValueError("it has no list of leaks")
        return tuple(_entry(entry, place) for place, entry in enumerate(leaks, 1))
    except (ValueError, RecursionError) as problem:
        raise BadBaseline(f"{path} is no baseline: {problem}") from None


def save_baseline(path: Path, leaks: Sequence[KnownLeak]) -> None:
    """Write a baseline file; what was there is replaced. Raises a `LeakscopeError`."""
    document = {
        "format": FORMAT,
        "leaks": [
            {
                "fingerprint": leak.fingerprint,
                "type": leak.type,
                "holder": leak.holder,
                "rate": float(f"{leak.rate:.4g}"),
                "unit": leak.unit,
                "reason": leak.reason,
                "expires": None if leak.expires is None else leak.expires.isoformat(),
            }
            for leak in sorted(leaks, key=lambda leak: leak.fingerprint)
        ],
    }
    write_atomically(path, (json.dumps(document, indent=2) + "\n").encode("ascii"), force=True)


def _entry(entry: object, place: int) -> KnownLeak:
    if not isinstance(entry, dict):
        raise ValueError(f"leak {place} is no object")
    rate, expires = entry.get("rate"), entry.get("expires")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate):
        raise ValueError(f"the rate of leak {place} is no number")
    texts = {key: entry.get(key) for key in ("fingerprint", "type", "unit")}
    for key, text in texts.items():
        if not isinstance(text, str) or not text:
            raise ValueError(f"leak {place} has no {key}")
    holder, reason = entry.get("holder"), entry.get("reason", "")
    if not isinstance(holder, str | None) or not isinstance(reason, str):
        raise ValueError(f"holder and reason of leak {place} are not both texts")
    return KnownLeak(
        fingerprint=str(texts["fingerprint"]),
        type=str(texts["type"]),
        holder=holder,
        rate=float(rate),
        unit=str(texts["unit"]),
        reason=reason,
        expires=_day(expires, place),
    )


def _day(text: object, place: int) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError(f"leak {place} expires on no day: write 2026-12-31") from None
