"""Which source line of a repository a finding can be shown at.

Only what was measured counts: the lines that allocated. That a module `shop.orders` lies in
`shop/orders.py` would be a guess, so it is never made.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from leakscope.model.evidence import Site
from leakscope.model.finding import Finding

_MODULE = "module "
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the sources lie, so that they can be called what the repository calls them."""

    root: str = ""
    """Absolute path of the repository; empty if it is where the target was started."""
    start: str = ""
    """Where the target was started: what relative paths begin at. Empty if that is the root."""

    def path_of(self, site: Site) -> str | None:
        """Return the path of a line's file within the repository, None if it is not part of it.

        What is installed into an environment within the repository is no part of it.
        """
        if not site.file or site.file.startswith("<") or site.line < 1:
            return None
        full = posixpath.normpath(posixpath.join(self.start or self.root, site.file))
        path = full.removeprefix(self.root.rstrip("/") + "/") if self.root else full
        parts = path.split("/")
        if path.startswith("/") or parts[0] == ".." or _INSTALLED.intersection(parts):
            return None
        return path


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file of the repository."""

    path: str
    number: int


def line_of(finding: Finding, checkout: Checkout) -> Line | None:
    """Return the innermost line of the repository that allocates what accumulates, if known."""
    for site in finding.allocated_at:
        path = checkout.path_of(site)
        if path is not None:
            return Line(path, site.line)
    return None


def module_of(finding: Finding) -> str | None:
    """Return the module that holds what accumulates, if a module does."""
    first = finding.chain[0].edge if finding.chain else ""
    return first.removeprefix(_MODULE) if first.startswith(_MODULE) else None
