"""What a reference from one object to another is called.

Some objects are part of how another one is made (the `__dict__` of an instance, the cell of a
closure variable); a reference to them gets no name, and a context that helps to name the next.
Values are never told; keys only when they look like names.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from gc import get_referents
from itertools import compress, count
from typing import TYPE_CHECKING, Any

from leakscope.capture.payload.classes import (
    FRAME,
    FUNCTION,
    class_lookup,
    class_namespace,
    inherits,
    type_name,
)
from leakscope.capture.payload.coroutines import (
    awaited_by,
    coroutine_of,
    frame_of,
    is_suspendable,
)
from leakscope.capture.payload.frames import function_name, local_names
from leakscope.capture.payload.instances import attribute_name, is_attribute_dict
from leakscope.capture.payload.modules import MODULE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.capture.payload.passes import Thing

    Hop = tuple[str | None, tuple[str, str]]

NO_CONTEXT = ("", "")
UNNAMED = "<reference>"
_METHOD = type(len)
_BOUND = type(type("", (), {"f": lambda self: self})().f)
_CELL = type((lambda x: lambda: x)(0).__closure__[0])  # type: ignore[index]
_FIELDS = {
    id(FUNCTION): ("__wrapped__", "__code__", "__globals__", "__module__", "__doc__"),
    id(_BOUND): ("__self__", "__func__"),
    id(_METHOD): ("__self__",),
    id(partial): ("func",),
    id(property): ("fget", "fset", "fdel"),
    id(staticmethod): ("__func__",),
    id(classmethod): ("__func__",),
}
_LONGEST_KEY = 40


def hop(parent: Thing, child: Thing, context: tuple[str, str]) -> Hop:
    """Name the reference from `parent` to `child`; `context` is what the last hop gave.

    The name is None when `child` is only a part of `parent`.
    """
    cls = type(parent)
    if cls is _CELL:
        return (context[1] or "<cell>", NO_CONTEXT)
    if cls is FUNCTION:
        return _hop_from_function(parent, child)
    if is_suspendable(parent) or cls is FRAME:
        return _hop_from_frame(parent, child)
    if inherits(cls, type):
        return _hop_from_class(parent, child)
    if cls is MODULE or is_attribute_dict(parent, child):
        return (None, ("attributes", ""))
    for base, name in _SIZED.items():
        if inherits(cls, base):
            found = name(parent, id(child), context)
            if found:
                return found
    return _hop_from_instance(parent, child)


def part_name(context: tuple[str, str]) -> str:
    """Return what the reference to a part is called when nothing comes after it."""
    kind, text = context
    if kind == "variable" or kind == "inside":
        return text
    return _PARTS.get(kind, "frame")


_PARTS = {
    "attributes": ".__dict__",
    "closure": ".__closure__",
    "defaults": ".__defaults__",
    "keyword defaults": ".__kwdefaults__",
}


def _hop_from_function(function: Thing, child: Thing) -> Hop:
    own = function_name(function.__code__)
    if child is function.__closure__:
        names = function.__code__.co_freevars
        return (None, ("closure", "%s\n%s" % (own, "\n".join(names))))
    if child is function.__defaults__:
        return (None, ("defaults", own))
    if child is function.__kwdefaults__:
        return (None, ("keyword defaults", own))
    if type(child) is dict and child is function.__dict__:
        return (None, ("attributes", ""))
    return (_field(function, child) or UNNAMED, NO_CONTEXT)


def _hop_from_frame(owner: Thing, child: Thing) -> Hop:
    if type(child) is FRAME and type(owner) is not FRAME:
        return (None, NO_CONTEXT)
    frame = owner if type(owner) is FRAME else frame_of(owner)
    if frame is None:
        return (UNNAMED, NO_CONTEXT)
    own = function_name(frame.f_code)
    name = local_names(frame).get(id(child))
    if name:
        return ("local %s of %s" % (name, own), NO_CONTEXT)
    if owner is frame and child is frame.f_back:
        return ("caller of %s" % own, NO_CONTEXT)
    return ("awaited by %s" % own if awaited_by(owner) is child else UNNAMED, NO_CONTEXT)


def _hop_from_class(cls: Thing, child: Thing) -> Hop:
    namespace = class_namespace(cls)
    if type(child) is dict and id(child) in map(id, get_referents(namespace)):
        return (None, ("attributes", ""))
    return (UNNAMED, NO_CONTEXT)


def _hop_from_instance(instance: Thing, child: Thing) -> Hop:
    if type(instance) is partial:
        for part in ("args", "keywords"):
            if getattr(instance, part) is child:
                return (None, ("inside", "." + part))
    name = attribute_name(instance, id(child))
    if name:
        return ("." + name, NO_CONTEXT)
    if coroutine_of(instance) is child:
        return ("coroutine", NO_CONTEXT)
    return (_field(instance, child) or _kind_of_reference(instance, child), NO_CONTEXT)


def _kind_of_reference(instance: Thing, child: Thing) -> str:
    """Return what can be said of a reference that C code holds and gives no name to."""
    name = type_name(type(instance))
    if name == "functools._lru_cache_wrapper":
        return _in_cache(instance) if type(child) is dict else "lru_cache entry"
    return "callback" if name == "_asyncio.Future" else UNNAMED


def _in_cache(cache: Thing) -> str:
    """Return what the entries of a function's cache are called, with its bound if it has one."""
    teller: Any = vars(cache).get("cache_parameters")
    if type(teller) is not FUNCTION or not teller.__closure__:
        return "lru_cache entries"
    cells = dict(zip(teller.__code__.co_freevars, teller.__closure__))  # noqa: B905
    try:
        bound = cells["maxsize"].cell_contents
    except (KeyError, ValueError):
        bound = None
    return "lru_cache entries (at most %d)" % bound if type(bound) is int else "lru_cache entries"


