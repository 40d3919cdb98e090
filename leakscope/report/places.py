"""Which source line of a repository a finding can be shown at.

Only what was measured counts: the lines that allocated, and the file that a module says it came
from. That a module `shop.orders` lies in `shop/orders.py` would be a guess, so it is never made.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from leakscope.model.evidence import Site, module_of
from leakscope.model.finding import Diagnosis, Finding

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


_LOOPS = ("_run_once", "run_forever", "unrolled_run")
"""What functions are called that run the callbacks of an event loop: asyncio's, trio's."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file of the repository."""

    path: str
    number: int


def line_of(finding: Finding, checkout: Checkout) -> Line | None:
    """Return the innermost line of the repository that allocates what accumulates, if known.

    Calls outside of an event loop only run it: they do not ask for what it calls.
    """
    for site in finding.allocated_at:
        if _runs_a_loop(site):
            return None
        path = checkout.path_of(site)
        if path is not None:
            return Line(path, site.line)
    return None


def _runs_a_loop(site: Site) -> bool:
    name = site.function.rpartition(".")[2]
    return name in _LOOPS or site.file.endswith("asyncio/runners.py")


def file_of(finding: Finding, diagnosis: Diagnosis, checkout: Checkout) -> str | None:
    """Return the path of the source file of the module that holds what accumulates.

    None if no module does, if its file is not known, or no source of the repository.
    """
    name = module_of(finding.chain)
    file = next((module.file for module in diagnosis.modules if module.name == name), "")
    return checkout.path_of(Site(file, 1, "")) if file.endswith(".py") else None


def place_of(finding: Finding, diagnosis: Diagnosis, checkout: Checkout) -> Line | None:
    """Return the line that a finding is best shown at, if one is known.

    That which allocates what accumulates, else the first of the file of the module that holds it.
    """
    file = file_of(finding, diagnosis, checkout)
    return line_of(finding, checkout) or (Line(file, 1) if file is not None else None)
