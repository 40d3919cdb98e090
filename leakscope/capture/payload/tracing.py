"""Where memory is allocated, from tracemalloc: on request, and only as long as it is wanted."""

from __future__ import annotations

import sys
from _tracemalloc import _get_traces, is_tracing, start, stop
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import FUNCTION
from leakscope.capture.payload.frames import function_name
from leakscope.capture.payload.own import is_own_function
from leakscope.capture.payload.passes import heap, settle, times, where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    Place = tuple[str, int]

_TRACING: list[Iterator[None]] = []
"""While tracing is ours, the generator that ends it, also when the payload is dropped."""
_BASELINE: dict[tuple[Place, ...], tuple[int, int]] = {}
_FRAMES = 10


def trace_begin() -> bool:
    """Start tracing, unless somebody does already; growth counts from now on.

    Returns whether tracing was started.
    """
    ours = not is_tracing()
    if ours:
        tracing = _while_tracing()
        next(tracing)
        _TRACING.append(tracing)
    _BASELINE.clear()
    _BASELINE.update(_totals())
    return ours


def trace_end() -> None:
    """Stop tracing if we started it."""
    _TRACING.clear()
    _BASELINE.clear()


def trace_growth(limit: int) -> list[tuple[int, int, list[tuple[str, int, str]]]]:
    """Return bytes, blocks and stack of what grew most since tracing began, most bytes first.

    A stack is file, line and function of its frames, innermost first. Empty unless tracing.
    """
    if not is_tracing():
        return []
    growth = []
    for stack, (size, blocks) in _totals().items():
        before = _BASELINE.get(stack, (0, 0))
        if size > before[0]:
            growth.append((size - before[0], blocks - before[1], stack))
    growth.sort(key=lambda g: (-g[0], -g[1], g[2]))
    del growth[limit:]
    names = _functions_at({place for _, _, stack in growth for place in stack})
    return [
        (size, blocks, [(file, line, names.get((file, line), "")) for file, line in stack])
        for size, blocks, stack in growth
    ]


def _while_tracing() -> Iterator[None]:
    start(_FRAMES)
    try:
        yield
    finally:
        stop()


def _totals() -> dict[tuple[Place, ...], tuple[int, int]]:
    """Return bytes and blocks by stack, the payload's own left out."""
    own = sys._getframe().f_code.co_filename
    totals: dict[tuple[Place, ...], tuple[int, int]] = {}
    for trace in _get_traces():
        size, stack = trace[1], tuple(trace[2])
        if any(place[0] == own for place in stack):
            continue
        before = totals.get(stack, (0, 0))
        totals[stack] = (before[0] + size, before[1] + 1)
    return totals


def _functions_at(places: set[Place]) -> dict[Place, str]:
    """Return the name of the function around each place, where one that is alive has it."""
    files = {file for file, _ in places}
    settle()
    found: dict[Place, tuple[int, str]] = {}
    for function in list(where(times(heap(), 2), type, id, {id(FUNCTION)}.__contains__)):
        if function.__code__.co_filename in files and not is_own_function(function):  # type: ignore[attr-defined]
            _name_lines(function.__code__, places, found)  # type: ignore[attr-defined]
    return {place: name for place, (_, name) in found.items()}


def _name_lines(code: CodeType, places: set[Place], found: dict[Place, tuple[int, str]]) -> None:
    """Name the places on the lines of `code` and of the code inside it; the innermost wins."""
    pending = [code]
    while pending:
        code = pending.pop()
        for line in _lines_of(code):
            place = (code.co_filename, line)
            if place in places and found.get(place, (0, ""))[0] <= code.co_firstlineno:
                found[place] = (code.co_firstlineno, function_name(code))
        pending += [c for c in code.co_consts if type(c) is type(code)]


def _lines_of(code: CodeType) -> set[int]:
    if hasattr(code, "co_lines"):
        return {line for _, _, line in code.co_lines() if line}
    table, line, lines = code.co_lnotab, code.co_firstlineno, {code.co_firstlineno}
    for step in table[1::2]:
        line += step - 256 if step > 127 else step
        lines.add(line)
    return lines
