"""Evidence that is gathered to the end, however slow the machine is just now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from leakscope.capture import gathering


@contextmanager
def unhurried() -> Iterator[None]:
    """Let looking for evidence take a minute where it has seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("SEARCH_SECONDS", "ENTRY_SECONDS", "INSTANCE_SECONDS"):
            patch.setattr(gathering, limit, 60.0)
        yield
