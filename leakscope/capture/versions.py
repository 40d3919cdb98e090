"""Which Python a process runs, from what its image says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

OLDEST = (3, 9)
NEWEST = (3, 15)

_LEVELS = {0xA: "a", 0xB: "b", 0xC: "rc"}
_BANNER = re.compile(
    rb"(?P<version>[23]\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?)\+? "
    rb"(?:experimental )?(?P<free>free-threading build )?\([^\0\n]{1,80}\) ?\n?\[[^\0]{1,80}\]"
)
_NAME = re.compile(r"python([23]\.\d{1,2})(t?)")

BROUGHT_BY = (
    ("PySys_GetAttr", "3.15"),
    ("PyUnstable_Object_IsUniqueReferencedTemporary", "3.14"),
    ("PyDict_GetItemRef", "3.13"),
    ("PyFrame_GetVar", "3.12"),
    ("Py_Version", "3.11"),
    ("Py_Is", "3.10"),
    ("PyModule_AddType", "3.9"),
)
"""Symbols and the minor version that brought them, newest first.

The first that an image has tells its version, roughly: a version newer than the newest here looks
like that one, one without any of them is older than the oldest.
"""


@dataclass(frozen=True, slots=True)
class PythonVersion:
    """The version of an interpreter, and whether it is a build without the GIL."""

    text: str
    """For example `3.12.1` or `3.15.0b2`; `3.12` when no more is known."""
    free_threaded: bool = False

    @property
    def minor(self) -> tuple[int, int]:
        """The first two numbers, for example `(3, 12)`."""
        major, minor = re.findall(r"\d+", self.text)[:2]
        return int(major), int(minor)

    @property
    def is_supported(self) -> bool:
        """Whether leakscope knows this version as a target (free-threaded builds apart)."""
        return OLDEST <= self.minor <= NEWEST


def from_hexversion(hexversion: int) -> str:
    """Return the text of a `PY_VERSION_HEX`, for example `3.13.0rc1`."""
    numbers = ".".join(str(hexversion >> shift & 0xFF) for shift in (24, 16, 8))
    level = _LEVELS.get(hexversion >> 4 & 0xF)
    return f"{numbers}{level}{hexversion & 0xF}" if level else numbers


def from_banner(memory: bytes) -> PythonVersion | None:
    """Return the version that `sys.version` tells, found in an interpreter's static data.

    `Py_GetVersion` keeps that text from the first moments of an interpreter on.
    """
    found = _BANNER.search(memory)
    return PythonVersion(found["version"].decode(), bool(found["free"])) if found else None


def from_file_name(name: str) -> PythonVersion | None:
    """Return the minor version in the name of an executable or library, None if there is none."""
    found = _NAME.search(name)
    return PythonVersion(found[1], bool(found[2])) if found else None
