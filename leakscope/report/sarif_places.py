"""Where SARIF says that a leak is.

At the line of the repository that allocates what accumulates, if allocation was traced. Else at the
beginning of the file of the module that holds it, if that is a source of the repository. Else the
module, or the program that was started, is named and not located: the address is the name itself,
`shop.audit`, and its description says that the file is not known.
Code scanning asks for an address and shows one that is no file of the repository as it is, without
a preview of code. A path made up from the name could be another file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from urllib.parse import quote

from leakscope.model.evidence import Site, module_of
from leakscope.model.finding import Diagnosis, Finding
from leakscope.report.documents import Json
from leakscope.report.places import Checkout, file_of, line_of
from leakscope.report.text import printable

ROOT = "%SRCROOT%"
"""What stands for the root of the repository."""

_FRAMES_KEPT = 100
"""Code scanning shows as many locations of a result."""
_LONGEST_NAME = 200
"""Characters of a name that stands for an address."""
_NAMELESS = "program"
_INTERPRETERS = ("python", "pypy")
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
"""Options of Python that take the next word."""


def location_of(finding: Finding, diagnosis: Diagnosis, checkout: Checkout) -> Json:
    """Return the one place that a result is shown at."""
    line = line_of(finding, checkout)
    file = file_of(finding, diagnosis, checkout)
    module = module_of(finding.chain)
    if line is not None:
        physical: Json = {
            "artifactLocation": {"uri": _uri(line.path), "uriBaseId": ROOT},
            "region": _region(line.number),
        }
    elif file is not None:
        about = "The module that holds it. The line that allocates it is not known."
        physical = {
            "artifactLocation": {
                "uri": _uri(file),
                "uriBaseId": ROOT,
                "description": {"text": about},
            },
            "region": _region(1),
        }
    elif module is not None:
        physical = _named(module, "The Python module that holds it. Its file is not known.")
    else:
        physical = program_of(diagnosis)
    located: dict[str, Json] = {"physicalLocation": physical}
    if finding.holder is not None:
        name = printable(finding.holder.path)
        located["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "variable"}]
    return located


def program_of(diagnosis: Diagnosis) -> Json:
    """Return the program that was measured as a physical location."""
    return _named(
        _told_to_run(diagnosis.target.cmdline),
        "The program that was measured. The file behind the growth is not known.",
    )


def _told_to_run(cmdline: Sequence[str]) -> str:
    """Return the module or script that Python was told to run, else the executable."""
    if not cmdline:
        return _NAMELESS
    executable = posixpath.basename(cmdline[0])
    words = iter(cmdline[1:] if executable.startswith(_INTERPRETERS) else ())
    for word in words:
        if word.startswith("-c"):
            break
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return posixpath.basename(word.rstrip("/"))
        elif not word.startswith("--") and word.endswith("m"):
            return next(words, executable)
    return executable


def _named(name: str, description: str) -> Json:
    """Return an address that is a name, whatever it is; code scanning wants a line of it too."""
    shown = printable(name)[:_LONGEST_NAME]
    return {
        "artifactLocation": {
            "uri": _uri(shown, safe="") if shown.strip(".") else _NAMELESS,
            "description": {"text": description},
        },
        "region": _region(1),
    }


def stacks_of(finding: Finding, checkout: Checkout) -> list[Json]:
    """Return the stack that allocates what accumulates, if it is known."""
    frames = [_frame(site, checkout) for site in finding.allocated_at[:_FRAMES_KEPT]]
    text = "Where it was allocated, innermost first."
    return [{"message": {"text": text}, "frames": frames}] if frames else []


def flows_of(finding: Finding, checkout: Checkout) -> list[Json]:
    """Return the way to the allocation through the repository's own lines, outermost first.

    Code scanning shows it as a path; what lies outside of the repository it could not show.
    """
    own = [site for site in finding.allocated_at if checkout.path_of(site) is not None]
    steps = [_frame(site, checkout) for site in reversed(own[:_FRAMES_KEPT])]
    return [{"threadFlows": [{"locations": steps}]}] if len(steps) > 1 else []


def _frame(site: Site, checkout: Checkout) -> Json:
    path = checkout.path_of(site)
    name = printable(site.function)
    scheme = "file://" if site.file.startswith("/") else ""
    address: dict[str, Json] = {"uri": scheme + _uri(site.file)}
    if path is not None:
        address = {"uri": _uri(path), "uriBaseId": ROOT}
    return {
        "location": {
            "physicalLocation": {
                "artifactLocation": address,
                "region": _region(max(site.line, 1)),
            },
            "logicalLocations": [{"fullyQualifiedName": name, "kind": "function"}],
            "message": {"text": name or "?"},
        }
    }


def _region(line: int) -> Json:
    return {"startLine": line, "startColumn": 1, "endLine": line}


def _uri(path: str, *, safe: str = "/") -> str:
    """Return a path as the path of a URI: what is not plain ASCII is percent-encoded."""
    return quote(path, safe=safe, errors="backslashreplace")
