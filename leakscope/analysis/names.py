"""What chains and types are called, and what their names tell."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from leakscope.model.evidence import HELD_BY, Step

_LONGEST_PATH = 60
_PART = re.compile(r" -> (?:(?! -> )[^.\[])+|\.[^.\[ ]+|\[[^\]]*\]|[^.\[ ]+|.", re.DOTALL)

_IDENTITY = re.compile(r"\[[^\]]*\]|\b0x[0-9a-fA-F]+\b|(?<=\()[^()]*[/\\](?=[^()]*:\d+\))|\b\d+\b")
_STANDARD = frozenset(sys.stdlib_module_names) - {"__main__"}
_WEAK = frozenset({"weakref", "ReferenceType", "KeyedRef", "WeakMethod", "ProxyType"})


def path_of(chain: Sequence[Step]) -> str:
    """Return the dotted path that a chain spells out: `shop.audit.PENDING`, `shop.POOL['free']`.

    References that are no attribute, key or index stand between arrows, as in
    `local queue of worker -> ._items`. Empty for an empty chain.
    """
    path = ""
    for index, step in enumerate(chain):
        edge = step.edge if index else _root(step)
        glued = not path or edge.startswith((".", "["))
        path += edge if glued else f" -> {edge}"
    return path


def short_path(path: str) -> str:
    """Return a path to speak of in a sentence: of a long one the end, `….jar._cookies`."""
    if len(path) <= _LONGEST_PATH:
        return path
    kept = ""
    for part in reversed(_PART.findall(path)):
        if kept and len(part) + len(kept) > _LONGEST_PATH:
            break
        kept = part + kept
    return "…" + kept.removeprefix(" -> ")


def is_named(chain: Sequence[Step]) -> bool:
    """Return whether a chain begins at something that has a name of its own."""
    return bool(chain) and chain[0].edge != HELD_BY


def _root(step: Step) -> str:
    return short_type(step.type) if step.edge == HELD_BY else step.edge.removeprefix("module ")


def anonymous(edge: str) -> str:
    """Return a reference without what differs from run to run and from machine to machine.

    That is indexes, keys, addresses, the folder of a source file and its lines.
    """
    return _IDENTITY.sub(lambda found: "[]" if found[0].startswith("[") else "", edge)


def is_builtin(type_name: str) -> bool:
    """Return whether a type is one of the language's own, of which every program has many."""
    module, _, _ = type_name.rpartition(".")
    return module in ("", "builtins", "types") or is_weak_reference(type_name)


def is_weak_reference(type_name: str) -> bool:
    """Return whether objects of a type refer to others without keeping them alive."""
    return type_name.rpartition(".")[2] in _WEAK


def is_rooted_in_program(chain: Sequence[Step]) -> bool:
    """Return whether a chain starts at a module that is not the standard library's."""
    if not chain or not chain[0].edge.startswith("module "):
        return False
    module = chain[0].edge.removeprefix("module ")
    return module.partition(".")[0] not in _STANDARD


def starts_with(chain: Sequence[Step], beginning: Sequence[Step]) -> bool:
    """Return whether `chain` leads through all of `beginning`, which is not empty."""
    return bool(beginning) and tuple(chain[: len(beginning)]) == tuple(beginning)


def beyond(chain: Sequence[Step], container: Sequence[Step]) -> tuple[Step, ...] | None:
    """Return what follows in `chain` after the container that `container` leads to.

    None if the chain does not lead through it. It does when it has the same steps, whatever the
    indexes, or when it comes another way but through the same attribute of the same type.
    """
    if not container:
        return None
    steps = [_shape(step) for step in chain]
    whole = [_shape(step) for step in container]
    if steps[: len(whole)] == whole:
        return tuple(chain[len(whole) :])
    owner = whole[-2:]
    if len(owner) < 2 or is_builtin(owner[0][1]) or not owner[1][0].startswith("."):
        return None
    for at in range(len(steps) - 1):
        if steps[at][1] == owner[0][1] and steps[at + 1] == owner[1]:
            return tuple(chain[at + 2 :])
    return None


def _shape(step: Step) -> tuple[str, str]:
    return anonymous(step.edge), step.type


def short_type(type_name: str) -> str:
    """Return the last part of a type's name."""
    return type_name.rpartition(".")[2] or type_name
