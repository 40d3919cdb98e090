"""Why objects of one type are alive, as text and as JSON, schema `leakscope.why/1`."""

from __future__ import annotations

from leakscope.model.evidence import Evidence, HolderEvidence, TypeEvidence
from leakscope.report.documents import Json, chain, dump, site
from leakscope.report.layout import Page, Span, Style
from leakscope.report.text import bytes_text, number, plural, type_text
from leakscope.report.tree import put_chain, site_text

SCHEMA = "leakscope.why/1"

_SHARES_SHOWN = 8


def render_why(type_name: str, evidence: Evidence, *, width: int = 100, color: bool = False) -> str:
    """Return the chains that keep objects of `type_name` alive, and the containers they are in."""
    page = Page(width, color=color)
    for about in evidence.types:
        _put_type(page, about)
    for holder in evidence.holders:
        page.blank()
        _put_holder(page, holder, type_name)
    if not evidence.types and not evidence.holders:
        page.put(f"nothing is known of why {type_text(type_name)} is alive", hang="  ")
    return page.text()


def render_why_json(type_name: str, evidence: Evidence) -> str:
    """Return the same evidence as JSON."""
    return dump(
        {
            "schema": SCHEMA,
            "type": type_name,
            "chains": [
                {"type": each.type, "objects": each.objects, "chain": chain(each.chain)}
                for each in evidence.types
            ],
            "holders": [_holder(holder) for holder in evidence.holders],
        }
    )


def _put_type(page: Page, about: TypeEvidence) -> None:
    page.put(
        (
            Span(type_text(about.type) + ":", Style.STRONG),
            Span(
                f"{about.objects:,} alive"
                + ("; one made of late is held by" if about.chain else "")
            ),
        ),
        hang="  ",
    )
    put_chain(page, about.chain)
    if not about.chain:
        page.put("no way to it from a module, thread or task was found", indent="  ")


def _put_holder(page: Page, holder: HolderEvidence, type_name: str) -> None:
    sampled = f"of which {plural(holder.entries_sampled, 'entry')} were looked at"
    page.put((Span("in a"), Span(type_text(holder.type), Style.STRONG), Span(sampled)), hang="  ")
    last = len(holder.chain) - 1
    notes = {last: "is in here"} if holder.chain and type_name != holder.type else {}
    put_chain(page, (*holder.chain, *holder.entry), notes=notes)
    if not holder.chain:
        page.put("no way to it from a module, thread or task was found", indent="  ")
    if holder.shares:
        page.labelled("each entry", _shares(holder))
    if holder.site is not None:
        page.labelled("code at", site_text(holder.site))


def _shares(holder: HolderEvidence) -> str:
    words = [
        f"{number(share.objects)} {type_text(share.type)} ({bytes_text(share.bytes)})"
        for share in holder.shares[:_SHARES_SHOWN]
    ]
    rest = len(holder.shares) - len(words)
    if rest:
        words.append(plural(rest, "more type"))
    return "keeps alive " + " · ".join(words)


def _holder(holder: HolderEvidence) -> Json:
    return {
        "address": holder.address,
        "type": holder.type,
        "chain": chain(holder.chain),
        "entry": chain(holder.entry),
        "shares": [
            {"type": share.type, "objects": share.objects, "bytes": share.bytes}
            for share in holder.shares
        ],
        "entries_sampled": holder.entries_sampled,
        "site": None if holder.site is None else site(holder.site),
    }
