"""The audit log: one line per request.

As it was first written, the log keeps each request's context until a collector asks for it, and no
collector was ever installed. Repaired, it keeps the line, and writes the lines out in batches.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .messages import Message

logger = logging.getLogger(__name__)

BATCH = 50
"""Lines that are written out together."""


class RequestContext:
    """What the proxy knows about one request."""

    def __init__(self, number: int, client: str, request: Message) -> None:
        self.number = number
        self.client = client
        self.request = request
        self.status = "000"

    def line(self) -> str:
        """Return what the audit log says about this request."""
        return f"{self.number} {self.client} {self.request.start} {self.status}"


PENDING: list[RequestContext] = []
"""Requests that the collector has not asked for yet, oldest first."""

_lines: list[str] = []


def keep_for_collector(context: RequestContext) -> None:
    """Keep `context` until a collector comes. The bug: none does."""
    PENDING.append(context)


def write_in_batches(context: RequestContext) -> None:
    """Note the line, and write out and forget the lines when there are enough."""
    _lines.append(context.line())
    if len(_lines) >= BATCH:
        logger.info("%s", "\n".join(_lines))
        _lines.clear()
