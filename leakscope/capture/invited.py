"""Getting into a process that asks for it: it runs the loading text itself.

So nothing is read from its memory, nothing is traced, and no right over it is needed. It says which
Python it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leakscope.capture import attached, lockfile
from leakscope.capture.doors.interface import AgentNotLoaded
from leakscope.capture.doors.text import loading_native_agent, loading_python_agent
from leakscope.capture.entrance import Entered, Entrance, introduced
from leakscope.capture.grounds import Shared
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.rendezvous import AGENT, LOADER, NoWritableFolder, Place, prepared
from leakscope.capture.runtime import target_of
from leakscope.capture.wire import Timeout
from leakscope.model.target import Target

_CONNECTS_WITHIN_S = 5.0
"""From the end of the loading text to the agent's connection."""


@dataclass(frozen=True, slots=True)
class Invited:
    """See `Approach`."""

    python: str
    """Version of the CPython that the process runs, as it says itself: `3.12.1`."""
    invite: Callable[[str], None]
    """Has the process run the text in a file, whose path is given, and returns when it has."""

    def describe(self, identity: ProcessIdentity) -> Target:
        """Return what the process says of itself."""
        return target_of(identity, self.python)

    def is_initialized(self, pid: int) -> bool:
        """Return True: it has said something."""
        del pid
        return True

    def lock(self, identity: ProcessIdentity) -> Callable[[], None]:
        """Lock its folder in /proc, or a file where there is none."""
        if identity.system.reads_memory:
            return attached.lock(identity.pid)
        return lockfile.lock(identity, Path("/", identity.system.folders[0]))

    def enter(
        self,
        identity: ProcessIdentity,
        agents: Sequence[Path],
        deadline: float,
        *,
        still_there: Callable[[], None],
    ) -> Entrance:
        """Have the process load the first agent, or else the second.

        Raises `AgentNotLoaded`, `NoWritableFolder`, or what `invite` raises.
        """
        first, *others = agents
        try:
            return self._enter_with(first, identity, deadline, still_there)
        except (NoWritableFolder, AgentNotLoaded):
            if not others:
                raise
            return self._enter_with(others[0], identity, deadline, still_there)

    def _enter_with(
        self,
        agent: Path,
        identity: ProcessIdentity,
        deadline: float,
        still_there: Callable[[], None],
    ) -> Entrance:
        is_native = agent.suffix != ".py"
        loading = loading_native_agent if is_native else loading_python_agent
        content = agent.read_bytes()

        def furniture(place: Place) -> dict[str, bytes]:
            return {AGENT: content, LOADER: loading(place)}

        ground = Shared(identity.pid, identity.system)
        with prepared(identity.pid, furniture, executable=is_native, ground=ground) as rendezvous:
            self.invite(rendezvous.place.loader)
            if not rendezvous.is_claimed():
                raise AgentNotLoaded("the process did not load the agent")
            within = min(_CONNECTS_WITHIN_S, deadline - time.monotonic())
            connection = rendezvous.accept(within)
            if connection is None and is_native:
                raise AgentNotLoaded("the process could not load the agent in C")
            if connection is None:
                raise Timeout(
                    "the agent was loaded and did not connect",
                    hint="Its limits on threads or open files may be reached.",
                )
            return introduced(Entered(connection, "invited", 0.0), rendezvous.place, still_there)
