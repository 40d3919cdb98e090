"""Settings from `[tool.leakscope]` in the nearest pyproject.toml."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from leakscope.errors import UsageError


class BadSettings(UsageError):
    """`[tool.leakscope]` says something that makes no sense."""

    hint = "README, 'leakscope check', lists the settings."


class Shape(Enum):
    """What a setting may be."""

    TEXT = "a string or a number"
    LIST = "a list of strings"
    """Or a table: `"a" = "b"` means `a=b`."""
    FLAG = "true or false"


Setting = str | bool | tuple[str, ...]


def settings_from(directory: Path, shapes: Mapping[str, Shape]) -> dict[str, Setting]:
    """Return the settings of the nearest pyproject.toml at or above `directory`.

    `shapes` says which there may be. Raises `BadSettings` if the file is no TOML or has others.
    """
    for folder in (directory, *directory.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return _settings(file, shapes)
    return {}


def _settings(file: Path, shapes: Mapping[str, Shape]) -> dict[str, Setting]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadSettings(f"cannot read {file}: {problem}") from None
    tool = table.get("tool", {})
    ours = tool.get("leakscope", {}) if isinstance(tool, dict) else {}
    if not isinstance(ours, dict):
        raise BadSettings(f"{file}: tool.leakscope is not a table")
    unknown = sorted(set(ours) - set(shapes))
    if unknown:
        raise BadSettings(
            f"{file}: unknown setting {unknown[0]!r} in [tool.leakscope]",
            hint=f"Settings are {', '.join(sorted(shapes))}.",
        )
    return {key: _checked(file, key, value, shapes[key]) for key, value in ours.items()}


def _checked(file: Path, key: str, value: object, shape: Shape) -> Setting:
    if shape is Shape.LIST:
        if isinstance(value, dict):
            value = [f"{name}={setting}" for name, setting in value.items()]
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif shape is Shape.FLAG:
        if isinstance(value, bool):
            return value
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise BadSettings(f"{file}: tool.leakscope.{key} must be {shape.value}")
