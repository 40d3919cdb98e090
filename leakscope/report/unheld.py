"""What nobody seen holds, in words, as a table and as a part of JSON documents."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.model.evidence import Unheld
from leakscope.model.trend import Interval
from leakscope.model.unheld import (
    STRAY_CAUSE,
    StrayReferences,
    UnheldSeries,
    UnheldType,
    alike,
)
from leakscope.report.documents import Json, chain, interval
from leakscope.report.layout import Page, Span, Style
from leakscope.report.table import FigureColumn, put_table
from leakscope.report.text import bytes_text, interval_text, number, plural, type_text
from leakscope.report.tree import NOBODY_SEEN

_TYPES_SHOWN = 6


def unheld_text(unheld: Sequence[Unheld]) -> str:
    """Return `nobody seen holds it: 17,704 list, one reference each`."""
    words = [
        f"{each.objects:,} {type_text(each.type)}, {_each(each.references, each.objects)}"
        for each in unheld[:_TYPES_SHOWN]
    ]
    if len(unheld) > _TYPES_SHOWN:
        words.append(plural(len(unheld) - _TYPES_SHOWN, "more type"))
    return f"{NOBODY_SEEN}: " + "; ".join(words)


def _looks_text(unheld: Unheld) -> str:
    """Return what a typical object refers to: `.name : str · .lines : list · and 1 more`."""
    words = [f"{step.edge} : {type_text(step.type)}" for step in unheld.looks]
    if unheld.more:
        words.append(f"and {unheld.more:,} more")
    return " · ".join(words)


def put_looks(page: Page, unheld: Sequence[Unheld]) -> None:
    """Add what a typical object of the first type refers to, if that is known."""
    if unheld and (looks := _looks_text(unheld[0])):
        page.labelled("looks like", looks)


def stray_texts(strays: Sequence[StrayReferences], unit: str) -> list[str]:
    """Return in a sentence each to what references are missing, and how many."""
    return [_stray_text(together, unit) for together in alike(strays)]


def _stray_text(strays: Sequence[StrayReferences], unit: str) -> str:
    names = [
        f"{stray.path + ' : ' if stray.path else ''}{type_text(stray.type)} @{stray.address:#x}"
        for stray in strays
    ]
    first, slope = strays[0], strays[0].slope
    pace = f", {_pace(slope, unit)}" if slope is not None else ""
    each = ", to each" if len(strays) > 1 else ""
    return (
        f"references to {' and '.join(names)} that nobody seen holds: {first.references[0]:,} at "
        f"first, {first.references[-1]:,} at last{each}{pace}. {STRAY_CAUSE}."
    )


def put_unheld_table(page: Page, types: Sequence[UnheldType]) -> None:
    """Add what nobody seen holds, by type, and how to read it."""
    columns = [
        FigureColumn("unheld", tuple(f"{t.objects:,}" for t in types)),
        FigureColumn("references", tuple(f"{t.references:,}" for t in types)),
        FigureColumn("retained", tuple(bytes_text(t.retained_bytes) for t in types)),
    ]
    put_table(page, columns, "type", [type_text(each.type) for each in types])
    page.blank()
    page.put(
        (
            Span("unheld:", Style.DIM),
            Span(
                "objects that nobody seen holds; references: those counted and found nowhere, to "
                "any object of the type. Running calls and C libraries hold some at all times: "
                "what counts is growth, which `leakscope diff` of two snapshots tells."
            ),
        ),
        hang="  ",
    )


def unheld_document(unheld: Unheld) -> Json:
    """Return what nobody holds of one type as an object."""
    return {
        "type": unheld.type,
        "objects": unheld.objects,
        "references": unheld.references,
        "retained_bytes": unheld.retained_bytes,
        "looks": chain(unheld.looks),
        "more": unheld.more,
    }


def unheld_type_document(each: UnheldType) -> Json:
    """Return a row of the table as an object."""
    return {
        "type": each.type,
        "objects": each.objects,
        "references": each.references,
        "retained_bytes": each.retained_bytes,
    }


def series_document(series: UnheldSeries) -> Json:
    """Return what nobody holds of one type, heap by heap, as an object."""
    return {
        "type": series.type,
        "objects": series.objects,
        "references": series.references,
        "slope": interval(series.slope),
    }


def stray_document(stray: StrayReferences) -> Json:
    """Return an object to which references are missing as an object."""
    return {
        "address": stray.address,
        "type": stray.type,
        "path": stray.path,
        "references": stray.references,
        "slope": interval(stray.slope),
    }


def pace_of(unheld: Sequence[Unheld], series: Sequence[UnheldSeries], unit: str) -> str:
    """Return how fast references to objects of the first type come, empty where that is not known.

    As `list +600 per second [599, 601]`.
    """
    slopes = {each.type: each.slope for each in series}
    words = [
        f"{type_text(each.type)} {_pace(slope, unit)}"
        for each in unheld[:_TYPES_SHOWN]
        if (slope := slopes.get(each.type)) is not None
    ]
    return " · ".join(words)


def _pace(slope: Interval, unit: str) -> str:
    spread = interval_text(slope.estimate, slope.low, slope.high)
    return f"{number(slope.estimate, signed=True)} per {unit} {spread}"


def _each(references: int, objects: int) -> str:
    if references == objects:
        return "one reference each" if objects > 1 else "one reference"
    return plural(references, "reference")
