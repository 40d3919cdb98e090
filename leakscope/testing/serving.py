"""A service that is started for a test, until it can be driven and while it is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from leakscope.capture.launch import launch
from leakscope.capture.process import ProcessIdentity
from leakscope.errors import UsageError
from leakscope.testing.messages import StartService
from leakscope.watching.printed import Printed, printed
from leakscope.watching.readiness import (
    wait_until_answering,
    wait_until_listening,
    wait_until_said,
)


class NoSuchReadiness(UsageError):
    """What a service is to be waited for makes no sense."""

    hint = "Give a URL, a path such as '/health', or a regular expression for a line it prints."


@contextmanager
def served(asked: StartService) -> Iterator[tuple[ProcessIdentity, tuple[int, ...]]]:
    """Yield a service that is ready, and the ports it listens on; end it on leaving.

    Raises `NoSuchReadiness`, `NeverReady`, `TargetGone`, or what `launch` and `awaited` raise.
    """
    deadline = time.monotonic() + asked.within
    with ExitStack() as stack:
        output = stack.enter_context(printed(_pattern(asked.line))) if asked.line else None
        launched = stack.enter_context(
            launch(asked.command, output=None if output is None else output.descriptor)
        )
        identity = launched.identity
        with launched.awaited():
            ports = _ready(asked, identity, output, deadline)
        yield identity, ports


def _ready(
    asked: StartService, identity: ProcessIdentity, output: Printed | None, deadline: float
) -> tuple[int, ...]:
    """Wait until it is ready; return its ports."""
    if output is not None:
        wait_until_said(identity, output, asked.within)
    ports = wait_until_listening(identity, max(0.0, deadline - time.monotonic()))
    if asked.url is not None:
        url = asked.url if "://" in asked.url else f"http://127.0.0.1:{ports[0]}{asked.url}"
        wait_until_answering(identity, url, max(0.0, deadline - time.monotonic()))
    return ports


def _pattern(line: str) -> re.Pattern[str]:
    try:
        return re.compile(line)
    except re.error as problem:
        raise NoSuchReadiness(f"ready={line!r}: {problem}") from None
