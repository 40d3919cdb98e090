"""Figures and names as people read them. Text from the target is hostile and comes out harmless.

Everything here is deterministic: no locale, no terminal, no clock.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Sequence

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories that act instead of showing (controls, direction marks, surrogates, line ends), and
what Unicode has no meaning for yet."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_COUNT_UNITS = ("", "k", "M", "G", "T")
_TEN_YEARS = 3650 * 86400.0


def printable(text: str) -> str:
    r"""Return `text` with everything that is not seen written out, as in `\x1b` or `\u202e`.

    The result holds no control, no line end, no change of direction and no surrogate; it is left
    as it is when put through again.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def type_text(name: str) -> str:
    """Return a type's name to show: `dict` for `builtins.dict`, all others in full."""
    return printable(name.removeprefix("builtins."))


def plural(amount: float, noun: str) -> str:
    """Return `1 request`, `2,000 requests`, `0.5 requests`."""
    whole = f"{amount:,.0f}" if float(amount).is_integer() else number(amount)
    return f"{whole} {noun if amount == 1 else many(noun)}"


def many(noun: str) -> str:
    """Return the plural of a unit of work: `requests`, `queries`, `batches`."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def number(value: float, *, signed: bool = False, decimals: int | None = None) -> str:
    """Return `value` with as many decimals as it deserves: `97,412`, `12.3`, `1.00`, `0.0032`."""
    if not math.isfinite(value):
        return "?" if math.isnan(value) else ("-∞" if value < 0 else "∞")
    if decimals is None:
        decimals = decimals_for(value)
    if decimals > 8:
        return f"{value:{'+' if signed else ''}.1e}"
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return "0" if value == 0 else text.lstrip("+-")
    return text


def decimals_for(value: float) -> int:
    """Return the decimals that show three digits of `value`, or two if it is less than one."""
    size = abs(value)
    if size == 0 or not math.isfinite(size):
        return 2
    if size < 1:
        return max(2, 1 - math.floor(math.log10(size)))
    return max(0, 2 - math.floor(math.log10(size)))


def interval_text(estimate: float, low: float, high: float) -> str:
    """Return `[0.99, 1.01]`, with the decimals of the estimate."""
    decimals = decimals_for(estimate)
    return f"[{number(low, decimals=decimals)}, {number(high, decimals=decimals)}]"


def bytes_text(size: float, *, signed: bool = False) -> str:
    """Return `512 B`, `1.9 KiB`, `181 MiB`; one decimal below 100, none for whole bytes."""
    if not math.isfinite(size):
        return number(size)
    value, unit = float(size), 0
    while abs(value) >= 1023.5 and unit < len(_BYTE_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    fine = 0.0 < abs(value) < 99.95 and not (unit == 0 and value.is_integer())
    text = f"{value:{'+' if signed else ''},.{1 if fine else 0}f}"
    if float(text.replace(",", "")) == 0:
        text = "0"
    return f"{text.removesuffix('.0')} {_BYTE_UNITS[unit]}"


def short_count(value: float) -> str:
    """Return `97`, `1.2k`, `97.4k`, `3M`."""
    if not math.isfinite(value):
        return number(value)
    unit = 0
    while abs(value) >= 999.95 and unit < len(_COUNT_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f}".removesuffix(".0") + _COUNT_UNITS[unit]


def duration(seconds: float) -> str:
    """Return `2.5s`, `45s`, `12m5s`, `5h40m`, `3d4h`: as exact as anybody cares for."""
    if not math.isfinite(seconds):
        return number(seconds)
    if seconds < 0:
        return "-" + duration(-seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    if seconds > _TEN_YEARS:
        return "more than ten years"
    grain = 1 if seconds < 3600 else 60 if seconds < 86400 else 3600
    rest = round(seconds / grain) * grain
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts)


def milliseconds(value: float) -> str:
    """Return `0.8 ms`, `13 ms`, `1.5 s`."""
    if not math.isfinite(value):
        return number(value)
    if value >= 999.5:
        return f"{value / 1000:,.1f} s"
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return at most `width` bars from the lowest value to the highest; flat series lie low.

    More values than bars are averaged in groups, in order; values that are no number are left out.
    """
    known = [float(v) for v in values if math.isfinite(v)]
    if not known or width < 1:
        return ""
    bars = min(width, len(known))
    edges = [i * len(known) // bars for i in range(bars + 1)]
    means = [sum(v / (b - a) for v in known[a:b]) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    span = high / 2 - low / 2
    if span <= 0:
        return _BLOCKS[0] * bars
    top = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round(top * ((mean / 2 - low / 2) / span))] for mean in means)


def _shown(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
