"""Retention chains as trees, one line per reference from the root down; stacks, one per call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leakscope.model.evidence import HELD_BY, Site, Step
from leakscope.model.finding import Holder
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import plural, printable, type_text

_LONGEST = 14
"""Steps; of longer chains the middle is left out."""
NOBODY_SEEN = "nobody seen holds it"
"""What is said of the first object of a chain that has no root."""
_BRANCH = "└─ "
_ARROW = " -> "
"""What paths have between references that do not join up like attributes do."""


def put_chain(
    page: Page,
    chain: Sequence[Step],
    *,
    notes: Mapping[int, str] | None = None,
    indent: int = 2,
) -> None:
    """Add `chain` to `page`, with a remark (by index of the step) on some lines.

    Steps with a remark, the first and the last are always shown.
    """
    remarks = notes or {}
    level = 0
    skipped = 0
    shown = _shown_steps(len(chain), set(remarks))
    for index, step in enumerate(chain):
        if index not in shown:
            skipped += 1
            continue
        if skipped:
            _put(page, indent, level, (Span(f"… {skipped} more …", Style.DIM),), "")
            skipped, level = 0, level + 1
        unseen = NOBODY_SEEN if not index and step.edge == HELD_BY else ""
        _put(page, indent, level, _step(step, index), remarks.get(index, unseen))
        level += 1


def holder_index(chain: Sequence[Step], holder: Holder) -> int | None:
    """Return which step of `chain` is the holder, None if none can be told to be.

    The last step of its type whose references add up to the end of the holder's path; failing
    that, the first of its type.
    """
    of_type = [i for i, step in enumerate(chain) if step.type == holder.type]
    path = holder.path.replace(_ARROW, "")
    named = [i for i in of_type if i and path.endswith(_spelled(chain[1 : i + 1]))]
    if named:
        return named[-1]
    return of_type[0] if of_type else None


def site_text(site: Site) -> str:
    """Return `shop/audit.py:88 in enqueue`."""
    return f"{printable(site.file)}:{site.line} in {printable(site.function)}"


def put_calls(
    page: Page, calls: Sequence[Site], shown: int, *, nowhere: str, more: str = ""
) -> None:
    """Add a stack to `page`, innermost call first; `nowhere` if it has none.

    Of more calls than `shown` the rest is counted; `more` is what is said after their number.
    """
    if not calls:
        page.labelled("in", nowhere)
    for place, call in enumerate(calls[:shown]):
        page.labelled("in" if not place else "from", site_text(call))
    if len(calls) > shown:
        page.labelled("from", plural(len(calls) - shown, "more call") + more)


def _spelled(steps: Sequence[Step]) -> str:
    return "".join(step.edge for step in steps).replace(_ARROW, "")


def _shown_steps(length: int, wanted: set[int]) -> set[int]:
    if length <= _LONGEST:
        return set(range(length))
    head, tail = 4, _LONGEST - 5
    return {*range(head), *range(length - tail, length), *wanted}


def _step(step: Step, index: int) -> tuple[Span, ...]:
    edge = Span(step.edge, Style.STRONG)
    if index == 0 and step.type in ("module", "builtins.module"):
        return (edge,)
    return (edge, Span(": " + type_text(step.type)))


def _put(page: Page, indent: int, level: int, words: tuple[Span, ...], remark: str) -> None:
    depth = min(3 * max(level - 1, 0), max(page.width // 3 - indent, 0))
    start = " " * (indent + depth) + (_BRANCH if level else "")
    hang = " " * (indent + depth + (len(_BRANCH) if level else 0) + 2)
    fields = (words, Span("← " + remark, Style.BAD)) if remark else (words,)
    page.put(*fields, indent=start, hang=hang)
