"""From an identified process to a connected agent, through the process's memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from leakscope.capture import attached
from leakscope.capture.doors.interface import AgentNotLoaded
from leakscope.capture.doors.ladder import enter
from leakscope.capture.doors.pep768 import take_back_stale
from leakscope.capture.doors.site import surveyed
from leakscope.capture.doors.text import loading_native_agent, loading_python_agent
from leakscope.capture.entrance import Entrance, Unattachable, introduced
from leakscope.capture.permissions import credentials
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.rendezvous import AGENT, LOADER, NoWritableFolder, Place, prepared
from leakscope.capture.runtime import describe, is_initialized, probe
from leakscope.capture.threads import process_state
from leakscope.errors import LeakscopeError
from leakscope.model.target import Target

_LOOK_EVERY_S = 0.01
_RUNS_FILES = (3, 14)
"""From this version on no tracing is needed, unless the main thread sleeps."""


class NotInitialized(LeakscopeError):
    """The target's interpreter has not come up in time."""

    hint = "Try again when the service has started."


class ThroughMemory:
    """See `Approach`."""

    def describe(self, identity: ProcessIdentity) -> Target:
        """Read which interpreter it runs from its memory."""
        return describe(identity)

    def is_initialized(self, pid: int) -> bool | None:
        """Read whether its interpreter is up from its memory."""
        return is_initialized(pid)

    def lock(self, identity: ProcessIdentity) -> Callable[[], None]:
        """Lock its folder in /proc."""
        return attached.lock(identity.pid)

    def enter(
        self,
        identity: ProcessIdentity,
        agents: Sequence[Path],
        deadline: float,
        *,
        still_there: Callable[[], None],
    ) -> Entrance:
        """Load the first agent, or else the second.

        Where folders forbid code, or the C library does not take the native agent, the one in
        Python still works.
        """
        _require_running(identity)
        version = probe(identity).require_supported(identity.pid)
        if version.minor < _RUNS_FILES:
            _require_untraced(identity)
        _await_initialized(identity, deadline)
        first, *others = agents
        try:
            return _enter_with(first, identity, version.minor, deadline, still_there)
        except (NoWritableFolder, AgentNotLoaded):
            if not others:
                raise
            return _enter_with(others[0], identity, version.minor, deadline, still_there)


def _enter_with(
    agent: Path,
    identity: ProcessIdentity,
    minor: tuple[int, int],
    deadline: float,
    still_there: Callable[[], None],
) -> Entrance:
    is_native = agent.suffix != ".py"
    loading = loading_native_agent if is_native else loading_python_agent
    content = agent.read_bytes()

    def furniture(place: Place) -> dict[str, bytes]:
        return {AGENT: content, LOADER: loading(place)}

    with surveyed(identity.pid, minor, is_native=is_native) as survey:
        identity.verify()
        take_back_stale(survey)  # before the file that it asks for is swept away
        with prepared(identity.pid, furniture, executable=is_native) as rendezvous:
            place = rendezvous.place
            site = replace(survey, loader=place.loader)
            identity.verify()
            entered = enter(site, rendezvous, deadline=deadline, still_there=identity.verify)
            return introduced(entered, place, still_there)


def _require_running(identity: ProcessIdentity) -> None:
    """Refuse processes that are stopped, traced or dead."""
    state = process_state(identity.pid)
    if state not in "TtZX":
        return
    identity.verify()
    tracer = credentials(identity.pid).tracer
    reasons = {
        "T": "is stopped (state T)",
        "t": f"is stopped by a debugger (pid {tracer})" if tracer else "is stopped by a debugger",
    }
    raise Unattachable(f"process {identity.pid} {reasons.get(state, 'is dead')}")


def _require_untraced(identity: ProcessIdentity) -> None:
    tracer = credentials(identity.pid).tracer
    if tracer:
        raise Unattachable(
            f"process {identity.pid} is already traced by pid {tracer}",
            hint="End that debugger or tracer and try again: a process can have only one. Or count "
            "types by `--capture readonly`, which needs none.",
        )


def _await_initialized(identity: ProcessIdentity, deadline: float) -> None:
    """Wait until the interpreter is up: earlier, what is loaded would be lost."""
    while is_initialized(identity.pid) is False:
        if time.monotonic() > deadline:
            raise NotInitialized(
                f"the interpreter of process {identity.pid} has not come up in time"
            )
        time.sleep(_LOOK_EVERY_S)
        identity.verify()
