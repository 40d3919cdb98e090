"""The doors of a target in the order in which they are tried.

The gentlest first. Each gets a moment; once the text is claimed, whichever door it came through,
only its agent is waited for. If none opens, what was asked stays queued until the deadline, and
what could not be asked is tried again now and then.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from leakscope.capture.doors.blocked_thread import BlockedThread
from leakscope.capture.doors.busy import Watch
from leakscope.capture.doors.interface import AgentNotLoaded, Door, NoDoor
from leakscope.capture.doors.pending_call import PendingCall
from leakscope.capture.doors.pep768 import RunFile, WakeMainThread
from leakscope.capture.doors.ptrace import TraceRefused
from leakscope.capture.doors.site import Site
from leakscope.capture.doors.tracer import as_passing_tracer
from leakscope.capture.entrance import Entered
from leakscope.capture.rendezvous import Rendezvous
from leakscope.capture.wire import Timeout
from leakscope.errors import LeakscopeError

_LOOK_EVERY_S = 0.002
_MAPPED_WITHIN_S = 3.0
"""From the claim to the agent being in the target's memory map."""
_FOR_GOOD = (NoDoor, TraceRefused)
_AGAIN_FIRST_S, _AGAIN_AT_MOST_S = 0.1, 1.0


def doors(site: Site) -> tuple[Door, ...]:
    """Return the ways in, in the order in which they are tried."""
    return RunFile(site), WakeMainThread(site), PendingCall(site), BlockedThread(site)


def enter(
    site: Site,
    rendezvous: Rendezvous,
    *,
    deadline: float,
    still_there: Callable[[], None],
) -> Entered:
    """Have the agent loaded and return its connection.

    `deadline` is a `time.monotonic` value; `still_there` raises when the target has gone. Raises
    `BusyInC` when no door opened in time, `Timeout` when the agent was loaded and did not connect,
    `AgentNotLoaded` when it could not be, `NoDoor` when none could even be knocked at.
    """
    return _Attempt(site, rendezvous, deadline, still_there).run()


class _Attempt:
    """One climb; keeps what was tried and what it cost."""

    def __init__(
        self,
        site: Site,
        rendezvous: Rendezvous,
        deadline: float,
        still_there: Callable[[], None],
    ) -> None:
        self._site = site
        self._rendezvous = rendezvous
        self._deadline = deadline
        self._still_there = still_there
        self._doors = doors(site)
        self._held_s = 0.0
        self._closed: dict[str, LeakscopeError] = {}
        self._knocked: list[str] = []
        """Names of the doors that were knocked at, each time one was."""
        self._claimed_at: float | None = None

    def run(self) -> Entered:
        watch = Watch.begin(self._site.pid)
        try:
            connection = self._climb() or self._wait_and_retry()
            if connection is not None:
                return Entered(connection, self._knocked[-1], self._held_s)
            self._still_there()
            if self._rendezvous.is_claimed():
                raise Timeout(
                    "the agent was loaded into the target and did not connect",
                    hint="Its limits on threads or open files may be reached.",
                )
            if not self._knocked:
                raise self._no_door()
            raise watch.verdict([f"{name}: {why}" for name, why in self._closed.items()])
        finally:
            self._clear()

    def _climb(self) -> socket.socket | None:
        for door in self._doors:
            if self._knock(door):
                connection = self._wait(door.patience_s)
                if connection is not None:
                    return connection
        return None

    def _wait_and_retry(self) -> socket.socket | None:
        """Wait for what is queued, and ask again where it could not be asked or may help again."""
        pause = _AGAIN_FIRST_S
        while time.monotonic() < self._deadline and not self._is_shut_for_good():
            connection = self._wait(pause)
            if connection is not None:
                return connection
            pause = min(2 * pause, _AGAIN_AT_MOST_S)
            for door in self._doors:
                closed = self._closed.get(door.name)
                if isinstance(door, (WakeMainThread, BlockedThread)) or closed is not None:
                    self._knock(door)
        return self._wait(0.0)

    def _is_shut_for_good(self) -> bool:
        """Return whether no door has been knocked at, and none ever can be."""
        return not self._knocked and all(
            isinstance(why, _FOR_GOOD) for why in self._closed.values()
        )

    def _knock(self, door: Door) -> bool:
        if isinstance(self._closed.get(door.name), _FOR_GOOD):
            return False
        try:
            self._held_s += as_passing_tracer(door.knock).held_s
        except LeakscopeError as why:
            self._still_there()
            self._closed[door.name] = why
            return False
        self._closed.pop(door.name, None)
        self._knocked.append(door.name)
        return True

    def _wait(self, seconds: float) -> socket.socket | None:
        """Wait for the agent; as long as it takes, once the text has begun to run."""
        end = min(time.monotonic() + seconds, self._deadline)
        while True:
            connection = self._rendezvous.accept(_LOOK_EVERY_S)
            if connection is not None:
                return connection
            self._still_there()
            now = time.monotonic()
            is_claimed = self._rendezvous.is_claimed()
            if is_claimed:
                self._require_loaded(now)
            if now >= self._deadline or (now >= end and not is_claimed):
                return None

    def _require_loaded(self, now: float) -> None:
        """Raise `AgentNotLoaded` some time after the claim if the agent is not mapped."""
        if self._claimed_at is None:
            self._claimed_at = now
        if now - self._claimed_at < _MAPPED_WITHIN_S:
            return
        folder = self._rendezvous.place.path
        if self._site.is_native and not any(folder in m.path for m in self._site.mappings()):
            raise AgentNotLoaded("the target's dynamic linker did not load the agent")

    def _clear(self) -> None:
        """Take back what has not run, or else the text that has: nobody needs it any more.

        A text that may still run stays where it is: whoever runs it finds no file.
        """
        is_claimed = self._rendezvous.is_claimed()
        if not is_claimed or not self._came_by_file():
            for door in self._doors:
                door.withdraw()
        if is_claimed and self._site.placed is not None:
            with suppress(LeakscopeError):
                self._site.placed.disarm()
                time.sleep(_LOOK_EVERY_S)  # a reader copies it at once: none is in the middle now
                self._site.placed.wipe()

    def _came_by_file(self) -> bool:
        """Return whether the text that ran is sure to be the file that the main thread runs."""
        return not set(self._knocked) - {RunFile.name, WakeMainThread.name}

    def _no_door(self) -> LeakscopeError:
        reasons = "; ".join(f"{name}: {why}" for name, why in self._closed.items())
        hints = [why.remedy for why in self._closed.values() if why.remedy]
        return NoDoor(
            f"process {self._site.pid} has no way in ({reasons})",
            hint=hints[-1] if hints else None,
        )
