"""The threads of a process by what they run: as text and as JSON, schema `leakscope.threads/1`."""

from __future__ import annotations

from leakscope.model.threads import ThreadGroup, ThreadPicture
from leakscope.report.documents import Json, dump, site
from leakscope.report.groups import put_groups
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import duration, milliseconds, plural
from leakscope.report.tree import put_calls

SCHEMA = "leakscope.threads/1"

_NAMES_SHOWN = 3
_IDS_SHOWN = 4
_CALLS_SHOWN = 30


def render_threads(picture: ThreadPicture, *, width: int = 100, color: bool = False) -> str:
    """Return the groups of threads, in their order."""
    page = Page(width, color=color)
    others = picture.threads - picture.python
    page.put(
        Span(plural(picture.threads, "thread"), Style.STRONG),
        *([f"{others:,} of them run no Python"] if others else []),
        f"held up for {milliseconds(picture.pause_ms)}",
        hang="  ",
    )
    if not picture.sees_all:
        page.put("threads that Python does not know are not in the file", hang="  ")
    if not picture.tells_calls:
        page.put("what they run is not in the file: an earlier leakscope wrote it", hang="  ")
    more = plural(picture.more_groups, "more group") if picture.more_groups else ""
    put_groups(page, picture.groups, _put_group, more)
    return page.text()


def render_threads_json(picture: ThreadPicture) -> str:
    """Return the same as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "threads": picture.threads,
            "python": picture.python,
            "sees_all": picture.sees_all,
            "tells_calls": picture.tells_calls,
            "pause_ms": picture.pause_ms,
            "groups": [_document(group) for group in picture.groups],
            "more_groups": picture.more_groups,
        }
    )


def _document(group: ThreadGroup) -> Json:
    return {
        "threads": group.threads,
        "calls": [site(call) for call in group.calls],
        "names": list(group.names),
        "native_ids": list(group.native_ids),
        "running": group.running,
        "cpu_seconds": group.cpu_seconds,
    }


def _put_group(page: Page, group: ThreadGroup) -> None:
    page.put(
        Span(plural(group.threads, "thread"), Style.STRONG),
        *_activity(group),
        hang="  ",
    )
    page.labelled("called", *_some(group.names, _NAMES_SHOWN))
    if group.native_ids:
        page.labelled("ids", *_some([str(each) for each in group.native_ids], _IDS_SHOWN))
    put_calls(page, group.calls[::-1], _CALLS_SHOWN, nowhere="no Python code")


def _activity(group: ThreadGroup) -> list[str]:
    if group.running is None or group.cpu_seconds is None:
        return []
    states = [
        "waiting" if not group.running else "running",
        *([f"{group.running:,} of them"] if 0 < group.running < group.threads else []),
    ]
    return [" ".join(states), f"{duration(group.cpu_seconds)} of processor time"]


def _some(words: tuple[str, ...] | list[str], shown: int) -> list[str]:
    beyond = len(words) - shown
    return [*words[:shown], *([f"and {beyond:,} more"] if beyond > 0 else [])]
