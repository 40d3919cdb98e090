"""Sampling the allocations of the process that one is in."""

from __future__ import annotations

import os
import platform
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.analysis.allocation import profile_of
from leakscope.capture.invited import Invited
from leakscope.capture.process import identify
from leakscope.capture.sampling import AllocationSampler
from leakscope.capture.session import Session, attach
from leakscope.errors import LeakscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakscope.model.allocation import AllocationProfile


class BeingWatched(LeakscopeError):
    """There is no profile while another leakscope is at work."""

    hint = "Ask again when it is done; what is told then begins anew."


class OwnAllocations:
    """The hooks in this process. For use from several threads."""

    def __init__(self, sample_bytes: int) -> None:
        """Begin to sample. Raises what attaching and sampling raise."""
        self._sample_bytes = sample_bytes
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._is_away = False
        self._sampler: AllocationSampler | None = None
        self.start()

    def start(self) -> None:
        """Begin to sample, if it is not done already. Raises as `AllocationSampler.start`."""
        with self._lock:
            if self._sampler is not None:
                return
            approach = Invited(platform.python_version(), run_here)
            self._session = attach(identify(os.getpid()), approach=approach)
            try:
                sampler = AllocationSampler(self._session)
                sampler.start(self._sample_bytes)
            except BaseException:
                self.stop()
                raise
            self._sampler = sampler

    def stop(self) -> None:
        """Take everything out. Idempotent, never raises."""
        with self._lock:
            session, self._session, self._sampler = self._session, None, None
            if session is not None:
                session.close()

    def profile(self) -> AllocationProfile:
        """Return what was allocated since sampling began, or began again.

        Raises what a request raises.
        """
        with self._lock:
            if self._is_away:
                raise BeingWatched("another leakscope is at work in this process")
            self.start()
            assert self._sampler is not None
            samples = self._sampler.read()
        return profile_of(samples, pid=os.getpid(), taken_at=time.time(), bounds=False)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Make room for another leakscope while the block runs: two would disturb each other."""
        with self._lock:
            self._is_away = True
            self.stop()
        try:
            yield
        finally:
            self._is_away = False

    def forget(self) -> None:
        """Close what a forked child has of it, which is not sampled."""
        self._lock = threading.RLock()
        session, self._session, self._sampler = self._session, None, None
        if session is not None:
            session.forget()


def run_here(path: str) -> None:
    """Run the text in a file in this process, with names of its own."""
    exec(compile(Path(path).read_bytes(), "<leakscope>", "exec"), {})
