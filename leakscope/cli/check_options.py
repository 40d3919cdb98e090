"""The options of `leakscope check` that no other command has, in groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from leakscope.cli.options import Command, Duration


def _in_order(command: Command, *options: Callable[[Any], Any]) -> Command:
    """Give `command` all of `options`, listed in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def pace_options(command: Command) -> Command:
    """Say how much is measured, and when."""
    return _in_order(
        command,
        click.option(
            "--rounds",
            type=click.IntRange(1),
            help="Rounds that count, 6 or more.  [default: 8]",
        ),
        click.option(
            "--warm-up",
            type=click.IntRange(0),
            help="Rounds before them.  [default: 2]",
        ),
        click.option(
            "--round-timeout",
            type=Duration(least=0.1),
            default="2m",
            show_default=True,
            help="How long one round may take.",
        ),
        click.option(
            "--for",
            "duration",
            type=Duration(least=0.2),
            help="Sample by the clock for so long, the load running over and over, instead of in "
            "rounds.",
        ),
        click.option(
            "--every",
            type=Duration(least=0.05),
            help="Time between two samples by the clock.  [default: 2s, less if --for is short]",
        ),
        click.option(
            "--canary",
            type=click.FloatRange(0, min_open=True),
            is_flag=False,
            flag_value=0.1,
            metavar="[RATE]",
            help="Plant a leak of RATE objects per unit of work (0.1 if not given) in the target "
            "while it is measured, and fail as not measured if it is not found.",
        ),
        click.option(
            "--no-longer",
            is_flag=True,
            help="Decide at once. Otherwise what would not pass is measured for as long again.",
        ),
    )


def ready_options(command: Command) -> Command:
    """Say when the server can be driven."""
    return _in_order(
        command,
        click.option(
            "--ready-timeout",
            type=Duration(),
            default="30s",
            show_default=True,
            help="How long the server may take until it can be driven.",
        ),
        click.option(
            "--ready-url",
            metavar="URL",
            help="It can be driven once URL is answered.  [default: once it listens]",
        ),
        click.option(
            "--ready-line",
            metavar="REGEX",
            help="It can be driven once it has printed a line that REGEX matches.",
        ),
        click.option(
            "--ready-after",
            type=Duration(),
            help="It can be driven once it has run for so long: a program that listens on no port.",
        ),
    )


def budget_options(command: Command) -> Command:
    """Say what may grow."""
    return _in_order(
        command,
        click.option(
            "--max-growth",
            multiple=True,
            metavar="GLOB=RATE/UNIT",
            help="How fast what matches GLOB (a type, a holder, or `rss`) may grow: "
            "'shop.*=0.01/request', 'shop.CACHE=64B/request', 'rss=1KiB/request'. May be given "
            "several times, the longest pattern that matches counts. Nothing may grow by default. "
            "Memory outside of objects goes by its layer's name: 'native*=1KiB/request'.",
        ),
        click.option(
            "--baseline",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Leaks that are known and let the build pass.",
        ),
        click.option(
            "--update-baseline",
            is_flag=True,
            help="Write what was found to the baseline, and pass.",
        ),
    )
