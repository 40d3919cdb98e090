"""Options and argument types that several commands share, so that they are spelled alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from leakscope.analysis.sizes import parse_size

Command = TypeVar("Command", bound=Callable[..., Any])

if TYPE_CHECKING:
    from leakscope.watching.captures import CaptureChoice
    from leakscope.watching.series import Sites

    _ParamType = click.ParamType[float]
else:
    _ParamType = click.ParamType  # Generic from click 8.5 on only.

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|m|h|d|)")


class Duration(_ParamType):
    """A time span such as `500ms`, `5s`, `10m`, `1h30m`; converted to seconds."""

    name = "duration"

    def __init__(self, *, least: float = 0.001, most: float = 366 * 86400.0) -> None:
        self.least = least
        self.most = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds; fails the command on anything that is not a time span in bounds."""
        if isinstance(value, (int, float)):
            return float(value)
        seconds = parse_duration(str(value))
        if seconds is None:
            self.fail(f"{value!r} is no time span; write 500ms, 5s, 10m or 1h30m", param, ctx)
        if not self.least <= seconds <= self.most:
            self.fail(f"{value!r} is out of bounds: {self.least:g}s to {self.most:g}s", param, ctx)
        return seconds


def parse_duration(text: str) -> float | None:
    """Return the seconds of `500ms`, `5s`, `1h30m`…, None if `text` is no time span."""
    text = text.strip().lower()
    seconds, position = 0.0, 0
    while position < len(text):
        match = _DURATION.match(text, position)
        if match is None or (match[2] == "" and match[0] != text):
            return None
        seconds += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    return seconds if text and math.isfinite(seconds) else None


class Size(_ParamType):
    """A number of bytes such as `4096`, `512KiB`, `1MiB`."""

    name = "size"

    def __init__(self, *, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return bytes; fails the command on anything that is not a size in bounds."""
        if isinstance(value, int):
            return value
        size = parse_size(str(value))
        if size is None:
            self.fail(f"{value!r} is no size; write 4096, 512KiB or 1MiB", param, ctx)
        if not self.least <= size <= self.most:
            self.fail(
                f"{value!r} is out of bounds: {self.least} bytes to {self.most >> 30} GiB",
                param,
                ctx,
            )
        return int(size)


def every_option(default: str) -> Callable[[Command], Command]:
    """`--every`: time between two censuses."""
    return click.option(
        "--every",
        type=Duration(least=0.05),
        default=None,
        help=f"Time between two samples.  [default: {default}, less if --for is short]",
    )


def for_option(default: str) -> Callable[[Command], Command]:
    """`--for`: how long to measure."""
    return click.option(
        "--for",
        "duration",
        type=Duration(least=0.2),
        default=default,
        show_default=True,
        help="How long to measure.",
    )


work_option = click.option(
    "--work",
    metavar="URL#NAME",
    help="Measure per request: read the Prometheus counter NAME at URL (summed over its labels; "
    "without #NAME the first whose name ends in requests_total).",
)

json_option = click.option(
    "--json",
    "json_to",
    metavar="FILE|-",
    help="Write the report as JSON to FILE; `-` prints it on stdout instead of the text.",
)


def limit_option(what: str, default: int = 20) -> Callable[[Command], Command]:
    """`--limit`: how many are shown."""
    return click.option(
        "--limit",
        type=click.IntRange(1, 1000),
        default=default,
        show_default=True,
        help=f"How many {what} to show.",
    )


force_option = click.option("--force", is_flag=True, help="Overwrite files that exist.")

sites_option = click.option(
    "--sites",
    type=click.Choice(["auto", "always", "never", "tracemalloc"]),
    default="auto",
    show_default=True,
    help="Whether to find out where what grows is allocated. `auto`: sample allocations from when "
    "something grows. `always`: from the beginning. `tracemalloc`: every allocation; it slows the "
    "target while it is on.",
)


def chosen_sites(sites: str, choice: CaptureChoice) -> Sites:
    """Return what `--sites` says. Raises `NothingRuns` if that cannot be had with this capture."""
    from leakscope.watching.captures import require_code
    from leakscope.watching.series import Sites

    chosen = Sites(sites)
    if chosen in (Sites.ALWAYS, Sites.TRACEMALLOC):
        require_code(choice, f"--sites {sites}")
    return chosen


sample_bytes_option = click.option(
    "--sample-bytes",
    type=Size(least=256, most=1 << 40),
    default="512KiB",
    show_default=True,
    help="Bytes allocated per sample, on average; in blocks from 32 KiB on eight times as many. "
    "Fewer tell smaller leaks sooner, and cost more.",
)


capture_option = click.option(
    "--capture",
    "capture_kind",
    type=click.Choice(["auto", "native", "portable", "readonly"]),
    default="auto",
    show_default=True,
    help="How to count. `native`: in a frozen copy of the heap, a pause of about a millisecond. "
    "`portable`: with Python in the target, a pause that grows with the heap. "
    "`readonly`: by reading its memory; nothing runs in the target and nothing stops, what gc does "
    "not track is not counted, and holders have no names.",
)


def output_option(*, required: bool, help_text: str) -> Callable[[Command], Command]:
    """`-o FILE`: where the recording goes."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        required=required,
        help=help_text,
    )
