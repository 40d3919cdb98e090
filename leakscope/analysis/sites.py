"""Which allocation sites belong to which finding.

Samples of a frozen heap know their objects, so that a finding is told where what its holder keeps
was allocated. What Python itself traced knows its source lines alone: there the module decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakscope.model.evidence import Site, SiteGrowth, Step
from leakscope.model.finding import Finding

Stack = tuple[Site, ...]


def with_sites(findings: Sequence[Finding], sites: Sequence[SiteGrowth]) -> tuple[Finding, ...]:
    """Return the findings with the stack that allocated most of each, where that can be told.

    Of sites whose objects are not known: a site belongs to the finding whose chain names the module
    that the stack leads through. One that belongs to none goes to a finding only if there is no
    other.
    """
    sites = [site for site in sites if not site.holder and not site.type]
    located = []
    for finding in findings:
        if finding.allocated_at:
            located.append(finding)
            continue
        files = [_file_of(step) for step in finding.chain if step.edge.startswith("module ")]
        own = next((s for s in sites if any(_leads_through(s.stack, file) for file in files)), None)
        if own is None and len(findings) == 1 and sites:
            own = sites[0]
        located.append(finding if own is None else replace(finding, allocated_at=own.stack))
    return tuple(located)


def allocated_for(sites: Sequence[SiteGrowth], *, holder: int = 0, type_name: str = "") -> Stack:
    """Return the stack that allocated a holder's entries, or most of what it keeps, or of a type.

    That is the first one of the holder, or else of the type.
    """
    of_holder = [site for site in sites if holder and site.holder == holder]
    of_type = [site for site in sites if type_name and site.type == type_name]
    return next((site.stack for site in [*of_holder, *of_type]), ())


def _file_of(step: Step) -> str:
    return step.edge.removeprefix("module ").replace(".", "/")


def _leads_through(stack: Sequence[Site], file: str) -> bool:
    paths = ["/" + site.file.replace("\\", "/").removesuffix(".py") for site in stack]
    return any(path.endswith(("/" + file, f"/{file}/__init__")) for path in paths)
