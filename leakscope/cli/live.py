"""What a watch shows on stderr while it runs: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from leakscope.analysis.growth import Judged
from leakscope.analysis.leaders import Leaders, leading_types
from leakscope.cli.console import note
from leakscope.model.recording import Recording
from leakscope.model.trend import Label
from leakscope.report.text import bytes_text, printable, sparkline

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

NARROWEST = 60
"""Columns below which a table is no help; plain lines are printed instead."""

_ROWS = 10


class Screen:
    """A table on stderr that is drawn again and again, if that is a terminal wide enough."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def start(self) -> None:
        """Begin to show tables where they can be shown."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        if console.width < NARROWEST:
            note(f"terminal narrower than {NARROWEST} columns: plain progress lines")
            return
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def stop(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()

    @property
    def is_on(self) -> bool:
        """Whether tables are shown."""
        return self._live is not None

    def show(self, table: Table) -> None:
        """Show a table in place of the one before."""
        if self._live is not None:
            self._live.update(table, refresh=True)

    def say(self, text: str) -> None:
        """Print a line, above the table if there is one."""
        if self._live is None:
            note(text)
        else:
            self._live.console.print(text, markup=False, highlight=False)


class Progress:
    """Follows a recording on stderr. A context manager."""

    def __init__(self) -> None:
        self._screen = Screen()

    def __enter__(self) -> Progress:
        self._screen.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._screen.stop()

    def sampled(self, recording: Recording, taken: int, of: int) -> None:
        """Show the recording so far."""
        if self._screen.is_on:
            self._screen.show(table_of(recording, taken, of))
        else:
            note(line_of(recording, taken, of))

    def gathering(self) -> None:
        """Say that the suspects are being looked into."""
        if not self._screen.is_on:
            note("something grows: finding out who holds it")

    def locating(self) -> None:
        """Say that one more round is run, and what for."""
        self._screen.say("one more round, to find out where what grows is allocated")

    def prolonged(self, reason: str, samples: int) -> None:
        """Say that the watch goes on, and how to end it."""
        self._screen.say(
            f"{printable(reason)}: going on for as long again, until sample "
            f"{samples}; Ctrl-C ends it, --no-longer forbids it"
        )


def line_of(recording: Recording, taken: int, of: int) -> str:
    """Return what there is to say after one sample, on one line."""
    last = recording.censuses[-1]
    leaders = leading_types(recording, 1)
    lead = "".join(
        f", most: {printable(item.trend.key)} +{_gained(item):.0f}{_so_far(leaders, item)}"
        for item in leaders.types
    )
    return f"sample {taken}/{of}: {_rss(recording)}, pause {last.pause_ms:.1f} ms{lead}"


def _so_far(leaders: Leaders, item: Judged) -> str:
    return "" if leaders.missing else f" ({_words(leaders, item)})"


def table_of(recording: Recording, taken: int, of: int) -> Table:
    """Return the types that gained most, and what each looks like so far."""
    from rich.table import Table

    last = recording.censuses[-1]
    table = Table(
        title=f"pid {recording.target.pid}   sample {taken}/{of}   "
        f"{_rss(recording)}   pause {last.pause_ms:.1f} ms   (Ctrl-C ends early)",
        title_justify="left",
        expand=False,
    )
    table.add_column("type", overflow="ellipsis", no_wrap=True, ratio=1)
    for name in ("count", "trend", f"per {recording.work_unit}"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("so far", no_wrap=True)
    leaders = leading_types(recording, _ROWS)
    for item in leaders.types:
        slope = "" if leaders.missing else f"{item.trend.slope.estimate:+.3g}"
        table.add_row(
            plain(item.trend.key),
            f"{item.trend.last:,.0f}",
            sparkline(item.followed.values.tolist(), 12),
            slope,
            _words(leaders, item),
        )
    return table


def _words(leaders: Leaders, item: Judged) -> str:
    """Say what a type looks like so far."""
    if leaders.missing:
        return f"needs {leaders.missing} more sample{'' if leaders.missing == 1 else 's'}"
    return _WORDS.get(item.trend.label, item.trend.label.value)


_WORDS = {
    Label.LINEAR: "confirmed linear",
    Label.UNCONFIRMED: "rising, not confirmed",
    Label.SATURATING: "filling",
}


def _gained(item: Judged) -> float:
    return item.trend.last - item.trend.first


def plain(name: str) -> str:
    """Escape a name from the target for rich: no markup, no control characters."""
    from rich.markup import escape

    return escape(printable(name))


def _rss(recording: Recording) -> str:
    rss = recording.censuses[-1].metrics.rss
    return "RSS ?" if rss is None else f"RSS {bytes_text(rss)}"
