"""Figures in columns, names at the end of the line, where they may be long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leakscope.report.layout import Page, Span, Style, cells
from leakscope.report.text import printable

NAME_ROOM = 24
"""Columns that names get at least, as long as there is another column to give up."""


@dataclass(frozen=True, slots=True)
class FigureColumn:
    """A right-aligned column of figures."""

    title: str
    figures: tuple[str, ...]
    """One per row."""


def put_table(
    page: Page, columns: Sequence[FigureColumn], title: str, names: Sequence[str]
) -> None:
    """Add rows of figures, each ended by its name.

    On a narrow page the last columns are left out, but never the first; a name that does not fit
    behind its figures stands whole in the line below them.
    """
    shown = list(columns)
    while len(shown) > 1 and figures_width(shown) + NAME_ROOM > page.width:
        shown.pop()
    widths = [_width(column) for column in shown]
    head = "  ".join(c.title.rjust(w) for c, w in zip(shown, widths, strict=True))
    page.put(Span(title, Style.DIM), indent=f"{head}  ", hang="    ")
    for row, name in enumerate(names):
        figures = "  ".join(c.figures[row].rjust(w) for c, w in zip(shown, widths, strict=True))
        if cells(figures) + 2 + cells(printable(name)) <= page.width:
            page.put(name, indent=figures + "  ")
        else:
            page.put(indent=figures)
            page.put(name, indent="    ")


def _width(column: FigureColumn) -> int:
    return max(cells(text) for text in (column.title, *column.figures))


def figures_width(columns: Sequence[FigureColumn]) -> int:
    """Return how wide columns are, with the blanks behind each."""
    return sum(_width(column) + 2 for column in columns)
