"""Retention chains: the names of the references from a root to a suspect."""

from __future__ import annotations

from gc import get_referents
from typing import TYPE_CHECKING

from leakscope.capture.payload.classes import FRAME, inherits, type_name
from leakscope.capture.payload.coroutines import coroutine_of, frame_of, is_suspendable
from leakscope.capture.payload.edges import NO_CONTEXT, hop, part_name
from leakscope.capture.payload.frames import place_of
from leakscope.capture.payload.search import (
    BETTER_BY,
    node_value,
    root_of,
    running_function,
    way_from_root,
    ways_to,
)

if TYPE_CHECKING:
    from leakscope.capture.payload.passes import Thing

    Steps = list[tuple[str, str]]


def chain_to(address: int) -> Steps:
    """Return (edge, type) from a module or a running function to the held object.

    The module is the better root, unless the way from it is much longer. Empty if neither is
    known to lead to the object.
    """
    way = way_from_root(address)
    ways = ways_to(address)
    running = [ways[node] for node in ways if running_function(node)]
    nearest = min(running, key=len, default=[])
    if way and (not nearest or len(way) <= len(nearest) + BETTER_BY):
        module, name = root_of(way[0])  # type: ignore[misc]
        root, edge = ("module " + module, "builtins.module"), "." + name
    elif nearest:
        thread, place, name = running_function(nearest[0])  # type: ignore[misc]
        root, edge = ("thread %s frame %s" % (thread, place), "builtins.frame"), "local " + name
        way = nearest
    else:
        return []
    values = _values(way)
    return [root, (edge, _type_of(values[0])), *named_steps(values)]


def chain_from_anything(address: int) -> Steps:
    """Return the steps from the best holder that is known; empty if nothing holds the object.

    Suspended code is the best, then a class, then the farthest, which is marked as such.
    """
    ways = ways_to(address)
    for suits in (_is_code, _is_frame, _is_class):
        for node, way in ways.items():
            if suits(node_value(node)):
                values = _values(way)
                return [(_label(values[0]), _type_of(values[0])), *named_steps(values)]
    way = list(ways.values())[-1]
    if len(way) == 1:
        return []
    values = _values(way)
    return [("held by", _type_of(values[0])), *named_steps(values)]


def named_steps(values: list[Thing]) -> Steps:
    """Return (edge, type) for each reference from one of `values` to the next.

    What is only a part of the object before it gets no step.
    """
    steps: Steps = []
    edge, context = None, NO_CONTEXT
    for parent, child in zip(values, values[1:]):  # noqa: B905, RUF007
        edge, context = hop(parent, child, context)
        if edge is not None:
            steps.append((edge, _type_of(child)))
    if values[1:] and edge is None:
        steps.append((part_name(context), _type_of(values[-1])))
    return steps


def _values(way: list[int]) -> list[Thing]:
    """Return the objects along a way; plain tuples are taken from what refers to them."""
    values: list[Thing] = []
    for node in way:
        value = node_value(node)
        if value is None and values:
            value = referent(values[-1], node)
        values.append(value)
    return values


def referent(parent: Thing, address: int) -> Thing:
    """Return the object at `address` that `parent` refers to; None if it does no longer."""
    for value in get_referents(parent):
        if id(value) == address:
            return value
    return None


def _type_of(value: Thing) -> str:
    return type_name(type(value))


def _is_code(value: Thing) -> bool:
    return is_suspendable(value) or coroutine_of(value) is not None


def _is_frame(value: Thing) -> bool:
    return type(value) is FRAME


def _is_class(value: Thing) -> bool:
    return inherits(type(value), type)


def _label(value: Thing) -> str:
    """Return what a root that no module refers to is called."""
    if inherits(type(value), type):
        return "class " + type_name(value)
    code = coroutine_of(value)
    kind = type(value).__name__ if code is None else "task"
    code = value if code is None else code
    frame: Thing = frame_of(code) if is_suspendable(code) else code
    return "%s %s" % (kind, place_of(frame)) if type(frame) is FRAME else kind
