"""Commands whose options may be settings of the project: the command line, else pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from leakscope.config import Shape, settings_from


class ProjectCommand(click.Command):
    """Takes what the command line does not say from `[tool.leakscope]`.

    A setting has the name of its option: `max-growth` for `--max-growth`, `server` for the
    argument.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> click.Context:
        """Return the context, with the settings as defaults; raise `BadSettings`."""
        by_setting = {_setting(p): p for p in self.params if isinstance(p.name, str)}
        shapes = {key: _shape(p) for key, p in by_setting.items() if not p.is_eager}
        settings = settings_from(Path.cwd(), shapes)
        defaults = {by_setting[key].name: value for key, value in settings.items()}
        return super().make_context(info_name, args, parent, default_map=defaults, **extra)


def was_typed(context: click.Context, *names: str) -> bool:
    """Return whether one of the parameters `names` was given on the command line."""
    typed = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    return any(context.get_parameter_source(name) in typed for name in names)


def _setting(parameter: click.Parameter) -> str:
    longest = max(parameter.opts, key=len)
    return longest.lstrip("-")


def _shape(parameter: click.Parameter) -> Shape:
    if parameter.multiple or parameter.nargs != 1:
        return Shape.LIST
    if isinstance(parameter, click.Option) and parameter.is_flag:
        return Shape.FLAG
    return Shape.TEXT
