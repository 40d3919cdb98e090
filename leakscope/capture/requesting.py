"""Getting in where no other process's memory can be read: its interpreter is asked to.

What comes in is the agent in Python, on a thread of its own. Which Python a process runs is known
only from the agent; whether it runs one at all, from the answer of the interpreter that asks.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from leakscope.capture import lockfile
from leakscope.capture.doors.interface import Door, DoorClosed, NoDoor
from leakscope.capture.doors.remote_exec import PRIVILEGE, OwnPython, RemoteExec
from leakscope.capture.doors.text import loading_python_agent
from leakscope.capture.entrance import Entered, Entrance, Unattachable, introduced
from leakscope.capture.grounds import Shared
from leakscope.capture.permissions import NotPermitted
from leakscope.capture.process import ProcessIdentity, asking
from leakscope.capture.rendezvous import AGENT, LOADER, Place, Rendezvous, prepared
from leakscope.capture.runtime import NotPython
from leakscope.capture.wire import Timeout
from leakscope.errors import LeakscopeError
from leakscope.model.target import Target

_LOOK_EVERY_S = 0.02
_COMES_UP_WITHIN_S = 3.0
"""For so long after its start a process may still become a Python that can be asked."""
_LEFT_ALONE_S = 0.5
"""A request that is written while an interpreter comes up may be lost: it gets so long first."""
_CONNECTS_WITHIN_S = 3.0
"""From the claim to the agent's connection."""


class NotTaken(LeakscopeError):
    """The target's main thread did not run Python while it was asked to."""

    hint = (
        "Have the service do something on its main thread while leakscope waits: send it a "
        "request, or a signal that it handles. Nothing was left in the target."
    )


class ByRequest:
    """See `Approach`."""

    def describe(self, identity: ProcessIdentity) -> Target | None:
        """Return None: the agent tells."""
        identity.verify()
        return None

    def is_initialized(self, pid: int) -> bool | None:
        """Return None, or raise `NotPython` for what does not have `python` in its file's name."""
        if "python" not in executable(pid).name.lower():
            raise NotPython(f"process {pid} is not a Python process")
        return None

    def lock(self, identity: ProcessIdentity) -> Callable[[], None]:
        """Lock a file in the first of the system's folders."""
        return lockfile.lock(identity, Path("/", identity.system.folders[0]))

    def enter(
        self,
        identity: ProcessIdentity,
        agents: Sequence[Path],
        deadline: float,
        *,
        still_there: Callable[[], None],
    ) -> Entrance:
        """Ask the interpreter to run the agent in Python, which there must be among `agents`."""
        unable = OwnPython.here().unable()
        if unable is not None:
            raise unable
        _require_running(identity)
        content = next(agent for agent in agents if agent.suffix == ".py").read_bytes()

        def furniture(place: Place) -> dict[str, bytes]:
            return {AGENT: content, LOADER: loading_python_agent(place)}

        ground = Shared(identity.pid, identity.system)
        with prepared(identity.pid, furniture, executable=False, ground=ground) as rendezvous:
            door = RemoteExec(identity.pid, rendezvous.place.loader)
            connection = _asked_in(door, rendezvous, identity, deadline)
            return introduced(Entered(connection, door.name, 0.0), rendezvous.place, still_there)


def executable(pid: int) -> Path:
    """Return the file that process `pid` runs; raise `NotPermitted` or `TargetGone`."""
    with asking(pid) as process:
        try:
            return Path(process.exe() or process.name())
        except psutil.AccessDenied as denied:
            raise NotPermitted(f"process {pid}: not permitted", hint=PRIVILEGE) from denied


def _require_running(identity: ProcessIdentity) -> None:
    """Refuse processes that are stopped, dead, or out of this user's reach."""
    pid = identity.pid
    with asking(pid) as process:
        state, owner = process.status(), process.uids().effective
    identity.verify()
    if state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
        raise Unattachable(f"process {pid} is stopped", hint=f"Let it run: `kill -CONT {pid}`.")
    if os.geteuid() not in (0, owner):
        raise NotPermitted(
            f"process {pid}: not permitted: it belongs to user id {owner}, this is user id "
            f"{os.geteuid()}",
            hint="Run leakscope as root (sudo).",
        )


def _knock(door: Door, identity: ProcessIdentity, deadline: float) -> None:
    """Ask, and again as long as the interpreter may only be coming up."""
    while True:
        age = time.time() - identity.started
        in_time = time.monotonic() < deadline
        if in_time and 0 <= age < _LEFT_ALONE_S:
            time.sleep(_LOOK_EVERY_S)
            continue
        identity.verify()
        try:
            door.knock()
            return
        except DoorClosed as closed:
            identity.verify()
            if isinstance(closed, NoDoor) or age > _COMES_UP_WITHIN_S or not in_time:
                raise
        except NotPermitted:
            identity.verify()  # a process that is gone may not be entered either
            raise
        time.sleep(_LOOK_EVERY_S)


def _asked_in(
    door: Door, rendezvous: Rendezvous, identity: ProcessIdentity, deadline: float
) -> socket.socket:
    """Ask and wait for the agent; take the request back if it is not met in time."""
    began = time.monotonic()
    try:
        _knock(door, identity, deadline)
        while time.monotonic() < deadline:
            connection = rendezvous.accept(_LOOK_EVERY_S)
            if connection is not None:
                return connection
            identity.verify()
    finally:
        if not rendezvous.is_claimed() and identity.is_alive():
            door.withdraw()
    if rendezvous.is_claimed():
        connection = rendezvous.accept(_CONNECTS_WITHIN_S)
        if connection is not None:
            return connection
        identity.verify()
        raise Timeout(
            "the agent was loaded into the target and did not connect",
            hint="Its limits on threads or open files may be reached.",
        )
    raise NotTaken(
        f"the main thread of process {identity.pid} has run no Python for "
        f"{time.monotonic() - began:.0f} s: it waits, or is busy in C"
    )
