"""Plain values that cross between this process and the target as text.

None, bool, int, float, str, bytes, and tuples, lists, sets and dicts of them; nothing else, so no
code can come along. Both directions are ASCII and a Python literal.
"""

from __future__ import annotations

import ast
import math

from leakscope.capture.wire import ProtocolError
from leakscope.errors import LeakscopeError

_SCALARS = (type(None), bool, int, float, str, bytes)
_LARGEST_TEXT = 32 << 20
_DEEPEST = 40


class NotPlain(LeakscopeError):
    """A value is not one that may be sent to a target."""

    hint = "Send only None, numbers, str, bytes, and tuples, lists, sets and dicts of them."


def as_literal(value: object) -> str:
    """Return a plain value as an ASCII literal; raise `NotPlain` for anything else.

    Subclasses of the plain types count as something else: their text may be anything.
    """
    _require_plain(value, _DEEPEST)
    return ascii(value)


def from_literal(text: bytes) -> object:
    """Return the plain value that a target sent.

    Raises `ProtocolError` for anything that is no literal, is nested too deep, or is larger than
    32 MiB.
    """
    if len(text) > _LARGEST_TEXT:
        raise ProtocolError(f"the target's answer of {len(text)} bytes is too large")
    try:
        return ast.literal_eval(text.decode("ascii"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ProtocolError("the target's answer is not a plain value") from error


def _require_plain(value: object, depth: int) -> None:
    kind = type(value)
    if depth == 0:
        raise NotPlain("a value to send is nested too deep")
    if kind is float and not math.isfinite(value):  # type: ignore[arg-type]
        raise NotPlain("infinity and NaN have no literal")
    if kind in _SCALARS:
        return
    if isinstance(value, (tuple, list, set)) and kind in (tuple, list, set):
        for item in value:
            _require_plain(item, depth - 1)
    elif isinstance(value, dict) and kind is dict:
        for key, item in value.items():
            _require_plain(key, depth - 1)
            _require_plain(item, depth - 1)
    else:
        raise NotPlain(f"a value of type {kind.__name__} cannot be sent to a target")