def _field(value: Thing, child: Thing) -> str | None:
    """Return the field of a built-in object that refers to `child`."""
    for name in _FIELDS.get(id(type(value)), ()):
        if getattr(value, name, None) is child:
            return "." + name
    return None


def _key_hop(container: Thing, child: int, context: tuple[str, str]) -> Hop | None:
    values = map(child.__eq__, map(id, dict.values(container)))
    keys = list(compress(dict.keys(container), values))
    if not keys:
        is_key = child in map(id, dict.keys(container))
        return ("<key>", NO_CONTEXT) if is_key else None
    key = keys[0]
    if context[0] == "attributes" and type(key) is str:
        return ("." + key[:_LONGEST_KEY], NO_CONTEXT)
    if context[0] == "keyword defaults":
        return ("default of %s in %s" % (key, context[1]), NO_CONTEXT)
    return (context[1] + "[%s]" % key_shape(key), NO_CONTEXT)


def _index_hop(container: Thing, child: int, context: tuple[str, str]) -> Hop | None:
    indices = list(compress(count(), map(child.__eq__, map(id, _iterate(container)))))
    if not indices:
        return None
    index = indices[0]
    if context[0] == "closure":
        own, *names = context[1].split("\n")
        return (None, ("variable", "closure variable %s of %s" % (names[index], own)))
    if context[0] == "defaults":
        return ("default argument of %s" % context[1], NO_CONTEXT)
    fields = class_lookup(type(container), "_fields")
    if type(container) is not tuple and type(fields) is tuple and index < len(fields):
        return (".%s" % fields[index], NO_CONTEXT)
    return (context[1] + "[%d]" % index, NO_CONTEXT)


def _iterate(container: Thing) -> Iterator[Thing]:
    for base in (list, tuple, deque):
        if inherits(type(container), base):
            return base.__iter__(container)
    return iter(())


def _element_hop(container: Thing, child: int, context: tuple[str, str]) -> Hop | None:
    del context
    base = set if inherits(type(container), set) else frozenset
    is_element = child in map(id, base.__iter__(container))
    return ("<element>", NO_CONTEXT) if is_element else None


_SIZED = {
    dict: _key_hop,
    list: _index_hop,
    tuple: _index_hop,
    deque: _index_hop,
    set: _element_hop,
    frozenset: _element_hop,
}


def key_shape(key: Thing) -> str:
    """Return a key as it may be told: a name as it is, anything else as its type and length."""
    if type(key) is str:
        plain = key.isascii() and key.replace(".", "_").replace("-", "_").isidentifier()
        return "'%s'" % key if plain and len(key) <= _LONGEST_KEY else "<str len %d>" % len(key)
    if type(key) is bytes or type(key) is tuple:
        return "<%s len %d>" % (type(key).__name__, len(key))
    return "<%s>" % type_name(type(key))
