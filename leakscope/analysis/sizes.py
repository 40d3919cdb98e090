"""Sizes as people write them. Pure."""

from __future__ import annotations

import math
import re

SIZES = {
    "b": 1.0,
    "byte": 1.0,
    "bytes": 1.0,
    **{f"{letter}ib": 1024.0**power for power, letter in enumerate("kmg", 1)},
    **{f"{letter}b": 1000.0**power for power, letter in enumerate("kmg", 1)},
}
"""Bytes per unit, by its name in small letters."""

AMOUNT = re.compile(r"(.*?)\s*([A-Za-z]*)")
"""A number and its unit."""


def parse_size(text: str) -> float | None:
    """Return the bytes of `4096`, `512KiB`, `1.5 MB`, None if `text` is no size."""
    found = AMOUNT.fullmatch(text.strip())
    if found is None or found[2].lower() not in ("", *SIZES):
        return None
    try:
        size = float(found[1]) * SIZES.get(found[2].lower(), 1.0)
    except ValueError:
        return None
    return size if math.isfinite(size) else None
