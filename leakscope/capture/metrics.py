"""What the operating system says of a process: memory, threads, descriptors, processor time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psutil

from leakscope.capture.process import ProcessIdentity, asking
from leakscope.model.census import ProcessMetrics

_T = TypeVar("_T")


def sample_metrics(identity: ProcessIdentity, *, with_uss: bool = False) -> ProcessMetrics:
    """Return what the operating system says of this process now; None for what it will not tell.

    `with_uss` makes the kernel walk the page tables of the process (measured: 8 ms per GB), and
    what maps memory in the process meanwhile may have to wait for that; nothing else here costs
    the process anything. Raises `TargetGone` or `PidReused`.
    """
    identity.verify()
    with asking(identity.pid) as process, process.oneshot():
        return ProcessMetrics(
            rss=_readable(lambda: process.memory_info().rss),
            uss=_readable(lambda: identity.system.uss(identity.pid)) if with_uss else None,
            threads=_readable(process.num_threads),
            fds=_readable(process.num_fds),
            cpu_seconds=_readable(lambda: identity.system.cpu_seconds(identity.pid)),
        )


def _readable(read: Callable[[], _T]) -> _T | None:
    """Return what `read` returns, or None where this user may not read it."""
    try:
        return read()
    except (psutil.AccessDenied, PermissionError):
        return None
    except (FileNotFoundError, ProcessLookupError):
        return None
