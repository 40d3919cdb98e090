"""What types are called and what they define, read without running any code of theirs.

A metaclass may define anything, so types are never asked: not for attributes, not for a hash, not
whether they are equal. Everything is read through the descriptors of `type` itself, and types are
told apart by `id`.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leakscope.capture.payload.passes import Thing

_qualname_of = type.__dict__["__qualname__"].__get__
_module_of = type.__dict__["__module__"].__get__
_mro_of = type.__dict__["__mro__"].__get__
_namespace_of = type.__dict__["__dict__"].__get__
_basicsize_of = type.__dict__["__basicsize__"].__get__
_flags_of = type.__dict__["__flags__"].__get__

FUNCTION: Thing = type(lambda: None)
FRAME: Thing = type((lambda: (yield))().gi_frame)  # type: ignore[attr-defined]
_MEASURING_MODULES = ("builtins", "collections", "array", "_io", "functools", "itertools", "re")
_LONGEST_NAME = 300


def ids_of(*types: type) -> frozenset[int]:
    """Return the ids of `types`: comparing types themselves would ask their metaclasses."""
    return frozenset(map(id, types))


_C_DESCRIPTORS = ids_of(type(list.__len__), type(list.append))


def is_one_of(value: object, types: frozenset[int]) -> bool:
    """Return whether the type of `value` is exactly one of `types` (see `ids_of`)."""
    return id(type(value)) in types


def type_name(cls: type) -> str:
    """Return `module.qualname` of `cls`, or the qualname alone where the module is no string."""
    try:
        module = _module_of(cls)
    except AttributeError:
        module = None
    name = _qualname_of(cls)
    name = name if type(name) is str else "?"
    name = "%s.%s" % (module, name) if type(module) is str and module else name
    return name[:_LONGEST_NAME]


def mro_of(cls: type) -> tuple[type, ...]:
    """Return the classes that `cls` inherits from, itself first."""
    return _mro_of(cls) or (cls,)


def class_lookup(cls: type, name: str) -> Thing:
    """Return what `cls` or the nearest of its bases defines as `name`; None if none does."""
    for base in mro_of(cls):
        namespace = _namespace_of(base)
        if name in namespace:
            return namespace[name]
    return None


def class_namespace(cls: type) -> dict[str, Thing]:
    """Return a read-only view of what `cls` itself defines."""
    return _namespace_of(cls)  # type: ignore[no-any-return]


def inherits(cls: type, base: type) -> bool:
    """Return whether `base` is among the bases of `cls`, whatever its metaclass pretends."""
    return id(base) in map(id, mro_of(cls))


def is_measured_in_c(cls: type, method: str) -> bool:
    """Return whether `method` (`__len__`, `__sizeof__`) of `cls` is the interpreter's own."""
    found = class_lookup(cls, method)
    if not is_one_of(found, _C_DESCRIPTORS):
        return False
    owner = found.__objclass__
    return inherits(cls, owner) and type_name(owner).partition(".")[0] in _MEASURING_MODULES


def basic_size(cls: type) -> int:
    """Return the bytes that every instance of `cls` takes, with the headers before it."""
    flags = _flags_of(cls)
    headers = 16 * bool(flags & 1 << 14) + 16 * bool(flags & 3 << 3)
    return int(_basicsize_of(cls) + headers)


def is_heap_type(cls: type) -> bool:
    """Return whether `cls` was made at run time: every class, and some types of C modules."""
    return bool(_flags_of(cls) & 1 << 9)


def subclasses_of(cls: type) -> dict[int, type]:
    """Return `cls` and all classes that inherit from it, by id."""
    found = {id(cls): cls}
    level = [cls]
    while level:
        below: list[type] = list(chain.from_iterable(map(type.__subclasses__, level)))
        new = dict(zip(map(id, below), below))  # noqa: B905
        level = [new[i] for i in new if i not in found]
        found.update(new)
    return found
