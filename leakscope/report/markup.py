"""Text from a target as GitHub's Markdown, inert: it shows what it is and does nothing.

Every function makes its text printable first, so what comes out is one line (`fenced` aside).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from leakscope.report.text import printable

_WILD = re.compile(r"[`|\\]|^\s|\s$|^$")
"""What a code span between backticks would not show as it is, in a table or elsewhere."""
_ACTIVE = re.compile(
    r"[\\`*_<>&|~#$]"
    r"|\](?=\()"  # The middle of a link.
    r"|(?<=[a-zA-Z]):(?=//)|(?<=[wW]{3})\."  # Addresses become links of their own accord…
    r"|^[-+=](?=\s|$|[-+=])|(?<=^\d)[.)](?=\s|$)"  # …and these are lists and rules.
)
_MENTION = re.compile(r"@")


def code(text: str) -> str:
    """Return a name as inline code, whatever characters it has; in tables too."""
    shown = printable(text)
    return html_code(shown) if _WILD.search(shown) else f"`{shown}`"


def html_code(text: str) -> str:
    """Return a name as an HTML element in which nothing is Markdown either."""
    inside = "".join(
        c if c.isalnum() or not c.isascii() else f"&#{ord(c)};" for c in printable(text)
    )
    return f"<code>{inside}</code>"


def prose(text: str) -> str:
    """Return words as words: no emphasis, links, elements, lists, and nobody is mentioned."""
    shown = _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", printable(text).strip(" "))
    return _MENTION.sub("<span>&#64;</span>", shown)


def fenced(block: str) -> str:
    """Return lines as a code block that nothing in them can end; they are to be printable."""
    longest = max((len(run) for run in re.findall(r"`+", block)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{block}\n{fence}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def folded(summary: str, body: str) -> str:
    """Return Markdown that is shown on a click on `summary`, which is HTML."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
