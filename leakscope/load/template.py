"""Text that varies from request to request: placeholders in URLs, headers and bodies.

    {n}               the running number of the request, from 1 on, over all rounds
    {round}           the number of the round
    {rand:LOW-HIGH}   a whole number, both ends included
    {choice:a|b|c}    one of these
    {uuid}            a random UUID, version 4
    {{ and }}         literal braces

What is random depends on the seed and on `{n}` alone, so that two runs with one seed send the same
requests, whatever order they are answered in. Rounds do the same work in the sense that their
values are drawn from the same distribution; they are not the same values again, because a server
that caches would then do less in the second round than in the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from leakscope.errors import UsageError
from leakscope.load.placeholders import (
    Between,
    Choice,
    Number,
    Placeholder,
    RandomUuid,
    RoundNumber,
    Turn,
)

_TOKEN = re.compile(r"(?P<open>\{\{)|(?P<close>\}\})|\{(?P<inner>[^{}]*)\}|(?P<text>[^{}]+)")
_RANGE = re.compile(r"(-?[0-9]{1,18})-(-?[0-9]{1,18})")


class BadTemplate(UsageError):
    """A URL, header or body has a placeholder that means nothing."""

    hint = (
        "Placeholders are {n}, {round}, {rand:LOW-HIGH}, {choice:a|b|c} and {uuid}; "
        "write {{ and }} for braces."
    )


@dataclass(frozen=True, slots=True)
class Template:
    """Text with placeholders; `str()` gives it as it can be parsed again."""

    parts: tuple[str | Placeholder, ...]
    """Literal texts, none empty and no two side by side, and what comes between them."""

    @property
    def varies(self) -> bool:
        """Whether two requests can get different text."""
        return any(not isinstance(part, str) for part in self.parts)

    def render(self, turn: Turn) -> str:
        """Return the text for one request."""
        return "".join(part if isinstance(part, str) else part.value(turn) for part in self.parts)

    def texts(self) -> Iterator[str]:
        """Yield every text of the user's that can come out: literals and options."""
        for part in self.parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Choice):
                yield from part.options

    def mapped(self, change: Callable[[str], str]) -> Template:
        """Return the template with `change` applied to every literal and every option."""
        return template_of(_mapped(part, change) for part in self.parts)

    def __str__(self) -> str:
        return "".join(escape(part) if isinstance(part, str) else str(part) for part in self.parts)


def escape(text: str) -> str:
    """Return the text whose template renders as `text`."""
    return text.replace("{", "{{").replace("}", "}}")


def parse_template(text: str) -> Template:
    """Return the template that `text` stands for. Raises `BadTemplate`."""
    return template_of(_parsed(text))


def json_template(value: object) -> Template:
    """Return a template of `value` as JSON, with placeholders in its strings and nowhere else.

    Raises `BadTemplate`.
    """
    return template_of(_json_parts(value))


def template_of(parts: Iterator[str | Placeholder]) -> Template:
    """Return a template of these parts, with literal texts that touch made one."""
    joined: list[str | Placeholder] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        elif part != "":
            joined.append(part)
    return Template(tuple(joined))


def _parsed(text: str) -> Iterator[str | Placeholder]:
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise BadTemplate(f"a single {text[position]!r} in {text[position : position + 40]!r}")
        if token["open"] or token["close"]:
            yield token[0][0]
        elif token["text"]:
            yield token["text"]
        else:
            yield _placeholder(token["inner"])
        position = token.end()


def _placeholder(inner: str) -> Placeholder:
    plain: dict[str, Placeholder] = {"n": Number(), "round": RoundNumber(), "uuid": RandomUuid()}
    if inner in plain:
        return plain[inner]
    name, colon, rest = inner.partition(":")
    if name == "choice" and colon:
        return Choice(tuple(rest.split("|")))
    bounds = _RANGE.fullmatch(rest) if name == "rand" else None
    if bounds is None:
        raise BadTemplate(
            f"no such placeholder: {{{inner[:60]}}}".encode("unicode_escape").decode()
        )
    low, high = int(bounds[1]), int(bounds[2])
    if low > high:
        raise BadTemplate(f"{{rand:{low}-{high}}} has no number: {low} is more than {high}")
    return Between(low, high)


def _mapped(part: str | Placeholder, change: Callable[[str], str]) -> str | Placeholder:
    if isinstance(part, str):
        return change(part)
    if isinstance(part, Choice):
        return replace(part, options=tuple(map(change, part.options)))
    return part


def _json_parts(value: object) -> Iterator[str | Placeholder]:
    if isinstance(value, str):
        yield '"'
        yield from parse_template(value).mapped(lambda text: json.dumps(text)[1:-1]).parts
        yield '"'
    elif isinstance(value, dict):
        yield "{"
        for index, (key, item) in enumerate(value.items()):
            yield ", " if index else ""
            yield from _json_parts(key)
            yield ": "
            yield from _json_parts(item)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for index, item in enumerate(value):
            yield ", " if index else ""
            yield from _json_parts(item)
        yield "]"
    else:
        yield json.dumps(value)
