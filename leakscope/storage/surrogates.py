r"""Text that UTF-8 cannot hold, made to fit, and back.

Names from a target may hold lone surrogates (an undecodable byte of a command line, say). They
are written as `\udcff`; backslashes that stand right before what looks like that are doubled.
All other text is stored as it is, so that other tools read what was meant.
"""

from __future__ import annotations

import re

_UNFIT = re.compile(r"(\\*)([\ud800-\udfff]|(?<=\\)ud[89a-f][0-9a-f]{2})")
_ESCAPED = re.compile(r"(\\+)(ud[89a-f][0-9a-f]{2})")


def to_utf8_text(text: str) -> str:
    """Return `text` without surrogates; `from_utf8_text` gives back exactly `text`."""
    if "\\" not in text and text.isprintable():
        return text
    return _UNFIT.sub(_escape, text)


def from_utf8_text(text: str) -> str:
    """Undo `to_utf8_text`."""
    return _ESCAPED.sub(_restore, text) if "\\" in text else text


def _escape(match: re.Match[str]) -> str:
    backslashes, rest = match.groups()
    if len(rest) == 1:
        return backslashes * 2 + f"\\u{ord(rest):04x}"
    return backslashes * 2 + rest


def _restore(match: re.Match[str]) -> str:
    backslashes, rest = match.groups()
    kept = "\\" * (len(backslashes) // 2)
    return kept + (chr(int(rest[1:], 16)) if len(backslashes) % 2 else rest)
