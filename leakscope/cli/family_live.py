"""What a watch of several processes shows on stderr: their total, and how many of them rise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leakscope.analysis.leaders import SharedLeader, shared_leaders
from leakscope.cli.console import note
from leakscope.cli.live import Screen, plain
from leakscope.model.recording import Recording
from leakscope.report.text import bytes_text, plural, printable, sparkline

if TYPE_CHECKING:
    from rich.table import Table

_ROWS = 10


class FamilyProgress:
    """Follows the recordings of a family on stderr. A context manager."""

    def __init__(self) -> None:
        self._screen = Screen()

    def __enter__(self) -> FamilyProgress:
        self._screen.start()
        return self

    def __exit__(self, *_ended: object) -> None:
        self._screen.stop()

    def sampled(self, recordings: Sequence[Recording], taken: int, of: int) -> None:
        """Show the recordings so far."""
        if self._screen.is_on:
            self._screen.show(family_table(recordings, taken, of))
        else:
            note(family_line(recordings, taken, of))

    def noted(self, text: str) -> None:
        """Say what happened."""
        self._screen.say(printable(text))

    def prolonged(self, reason: str, samples: int) -> None:
        """Say that the watch goes on, and how to end it."""
        self.noted(
            f"{reason}: going on for as long again, until sample {samples}; Ctrl-C ends it, "
            "--no-longer forbids it"
        )

    def of_one(self, pid: int) -> OfOne:
        """Return who follows the recording of one process."""
        return OfOne(self, pid)


class OfOne:
    """Says when one process of a family is looked into; its samples are shown with the others'."""

    def __init__(self, all_of_them: FamilyProgress, pid: int) -> None:
        self._all = all_of_them
        self._pid = pid

    def sampled(self, recording: Recording, taken: int, of: int) -> None:
        """Show nothing yet."""

    def gathering(self) -> None:
        """Say that the suspects are being looked into."""
        self._all.noted(f"something grows in pid {self._pid}: finding out who holds it")

    def locating(self) -> None:
        """Show nothing: workers run no rounds."""

    def prolonged(self, reason: str, samples: int) -> None:
        """Show nothing: they go on together."""


def family_line(recordings: Sequence[Recording], taken: int, of: int) -> str:
    """Return what there is to say after one round, on one line."""
    lead = "".join(
        f", most: {printable(each.type)} +{each.gained:,.0f} ({_rising(each)})"
        for each in shared_leaders(recordings, 1)
    )
    return f"{_head(recordings, taken, of)}{lead}"


def family_table(recordings: Sequence[Recording], taken: int, of: int) -> Table:
    """Return the types that gained most in all processes together."""
    from rich.table import Table

    title = f"{_head(recordings, taken, of)}   (Ctrl-C ends early)"
    table = Table(title=title, title_justify="left", expand=False)
    table.add_column("type", overflow="ellipsis", no_wrap=True, ratio=1)
    for name in ("count in all", "trend", "rises in"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in shared_leaders(recordings, _ROWS):
        table.add_row(
            plain(each.type), f"{each.objects:,}", sparkline(each.series, 12), _rising(each)
        )
    return table


def _head(recordings: Sequence[Recording], taken: int, of: int) -> str:
    last = [recording.censuses[-1] for recording in recordings]
    rss = sum(census.metrics.rss or 0 for census in last)
    pause = max(census.pause_ms for census in last)
    return (
        f"sample {taken}/{of}: {plural(len(recordings), 'process')}, RSS {bytes_text(rss)} in all, "
        f"pause {pause:.1f} ms at most"
    )


def _rising(each: SharedLeader) -> str:
    if each.missing:
        return f"needs {plural(each.missing, 'more sample')}"
    return f"rises in {each.rising} of {each.processes}"
