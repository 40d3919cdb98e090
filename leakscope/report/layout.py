"""Words on a page of a given width: wrapping, alignment and colour.

A page breaks lines between words only, so that paths and type names stay whole and can be copied;
a word longer than the page is the only thing that stands out of it. All text is made printable
here, so nothing that a target is called or calls its attributes reaches the terminal raw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from leakscope.report.text import printable

NARROWEST = 20
"""Columns; on narrower terminals the page is this wide."""


class Style(Enum):
    """How text is coloured, by what it means; the value is its terminal attribute."""

    PLAIN = ""
    STRONG = "1"
    DIM = "2"
    BAD = "1;31"
    GOOD = "1;32"
    WARN = "1;33"


@dataclass(frozen=True, slots=True)
class Span:
    """Words of one style."""

    text: str
    style: Style = Style.PLAIN


Field = str | Span | tuple[Span, ...]
"""Words that belong together."""


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    style: Style
    gap: int
    """Blanks before it, unless it begins a line."""


class Page:
    """Collects lines and returns them as one text."""

    def __init__(self, width: int, *, color: bool = False) -> None:
        self.width = max(width, NARROWEST)
        self._color = color
        self._lines: list[str] = []

    def put(
        self, *fields: Field, indent: str | Span = "", hang: str | None = None, gap: int = 3
    ) -> None:
        """Add `fields`, `gap` blanks apart, on one line if they fit.

        The line begins with `indent`; those that follow because of the width begin with `hang`
        (by default as many blanks). A field that does not fit in the rest of a line begins the
        next one. Without fields the line is its indent alone.
        """
        prefix = Span(indent) if isinstance(indent, str) else indent
        following = Span(" " * cells(prefix.text) if hang is None else hang)
        line: list[_Word] = []
        for field in fields:
            words = list(_words(field, gap))
            room = self.width - cells(prefix.text) - _length(line)
            if line and _length(words, following=True) > room:
                self._emit(prefix, line)
                prefix, line = following, []
            for word in words:
                if line and cells(prefix.text) + _length([*line, word]) > self.width:
                    self._emit(prefix, line)
                    prefix, line = following, []
                line.append(word)
        if line or not fields:
            self._emit(prefix, line)

    def blank(self) -> None:
        """Add an empty line, unless the page is empty or ends with one."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def labelled(self, label: str, *fields: Field, indent: int = 2, column: int = 14) -> None:
        """Add fields behind a label in a column of its own; on a narrow page below it."""
        if self.width < 3 * column:
            self.put(Span(label, Style.DIM), *fields, indent=" " * indent, hang=" " * (indent + 2))
            return
        head = " " * indent + label.ljust(column)
        self.put(*fields, indent=Span(head, Style.DIM), hang=" " * len(head))

    def text(self) -> str:
        """Return the page; no blanks at line ends, no line end at the end."""
        return "\n".join(self._lines).rstrip("\n")

    def _emit(self, prefix: Span, words: Sequence[_Word]) -> None:
        runs = [Span(printable(prefix.text), prefix.style)]
        for position, word in enumerate(words):
            blanks = " " * word.gap if position else ""
            if position and word.style is runs[-1].style:
                runs[-1] = Span(runs[-1].text + blanks + word.text, word.style)
            else:
                runs += [Span(blanks), Span(word.text, word.style)]
        self._lines.append("".join(self._painted(run) for run in runs).rstrip(" "))

    def _painted(self, run: Span) -> str:
        if not self._color or run.style is Style.PLAIN or not run.text:
            return run.text
        return f"\x1b[{run.style.value}m{run.text}\x1b[0m"


def cells(text: str) -> int:
    """Return how many columns a terminal takes for `text`."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _words(field: Field, gap: int) -> Iterator[_Word]:
    spans = (Span(field),) if isinstance(field, str) else field
    if isinstance(spans, Span):
        spans = (spans,)
    before = gap
    for span in spans:
        for word in printable(span.text).split(" "):
            if word:
                yield _Word(word, span.style, before)
                before = 1


def _length(words: Sequence[_Word], *, following: bool = False) -> int:
    """Return the columns that words take; with the first one's gap if they follow others."""
    total = sum(cells(word.text) + word.gap for word in words)
    return total if following or not words else total - words[0].gap
