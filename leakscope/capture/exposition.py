"""The Prometheus text format: which samples a page holds.

Reads version 0.0.4, OpenMetrics 1.0 and the quoted names of Prometheus 3
(https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
_FLOAT = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI]nf(?:inity)?|[nN]a[nN])"
_LABELS = rf'\{{(?:[^"{{}}\n]|{_STRING})*\}}'
_SAMPLE = re.compile(
    rf"""[ \t]*
    (?:(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]*{_LABELS}[ \t]*|[ \t]+)
       |(?P<labels>{_LABELS})[ \t]*)
    (?P<value>{_FLOAT})
    (?:[ \t]+{_FLOAT})?
    (?:[ \t]+\#.*)?
    [ \t]*\r?""",
    re.VERBOSE | re.ASCII,
)
_QUOTED_NAME = re.compile(rf"\{{[ \t]*({_STRING})[ \t]*[,}}]")
_DECLARED = re.compile(r"[ \t]*#[ \t]*TYPE[ \t]+(\S+)[ \t]+counter[ \t]*\r?")
_ESCAPE = re.compile(r"\\(.)")


class NotExposition(ValueError):
    """The text is not in the Prometheus text format; the message quotes the line that is not."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric, whatever its labels."""

    name: str
    value: float


def samples(text: str) -> Iterator[Sample]:
    """Yield the samples of `text` in its order; comments, timestamps and exemplars are dropped.

    Raises `NotExposition` at the first line that is neither a sample nor a comment nor blank, as
    Prometheus itself does.
    """
    for line in text.split("\n"):
        stripped = line.strip(" \t\r")
        if stripped and not stripped.startswith("#"):
            yield _sample(line)


def declared_counters(text: str) -> Iterator[str]:
    """Yield the names under which the counters that `text` declares appear in samples.

    A counter with labels has no sample before it first counts; its declaration is there already.
    OpenMetrics declares a counter without the `_total` that its samples end in.
    """
    for line in text.split("\n"):
        found = _DECLARED.fullmatch(line)
        if found is not None:
            yield found[1]
            if not found[1].endswith("_total"):
                yield f"{found[1]}_total"


def _sample(line: str) -> Sample:
    found = _SAMPLE.fullmatch(line)
    name = _name(found) if found else None
    if found is None or name is None:
        raise NotExposition(ascii(line[:60]))
    return Sample(name, float(found["value"]))


def _name(found: re.Match[str]) -> str | None:
    if found["name"]:
        return found["name"]
    quoted = _QUOTED_NAME.match(found["labels"] or "")
    return _unescaped(quoted[1][1:-1]) if quoted else None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], text)
