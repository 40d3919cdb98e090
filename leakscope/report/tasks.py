"""Tasks and greenlets by where they wait: as text and as JSON, schema `leakscope.tasks/1`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from leakscope.model.evidence import Site
from leakscope.model.tasks import Earlier, Maker, Numbers, TaskGroup, TaskPicture, Waiter
from leakscope.report.documents import Json, chain, dump, site
from leakscope.report.groups import put_groups
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, duration, milliseconds, plural, type_text
from leakscope.report.tree import put_chain

SCHEMA = "leakscope.tasks/1"


def render_tasks(picture: TaskPicture, *, width: int = 100, color: bool = False) -> str:
    """Return the groups of tasks and greenlets, in their order."""
    page = Page(width, color=color)
    page.put(
        Span(_total(picture), Style.STRONG),
        *([f"{picture.finished:,} more have finished"] if picture.finished else []),
        f"held up for {milliseconds(picture.pause_ms)}",
        hang="  ",
    )
    if picture.unknown:
        page.put(
            f"of {plural(picture.unknown, 'more task')} the file does not tell where they wait",
            hang="  ",
        )
    more = f"in {plural(picture.more_groups, 'more place')}" if picture.more_groups else ""
    put_groups(page, picture.groups, partial(_put_group, picture), more)
    return page.text()


def render_tasks_json(picture: TaskPicture) -> str:
    """Return the same as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "tasks": picture.tasks,
            "greenlets": picture.greenlets,
            "finished": picture.finished,
            "unknown": picture.unknown,
            "pause_ms": picture.pause_ms,
            "groups": [_document(group) for group in picture.groups],
            "more_groups": picture.more_groups,
            "newest_number": picture.newest,
            "earlier": asdict(picture.earlier) if picture.earlier else None,
        }
    )


def _total(picture: TaskPicture) -> str:
    counts = {Waiter.TASK: picture.tasks, Waiter.GREENLET: picture.greenlets}
    told = [plural(count, waiter.value) for waiter, count in counts.items() if count]
    places = len(picture.groups) + picture.more_groups
    return f"{' and '.join(told)} in {plural(places, 'place')}" if told else "no task waits"


def _document(group: TaskGroup) -> Json:
    return {
        **{f"{kind.value}s": group.count if kind is group.waiter else 0 for kind in Waiter},
        "calls": [site(call) for call in group.calls],
        "waits_for": group.waits_for or None,
        "about_to_run": group.waits_for == "",
        "retained_bytes": group.retained_bytes,
        "never_finish": group.stranded,
        "numbers": asdict(group.numbers) if group.numbers else None,
        "older": group.older,
        "younger": None if group.older is None else group.younger,
        "made_by": _maker_document(group.made_by),
        "chain": chain(group.chain),
    }


def _maker_document(maker: Maker | None) -> Json | None:
    return None if maker is None else {"call": site(maker.site), "tasks": maker.tasks}


def _put_group(picture: TaskPicture, page: Page, group: TaskGroup) -> None:
    verb = "waits" if group.count == 1 else "wait"
    count = Span(f"{plural(group.count, group.waiter.value)} {verb}", Style.STRONG)
    them = "it" if group.count == 1 else "them"
    keep = f"{bytes_text(group.retained_bytes)} would be freed with {them}"
    fate = _fate(group)
    page.put(count, keep, *([Span(fate, Style.BAD)] if fate else []), hang="  ")
    for place, call in enumerate(group.calls):
        page.labelled("at" if not place else "in", _call(call))
    if group.waits_for:
        page.labelled("for", type_text(group.waits_for))
    elif group.waits_for is not None:
        page.labelled("for", "nothing: about to run")
    if group.numbers and picture.newest is not None:
        page.labelled("made", _made(group.numbers, picture.newest))
    if picture.earlier and group.older is not None:
        page.labelled("age", _age(group, group.older, picture.earlier))
    if group.made_by:
        few = f", {group.made_by.tasks:,} of them" if group.made_by.tasks < group.count else ""
        page.labelled("made by", _call(group.made_by.site) + few)
    if group.chain:
        page.put("held by", indent="  ")
        put_chain(page, group.chain, indent=4)


def _made(numbers: Numbers, newest: int) -> str:
    """Return when tasks were made, in the order of all tasks."""
    of_all = f"; the newest of all tasks is {newest:,}"
    if numbers.oldest == numbers.newest:
        return f"as task {numbers.oldest:,}{of_all}"
    half = f", half of them by {numbers.median:,}" if numbers.median > numbers.oldest else ""
    return f"as tasks {numbers.oldest:,} to {numbers.newest:,}{half}{of_all}"


def _age(group: TaskGroup, older: int, earlier: Earlier) -> str:
    """Return how many tasks have an age of at least the time that was waited, and how many not."""
    span = duration(earlier.seconds)
    since = f"made since the first look, {span} before"
    if group.count == 1:
        return f"more than {span}" if older else since
    if older == group.count:
        return f"all more than {span}"
    if group.younger == group.count:
        return f"all {since}"
    told = [f"{older:,} of them more than {span}"] if older else []
    return ", ".join([*told, f"{group.younger:,} {since}"] if group.younger else told)


def _fate(group: TaskGroup) -> str:
    """Return what is said of tasks that nothing can wake; empty if there are none."""
    if not group.stranded:
        return ""
    if group.count == 1:
        return "it can never finish unless cancelled: nothing can wake it"
    who = "all" if group.stranded == group.count else f"{group.stranded:,} of them"
    return f"{who} can never finish unless cancelled: nothing can wake them"


def _call(call: Site) -> str:
    return f"{call.function} ({call.file}:{call.line})"
