"""What became of the leaks of one run in another, for a terminal and as Markdown."""

from __future__ import annotations

from leakscope.model.fixes import Fix, Fixes, Row
from leakscope.report.fixes_wording import (
    bytes_rate_text,
    forecasts,
    headline,
    matched_text,
    measured_text,
    rate_text,
    remarks,
    short_subject,
    subject_text,
    verdict_text,
)
from leakscope.report.layout import Page, Span, Style
from leakscope.report.markdown import fitting
from leakscope.report.markup import code, prose, table
from leakscope.report.table import NAME_ROOM, FigureColumn, figures_width, put_table
from leakscope.report.text import plural

_STYLES = {
    None: Style.GOOD,
    Fix.FIXED: Style.GOOD,
    Fix.UNCLEAR: Style.WARN,
    Fix.REDUCED: Style.WARN,
    Fix.UNCHANGED: Style.BAD,
    Fix.WORSE: Style.BAD,
    Fix.NEW: Style.BAD,
}
_RSS = "RSS, resident memory"
_ROWS_IN_MARKDOWN = 500


def render_fixes(fixes: Fixes, *, width: int = 100, color: bool = False) -> str:
    """Return the sentence that answers the question, the table of all leaks, and what to know."""
    page = Page(width, color=color)
    page.put(
        (Span(f"{verdict_text(fixes)}:", _STYLES[fixes.fix]), Span(headline(fixes))), hang="  "
    )
    if fixes.rows:
        page.blank()
        page.put(f"objects per {fixes.unit}, with 95 % intervals", hang="  ")
        _put_rows(page, fixes)
    page.blank()
    for row in fixes.rows:
        told = "; ".join(remarks(row))
        if told:
            page.put((Span(f"{short_subject(row)}:", Style.STRONG), Span(told)), hang="  ")
    page.labelled("RSS", *_resident(fixes), indent=0)
    ends = forecasts(fixes)
    if ends is not None:
        page.labelled("memory ends", f"before {ends[0]}", f"after {ends[1]}", indent=0)
    for note in fixes.notes:
        page.labelled("note", note, indent=0)
    page.labelled("before", measured_text(fixes.before), indent=0)
    page.labelled("after", measured_text(fixes.after), indent=0)
    return page.text()


def render_fixes_markdown(fixes: Fixes) -> str:
    """Return the same as GitHub's Markdown, in which no text of the target is markup.

    At most `MOST_BYTES` long, as other reports are.
    """
    shown = fixes.rows[:_ROWS_IN_MARKDOWN]
    rss = fixes.rss
    rows = [
        [f"**{row.fix.value}**", code(subject_text(row)), *map(prose, _cells(row))] for row in shown
    ]
    resident = "" if rss.fix is None else f"**{rss.fix.value}**"
    rows.append([resident, _RSS, *map(bytes_rate_text, (rss.before, rss.after)), ""])
    unit = prose(fixes.unit)
    head = ("", "leak", f"before, per {unit}", f"after, per {unit}", "matched by")
    told = [(short_subject(row), "; ".join(remarks(row))) for row in shown]
    items = [prose(f"{subject}: {remark}") for subject, remark in told if remark]
    ends = forecasts(fixes)
    if ends is not None:
        items.append(prose(f"memory ends: before {ends[0]}, after {ends[1]}"))
    items += [prose(f"note: {note}") for note in fixes.notes]
    items += [
        prose(f"{label}: {measured_text(run)}")
        for label, run in (("before", fixes.before), ("after", fixes.after))
    ]
    if len(shown) < len(fixes.rows):
        items.insert(0, f"{plural(len(fixes.rows) - len(shown), 'more row')} (--json has them)")
    listed = "\n".join(f"- {item}" for item in items)
    word = verdict_text(fixes)
    answer = f"**{word}:** {prose(headline(fixes))}"
    return fitting([f"## leakscope: {word}", answer, table(head, rows), listed])


def _put_rows(page: Page, fixes: Fixes) -> None:
    """Add the table; on a page too narrow for its figures a paragraph for each leak."""
    figures = [(row.fix.value, *_cells(row)) for row in fixes.rows]
    titles = ("verdict", "before", "after", "matched by")
    columns = [
        FigureColumn(title, told)
        for title, told in zip(titles, zip(*figures, strict=True), strict=True)
    ]
    if page.width >= figures_width(columns[:3]) + NAME_ROOM:
        put_table(page, columns, "leak", [subject_text(row) for row in fixes.rows])
        return
    for row, (verdict, before, after, _) in zip(fixes.rows, figures, strict=True):
        page.put((Span(verdict, _STYLES[row.fix]), Span(subject_text(row))), hang="  ")
        page.put(f"before {before}", f"after {after}", indent="  ")


def _cells(row: Row) -> tuple[str, str, str]:
    """Return the rates of a row, and by what it was found again."""
    before, after = (" ".join(rate_text(side.rate)).rstrip() for side in (row.before, row.after))
    return before, after, matched_text(row)


def _resident(fixes: Fixes) -> tuple[str, ...]:
    """Return how resident memory grew in either run, per unit of work, and what became of it."""
    rss = fixes.rss
    told = [f"{bytes_rate_text(rss.before)} before", f"{bytes_rate_text(rss.after)} after"]
    if rss.fix is not None:
        told.append(rss.fix.value)
    return (f"per {fixes.unit}:", *told)
