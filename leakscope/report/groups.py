"""Groups one below the other, as far as they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from leakscope.report.layout import Page

_Group = TypeVar("_Group")


def put_groups(
    page: Page, groups: Iterable[_Group], put: Callable[[Page, _Group], None], more: str = ""
) -> None:
    """Add each group with `put`, an empty line before it, and at last that there are `more`."""
    for group in groups:
        page.blank()
        put(page, group)
    if more:
        page.blank()
        page.put(f"and {more} (--limit shows more)")
