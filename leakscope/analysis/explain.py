"""Plain words for a finding: what happens, and what to do about it.

Everything is read off the structure of the chain, nothing off the name of a package, except where
the interpreter itself or its library is the owner.
"""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.analysis.names import (
    is_builtin,
    is_weak_reference,
    path_of,
    short_path,
    short_type,
)
from leakscope.analysis.owners import well_known
from leakscope.model.evidence import HELD_BY, Site, Step, bound_of, is_garbage
from leakscope.model.unheld import UNHELD_CAUSE

_TASKS = frozenset({"Task", "coroutine", "Future", "async_generator", "generator"})
_GREENLET = "greenlet"
"""How the names of classes end whose objects are greenlets, as a rule."""
_FAILURES = frozenset({"traceback", "frame"})


def explain_holder(
    path: str,
    holder_type: str,
    chain: Sequence[Step],
    entry: Sequence[Step],
    leading: str,
    site: Site | None,
) -> str:
    """Return what a holder does wrong and how to put it right, in a sentence or two."""
    inside = [short_type(step.type) for step in entry] or [short_type(leading)]
    owner = well_known(path_of(chain))
    if owner is not None:
        return f"{path} is {owner.is_}{_with(leading)}. {owner.cure}"
    cache = _function_cache(chain)
    if cache:
        bound = bound_of(chain)
        stays = "for good" if bound is None else f"until there are {bound:,} of them"
        return (
            f"{cache} is a functools cache without an effective bound: each new "
            f"combination of arguments stays {stays}{_with(leading)}. Give it a "
            f"{'smaller ' if bound else ''}maxsize, or cache a function whose arguments are few "
            "and small (a method's cache keeps every self)."
        )
    if _FAILURES & set(inside):
        return (
            f"Errors are kept in {path} with their tracebacks, and so with the frames and all "
            f"their local variables{_with(leading)}. Keep the formatted text instead."
        )
    kinds = {short_type(leading), *inside}
    if _TASKS & kinds:
        return _waiting("Tasks", "cancel", path, site)
    if any(kind.lower().endswith(_GREENLET) for kind in kinds):
        return _waiting("Greenlets", "kill", path, site)
    if any(kind in ("function", "cell", "method", "partial") for kind in inside):
        return _callbacks(path, entry, leading, site)
    if is_weak_reference(leading):
        return (
            f"Weak references are added to {path} and never removed. Remove them when what they "
            "refer to goes, or use a container that does so by itself."
        )
    return _entries(path, holder_type, entry, leading)


def explain_type(
    type_name: str, chain: Sequence[Step], *, unheld: bool = False, located: bool = False
) -> str:
    """Return what is known of a type that grows in no container that could be followed.

    `unheld`: nobody seen holds its objects. `located`: the report says where they are allocated.
    """
    name = short_type(type_name)
    if unheld:
        cure = (
            "Look at the C extensions that are handed what is allocated there."
            if located
            else "`leakscope alloc PID` tells where they are allocated, and so does a watch with "
            "`--sites always`: look at the C extensions that are handed them."
        )
        return (
            f"More and more {name} objects stay alive, and nobody whom leakscope sees holds them: "
            f"{UNHELD_CAUSE}. {cure}"
        )
    if len(chain) == 1 and chain[0].edge == HELD_BY:
        return (
            f"More and more {name} objects stay alive, and nothing in the heap refers to the "
            "latest of them: C code holds them, or took references that it never gave back. Look "
            "at the C extensions that handle such objects."
        )
    if chain and chain[0].edge == HELD_BY:
        return (
            f"More and more {name} objects stay alive. Nothing that was seen refers to the "
            f"{short_type(chain[0].type)} that the chain begins at: C code holds it, an extension "
            "or the interpreter itself, as it does what is registered with `atexit`."
        )
    if is_garbage(chain):
        return (
            f"More and more {name} objects are garbage: only the cycle that they are part of holds "
            "them, and the collector has not got to it. It is switched off, frozen, or comes too "
            "seldom (`gc.disable`, `gc.freeze`, `gc.set_threshold`). Break the cycle where it is "
            "made, or have the collector run."
        )
    error = _kept_error(chain)
    if error:
        return (
            f"{error} keeps its traceback, and so the frames that it came through and all their "
            "local variables. Make a new exception each time one is raised, or let go of the "
            "traceback when it was handled (`error.__traceback__ = None`)."
        )
    if chain:
        return (
            f"More and more {name} objects stay alive, and no one container was seen to grow with "
            "them. The chain shows what holds one of the latest: look for what is linked or "
            "attached there and never let go."
        )
    return (
        f"More and more {name} objects stay alive; no way to them from a module, thread or task "
        "was found. Look at where they are made: something keeps them, C code perhaps."
    )


def explain_size(type_name: str, chain: Sequence[Step]) -> str:
    """Return what is known of a type whose objects get larger while their number stays."""
    name = short_type(type_name)
    if chain:
        return (
            f"The {name} at {short_path(path_of(chain))} gets ever larger: what is added to it "
            "stays. Empty it once it was used, begin a new one, or bound it."
        )
    return (
        f"Objects of type {name} get ever larger while their number stays the same; which of them "
        "does was not found out. Look for one that is only ever added to."
    )


def _kept_error(chain: Sequence[Step]) -> str:
    """Return the name of the exception whose traceback a chain leads through, empty if of none."""
    for index, step in enumerate(chain):
        if index and short_type(step.type) == "traceback":
            return path_of(chain[:index])
    return ""


def _entries(path: str, holder_type: str, entry: Sequence[Step], leading: str) -> str:
    container = short_type(holder_type)
    added = f"Entries are added to {path} ({_article(container)}) and never removed"
    through = [step.edge for step in entry[1:] if step.edge.startswith(".")]
    if len(entry) > 1 and through and not is_builtin(leading):
        return (
            f"{added}; each keeps a whole {short_type(leading)} alive through {''.join(through)}. "
            "Store only the fields that are needed, and remove entries when they are done with."
        )
    if not is_builtin(leading):
        return (
            f"{added}; each keeps {_article(short_type(leading))} alive. Remove entries when they "
            "are done with, or bound the container."
        )
    return f"{added}. Remove them when they are done with, or bound its size or their age."


def _waiting(who: str, end: str, path: str, site: Site | None) -> str:
    where = f" at {_place(site)}" if site is not None else ""
    return (
        f"{who} wait{where} for something that never comes, and {path} keeps them. See that it "
        f"comes, or is given up: close or {end}, or wait with a timeout."
    )


def _callbacks(path: str, entry: Sequence[Step], leading: str, site: Site | None) -> str:
    defined = f" (defined at {_place(site)})" if site is not None else ""
    captured = next((s.edge for s in entry if s.edge.startswith("closure variable ")), None)
    keeps = f"; each keeps what it captured alive: {captured}" if captured else _with(leading)
    return (
        f"Functions{defined} are registered in {path} and never unregistered{keeps}. Unregister "
        "them when they have served, and capture only what they need."
    )


def _with(leading: str) -> str:
    return "" if is_builtin(leading) else f", and with it {_article(short_type(leading))}"


def _function_cache(chain: Sequence[Step]) -> str:
    """Return the name of the function cache that a chain ends in, empty if it does not."""
    for index in range(max(0, len(chain) - 2), len(chain)):
        if short_type(chain[index].type) == "_lru_cache_wrapper":
            return path_of(chain[: index + 1])
    return ""


def _place(site: Site) -> str:
    return f"{site.file}:{site.line} in {site.function}"


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
