"""What became of the leaks of one run in another, for a terminal and as Markdown."""

from __future__ import annotations

from leakscope.model.fixes import Fix, Fixes
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
from leakscope.report.markup import code, prose, table
from leakscope.report.table import FigureColumn, put_table
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
    rows, names = _rows(fixes), [*(subject_text(row) for row in fixes.rows), _RSS]
    titles = ("verdict", f"before, per {fixes.unit}", f"after, per {fixes.unit}", "matched by")
    columns = [
        FigureColumn(title, tuple(row[place] for row in rows)) for place, title in enumerate(titles)
    ]
    page.blank()
    put_table(page, columns, "leak", names)
    page.blank()
    for row in fixes.rows:
        told = "; ".join(remarks(row))
        if told:
            page.put((Span(f"{short_subject(row)}:", Style.STRONG), Span(told)), hang="  ")
    ends = forecasts(fixes)
    if ends is not None:
        page.labelled("memory ends", f"before {ends[0]}", f"after {ends[1]}", indent=0)
    for note in fixes.notes:
        page.labelled("note", note, indent=0)
    page.labelled("before", measured_text(fixes.before), indent=0)
    page.labelled("after", measured_text(fixes.after), indent=0)
    return page.text()


def render_fixes_markdown(fixes: Fixes) -> str:
    """Return the same as GitHub's Markdown, in which no text of the target is markup."""
    shown = fixes.rows[:_ROWS_IN_MARKDOWN]
    figures = _rows(fixes)
    names = [code(subject_text(row)) for row in shown]
    rows = [
        [f"**{row[0]}**" if row[0] else "", name, *map(prose, row[1:])]
        for row, name in zip([*figures[: len(shown)], figures[-1]], [*names, _RSS], strict=True)
    ]
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
    return "\n\n".join(
        [
            f"## leakscope: {verdict_text(fixes)}",
            prose(headline(fixes)),
            table(head, rows),
            listed,
        ]
    )


def _rows(fixes: Fixes) -> list[tuple[str, str, str, str]]:
    """Return the cells before the name: a row for each leak, then resident memory."""
    rss = fixes.rss
    rows = [
        (
            row.fix.value,
            " ".join(rate_text(row.before.rate)).rstrip(),
            " ".join(rate_text(row.after.rate)).rstrip(),
            matched_text(row),
        )
        for row in fixes.rows
    ]
    told = "" if rss.fix is None else rss.fix.value
    return [*rows, (told, bytes_rate_text(rss.before), bytes_rate_text(rss.after), "")]
