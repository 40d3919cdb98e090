"""Why objects are alive, from a whole heap: as text and as JSON, schema `leakscope.why/1`."""

from __future__ import annotations

from leakscope.model.explanation import Explanation, ObjectFacts, Referrer, TypeShare
from leakscope.report.documents import Json, chain, dump
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, plural, printable, type_text
from leakscope.report.tree import put_chain
from leakscope.report.why import SCHEMA

_WAYS_SHOWN = 5
_SHARES_SHOWN = 8
_REFERRERS_SHOWN = 8


def render_explanation(found: Explanation, *, width: int = 100, color: bool = False) -> str:
    """Return why the objects of a type are alive: the ways in which they are held, an example."""
    page = Page(width, color=color)
    page.put((Span(type_text(found.type) + ":", Style.STRONG), Span(_population(found))), hang="  ")
    for way in found.ways[:_WAYS_SHOWN]:
        page.blank()
        page.put(f"{_part(way.objects, found.looked_at)} held by", hang="  ")
        put_chain(page, way.chain)
    rest = len(found.ways) - _WAYS_SHOWN
    if rest > 0:
        page.put(f"and in {plural(rest, 'other way')} (--json shows them)", hang="  ")
    if found.example is not None:
        page.blank()
        page.put((Span("one of them", Style.STRONG), _identity(found.example)), hang="  ")
        _put_facts(page, found.example)
    return page.text()


def render_object(facts: ObjectFacts, *, width: int = 100, color: bool = False) -> str:
    """Return everything that is known of one object."""
    page = Page(width, color=color)
    page.put((Span(type_text(facts.type), Style.STRONG), _identity(facts)), hang="  ")
    if facts.is_garbage:
        page.put("uncollected garbage: nothing holds it, the collector has not come to it yet")
    elif not facts.chain:
        page.put("no reference in the heap leads to it: C code or the interpreter holds it")
    else:
        page.put("held by")
        put_chain(page, facts.chain)
    _put_facts(page, facts)
    return page.text()


def render_explanation_json(found: Explanation) -> str:
    """Return the same as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "type": found.type,
            "objects": found.objects,
            "bytes": found.bytes,
            "garbage": found.garbage,
            "retained_bytes": found.retained_bytes,
            "looked_at": found.looked_at,
            "chains": [
                {"type": found.type, "objects": way.objects, "chain": chain(way.chain)}
                for way in found.ways
            ],
            "holders": [],
            "example": None if found.example is None else _object(found.example),
        }
    )


def render_object_json(facts: ObjectFacts) -> str:
    """Return the same as JSON."""
    return dump({"schema": SCHEMA, "type": facts.type, "object": _object(facts)})


def _population(found: Explanation) -> str:
    words = f"{plural(found.objects, 'object')}, {bytes_text(found.bytes)}"
    if found.garbage:
        words += f", {found.garbage:,} of them uncollected garbage"
    if found.retained_bytes:
        words += f"; without them {bytes_text(found.retained_bytes)} would be freed"
    return words


def _part(objects: int, looked_at: int) -> str:
    verb = "is" if objects == 1 else "are"
    if looked_at == 1:
        return "it is"
    if objects == looked_at:
        return f"all {looked_at:,} that were looked at are"
    return f"{objects:,} of {looked_at:,} that were looked at {verb}"


def _identity(facts: ObjectFacts) -> Span:
    words = f"@{facts.address:#x}, {bytes_text(facts.bytes)}"
    if facts.refcount is not None:
        words += f", reference count {facts.refcount:,}"
    return Span(words)


def _put_facts(page: Page, facts: ObjectFacts) -> None:
    if facts.retained_objects > 1:
        kept = facts.retained_objects - 1
        size = bytes_text(facts.retained_bytes)
        page.labelled("keeps alive", f"{plural(kept, 'object')}, {size} with itself")
        page.labelled("", " · ".join(map(_share, facts.keeps[:_SHARES_SHOWN])) + _more(facts))
    others = facts.referrers[:_REFERRERS_SHOWN]
    more = facts.more_referrers + len(facts.referrers) - len(others)
    for place, referrer in enumerate(others):
        page.labelled("" if place else "also held by", _referrer(referrer))
    if more:
        page.labelled("", f"and by {more:,} more")


def _share(share: TypeShare) -> str:
    return f"{share.objects:,} {type_text(share.type)} ({bytes_text(share.bytes)})"


def _more(facts: ObjectFacts) -> str:
    rest = len(facts.keeps) - _SHARES_SHOWN
    return f" · {plural(rest, 'more type')}" if rest > 0 else ""


def _referrer(referrer: Referrer) -> str:
    where = f"{printable(referrer.path)}: " if referrer.path else ""
    return (
        f"{where}{type_text(referrer.type)} @{referrer.address:#x} "
        f"through {printable(referrer.edge)}"
    )


def _object(facts: ObjectFacts) -> Json:
    return {
        "address": facts.address,
        "type": facts.type,
        "bytes": facts.bytes,
        "refcount": facts.refcount,
        "retained": {"objects": facts.retained_objects, "bytes": facts.retained_bytes},
        "garbage": facts.is_garbage,
        "chain": chain(facts.chain),
        "referrers": [
            {"edge": each.edge, "type": each.type, "address": each.address, "path": each.path}
            for each in facts.referrers
        ],
        "more_referrers": facts.more_referrers,
        "keeps": [
            {"type": share.type, "objects": share.objects, "bytes": share.bytes}
            for share in facts.keeps
        ],
    }
