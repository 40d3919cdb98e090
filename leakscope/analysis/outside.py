"""What a recording tells that was made from outside: no holder has a name, some have a length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakscope.analysis.growth import Judged
from leakscope.analysis.holdings import same_rate
from leakscope.analysis.names import short_type
from leakscope.model.finding import Finding, Holder


def seen_from_outside(finding: Finding, containers: Sequence[Judged], pid: int) -> Finding:
    """Return a finding with the container that grows along with it, and how to learn its name.

    Of several containers that grow alike the longest is it, ties by address.
    """
    alike = [
        item
        for item in containers
        if same_rate(item.trend.slope, finding.growth.objects)
        and (finding.holder is None or finding.holder.type == item.followed.type)
    ]
    if not alike:
        return replace(finding, why=_unheld(finding.type, pid))
    longest = max(alike, key=lambda item: (item.trend.last, item.trend.key))
    kind = longest.followed.type
    return replace(
        finding,
        holder=Holder(
            path=f"an unnamed {short_type(kind)}",
            type=kind,
            first_length=int(longest.trend.first),
            last_length=int(longest.trend.last),
        ),
        why=_held(finding, longest, pid),
    )


def _held(finding: Finding, container: Judged, pid: int) -> str:
    kind, address = short_type(container.followed.type), container.trend.key
    grows = f"The {kind} at {address} goes on growing"
    if finding.type != container.followed.type:
        grows += f", and with it the number of {short_type(finding.type)} objects"
    return f"{grows}. {_named_by(pid, f'@{address}', 'it')}"


def _unheld(type_name: str, pid: int) -> str:
    return (
        f"More and more {short_type(type_name)} objects stay alive, and no one container was seen "
        f"to grow with them. {_named_by(pid, type_name, 'what holds them')}"
    )


def _named_by(pid: int, asked: str, unnamed: str) -> str:
    return (
        f"A read-only census cannot name {unnamed}: `leakscope why {pid} {asked}` can, by running "
        "a little code in the target."
    )
