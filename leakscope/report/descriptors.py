"""What a process has open: as text and as JSON, schema `leakscope.fds/1`."""

from __future__ import annotations

from leakscope.model.descriptors import DescriptorGroup, DescriptorPicture
from leakscope.model.evidence import Opened
from leakscope.report.documents import Json, chain, dump
from leakscope.report.groups import put_groups
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import milliseconds, plural, type_text
from leakscope.report.tree import put_chain

SCHEMA = "leakscope.fds/1"

_NUMBERS_SHOWN = 6
_FULL = 0.8
"""Share of the limit from which on it is said aloud."""
_MEANINGS = {"CLOSE_WAIT": "the other side has closed them; this process has not"}


def render_descriptors(picture: DescriptorPicture, *, width: int = 100, color: bool = False) -> str:
    """Return the groups of descriptors, in their order."""
    page = Page(width, color=color)
    count = f"{plural(picture.descriptors, 'descriptor')} open"
    page.put(
        Span(count, Style.STRONG),
        *([_limit(picture.descriptors, picture.limit)] if picture.limit else []),
        *(
            [f"held up for {milliseconds(picture.pause_ms)}"]
            if picture.pause_ms is not None
            else []
        ),
        hang="  ",
    )
    if picture.passing:
        page.put(f"{picture.passing:,} more were closed meanwhile", hang="  ")
    if picture.unseen:
        page.put(f"which objects they belong to is not known: {picture.unseen}", hang="  ")
    more = plural(picture.more_groups, "more group") if picture.more_groups else ""
    put_groups(page, picture.groups, _put_group, more)
    return page.text()


def render_descriptors_json(picture: DescriptorPicture) -> str:
    """Return the same as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "descriptors": picture.descriptors,
            "limit": picture.limit,
            "closed_meanwhile": picture.passing,
            "objects_unseen": picture.unseen or None,
            "pause_ms": picture.pause_ms,
            "groups": [_document(group) for group in picture.groups],
            "more_groups": picture.more_groups,
        }
    )


def opened_text(opened: Opened) -> str:
    """Return `494 TCP connections to 10.0.0.7:443 (CLOSE_WAIT)`."""
    state = f" ({opened.state})" if opened.state else ""
    return _counted(opened.descriptors, opened.kind, opened.where) + state


def _counted(count: int, kind: str, where: str) -> str:
    return " ".join(filter(None, (plural(count, kind), where)))


def _limit(count: int, limit: int) -> Span | str:
    text = f"of at most {limit:,}"
    return Span(text, Style.BAD) if count > _FULL * limit else text


def _document(group: DescriptorGroup) -> Json:
    return {
        "kind": group.kind,
        "where": group.where or None,
        "state": group.state or None,
        "descriptors": len(group.numbers),
        "numbers": list(group.numbers),
        "owned": group.owned,
        "garbage": group.garbage,
        "owner": group.owner or None,
        "chain": chain(group.chain),
    }


def _put_group(page: Page, group: DescriptorGroup) -> None:
    count = len(group.numbers)
    head = _counted(count, group.kind, group.where)
    page.put(Span(head, Style.STRONG), *filter(None, [group.state]), hang="  ")
    if group.state in _MEANINGS:
        page.labelled("", _MEANINGS[group.state])
    beyond = count - _NUMBERS_SHOWN
    numbers = ", ".join(map(str, group.numbers[:_NUMBERS_SHOWN]))
    page.labelled("numbers", numbers, *([f"and {beyond:,} more"] if beyond > 0 else []))
    if group.owned is None:
        return
    page.labelled("of", *_belonging(group))
    if group.chain:
        page.put("held by", indent="  ")
        put_chain(page, group.chain, indent=4)


def _belonging(group: DescriptorGroup) -> list[str]:
    """Return whose they are, in words."""
    count, owned = len(group.numbers), group.owned or 0
    if not owned:
        return ["no Python object that could be found"]
    nobodys = count - owned
    return [
        type_text(group.owner),
        *([f"{group.garbage:,} of them uncollected garbage"] if group.garbage else []),
        *([f"{nobodys:,} of no Python object that could be found"] if nobodys else []),
    ]
