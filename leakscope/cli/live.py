"""What a watch shows on stderr while it runs: a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from leakscope.analysis.compare import compare
from leakscope.cli.console import note
from leakscope.model.census import Census
from leakscope.model.comparison import TypeChange
from leakscope.model.recording import Recording
from leakscope.report.text import bytes_text, printable, sparkline
from leakscope.watching.recorder import Plan
from leakscope.watching.thinning import evenly

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

NARROWEST = 60
"""Columns below which a table is no help; plain lines are printed instead."""

_ROWS = 10
_LOOKED_AT = 16
"""Samples from which a live figure is worked out: it must cost next to nothing."""


class Progress:
    """Follows a recording on stderr. A context manager."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._start_table()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _start_table(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        if console.width < NARROWEST:
            note(f"terminal narrower than {NARROWEST} columns: plain progress lines")
            return
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def sampled(self, recording: Recording, taken: int, plan: Plan) -> None:
        """Show the recording so far."""
        if self._live is None:
            note(_line(recording, taken, plan))
        else:
            self._live.update(_table(recording, taken, plan), refresh=True)

    def gathering(self) -> None:
        """Say that the suspects are being looked into."""
        if self._live is None:
            note("something grows: finding out who holds it")


def _line(recording: Recording, taken: int, plan: Plan) -> str:
    last = recording.censuses[-1]
    grown = _growing(recording)
    lead = f", most: {printable(grown[0].type)} +{grown[0].objects}" if grown else ""
    return f"sample {taken}/{plan.samples}: {_rss(recording)}, pause {last.pause_ms:.1f} ms{lead}"


def _table(recording: Recording, taken: int, plan: Plan) -> Table:
    from rich.table import Table

    last = recording.censuses[-1]
    table = Table(
        title=f"pid {recording.target.pid}   sample {taken}/{plan.samples}   "
        f"{_rss(recording)}   pause {last.pause_ms:.1f} ms   (Ctrl-C ends early)",
        title_justify="left",
        expand=False,
    )
    table.add_column("type", overflow="ellipsis", no_wrap=True, ratio=1)
    for name in ("count", "trend", f"per {recording.work_unit}"):
        table.add_column(name, justify="right", no_wrap=True)
    for change in _growing(recording)[:_ROWS]:
        counts = [_count(census, change.type) for census in recording.censuses]
        slope = "" if change.slope is None else f"{change.slope.estimate:+.3g}"
        table.add_row(_plain(change.type), f"{change.objects_last:,}", sparkline(counts, 12), slope)
    return table


def _growing(recording: Recording) -> tuple[TypeChange, ...]:
    """Return the types that gained objects, most first."""
    if len(recording.censuses) < 2:
        return ()
    few = replace(recording, censuses=evenly(recording.censuses, _LOOKED_AT))
    return tuple(change for change in compare([few]).changes if change.objects > 0)


def _count(census: Census, name: str) -> float:
    total = census.types.get(name)
    return 0.0 if total is None else float(total.objects)


def _plain(name: str) -> str:
    """Escape a name from the target for rich: no markup, no control characters."""
    from rich.markup import escape

    return escape(printable(name))


def _rss(recording: Recording) -> str:
    rss = recording.censuses[-1].metrics.rss
    return "RSS ?" if rss is None else f"RSS {bytes_text(rss)}"
