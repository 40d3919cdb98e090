"""Whether a load did what it should: a server that was not driven has not been checked."""

from __future__ import annotations

from http import HTTPStatus

from leakscope.load.interface import Served

_SHOWN = 3
"""Kinds of failures or statuses that a sentence names."""


def too_few(served: Served, *, share: float = 0.9, unit: str = "request") -> str | None:
    """Return a sentence if fewer than this share of what was asked landed, else None.

    A load that can not tell what it asked or what landed is not judged.
    """
    asked, landed = served.asked, served.landed
    if asked is None or landed is None or (landed >= asked * share and landed > 0):
        return None
    words = f"{landed} of {asked} {unit}s landed"
    if not served.failures:
        return words
    return f"{words}; {_listed([(why, count) for why, count in served.failures])}"


def no_success(served: Served) -> str | None:
    """Return a sentence if there were answers and none was a success, else None.

    A success is a status under 300. Redirects are none: the client does not follow them, and a
    server that only redirects does little of its work.
    """
    answers = sum(count for _, count in served.statuses)
    if not answers or any(status < 300 for status, _ in served.statuses):
        return None
    if len(served.statuses) == 1:
        status = served.statuses[0][0]
        which = "the only answer was" if answers == 1 else f"every one of {answers} answers was"
        return f"{which} {status_words(status)}"
    often = sorted(served.statuses, key=lambda item: (-item[1], item[0]))
    named = _listed([(status_words(status), count) for status, count in often])
    return f"none of {answers} answers was a success; {named}"


def lateness(served: Served, *, share: float = 0.1) -> str | None:
    """Return a sentence if more than this share of the requests went out late, else None."""
    if not served.asked or served.late <= served.asked * share:
        return None
    return (
        f"{served.late} of {served.asked} requests of a round went out late: "
        "the server does not keep up with the rate over these connections"
    )


def status_words(status: int) -> str:
    """Return a status with its name, where it has one: `404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _listed(counts: list[tuple[str, int]]) -> str:
    """Return `86: connection refused, 3: …`, with the rest of many kinds summed up."""
    words = [f"{count}: {name}" for name, count in counts[:_SHOWN]]
    rest = sum(count for _, count in counts[_SHOWN:])
    return ", ".join([*words, f"{rest}: other"] if rest else words)
