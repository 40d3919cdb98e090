"""Settings from `[tool.leakscope]` in the nearest pyproject.toml."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leakscope.errors import UsageError


class BadSettings(UsageError):
    """`[tool.leakscope]` says something that makes no sense."""

    hint = "README, 'leakscope check', lists the settings."


@dataclass(frozen=True, slots=True)
class Settings:
    """What `leakscope check` takes from the project when the command line does not say."""

    max_growth: tuple[str, ...] = ()
    """Budgets as on the command line: `TYPE-GLOB=0.01/request`."""
    load: str | None = None
    work: str | None = None
    every: str | None = None
    duration: str | None = None
    server: tuple[str, ...] = ()


_KEYS = {
    "max-growth": "max_growth",
    "load": "load",
    "work": "work",
    "every": "every",
    "for": "duration",
    "server": "server",
}
_LISTS = ("max-growth", "server")


def settings_from(directory: Path) -> Settings:
    """Return the settings of the nearest pyproject.toml at or above `directory`.

    Raises `BadSettings` if the file is no TOML or names unknown or mistyped settings.
    """
    for folder in (directory, *directory.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return _settings(file)
    return Settings()


def _settings(file: Path) -> Settings:
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
    unknown = sorted(set(ours) - set(_KEYS))
    if unknown:
        raise BadSettings(
            f"{file}: unknown setting {unknown[0]!r} in [tool.leakscope]",
            hint=f"Settings are {', '.join(sorted(_KEYS))}.",
        )
    checked: dict[str, Any] = {_KEYS[k]: _checked(file, k, v) for k, v in ours.items()}
    return Settings(**checked)


def _checked(file: Path, key: str, value: object) -> str | tuple[str, ...]:
    """Return a setting's value in the type its field has."""
    if key == "max-growth" and isinstance(value, dict):
        value = [f"{pattern}={rate}" for pattern, rate in value.items()]
    if key in _LISTS:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise BadSettings(f"{file}: tool.leakscope.{key} must be a list of strings")
        return tuple(value)
    if not isinstance(value, str):
        raise BadSettings(f"{file}: tool.leakscope.{key} must be a string")
    return value
