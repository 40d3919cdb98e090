"""Which allocation sites belong to which finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from leakscope.model.evidence import Site, SiteGrowth, Step
from leakscope.model.finding import Finding


def with_sites(findings: Sequence[Finding], sites: Sequence[SiteGrowth]) -> tuple[Finding, ...]:
    """Return the findings with the stack that allocated most of each, where that can be told.

    A site belongs to the finding whose chain names the module that the stack leads through. One
    that belongs to none goes to a finding only if there is no other.
    """
    located = []
    for finding in findings:
        files = [_file_of(step) for step in finding.chain if step.edge.startswith("module ")]
        own = next((s for s in sites if any(_leads_through(s.stack, file) for file in files)), None)
        if own is None and len(findings) == 1 and sites:
            own = sites[0]
        located.append(finding if own is None else replace(finding, allocated_at=own.stack))
    return tuple(located)


def _file_of(step: Step) -> str:
    return step.edge.removeprefix("module ").replace(".", "/")


def _leads_through(stack: Sequence[Site], file: str) -> bool:
    paths = ["/" + site.file.replace("\\", "/").removesuffix(".py") for site in stack]
    return any(path.endswith(("/" + file, f"/{file}/__init__")) for path in paths)
