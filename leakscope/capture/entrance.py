"""An agent that has come into a target and introduced itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from leakscope.capture.rendezvous import Place
from leakscope.capture.wire import AgentConnection, ProtocolError
from leakscope.errors import LeakscopeError

_HELLO_WITHIN_S = 5.0


class Unattachable(LeakscopeError):
    """The process is in a state in which it cannot be entered."""

    hint = (
        "Let it run (`kill -CONT PID`), detach the debugger, and try again; or count types by "
        "`--capture readonly`, which does not go in."
    )


@dataclass(frozen=True, slots=True)
class Entered:
    """The agent runs in the target and has connected."""

    connection: socket.socket
    door: str
    """Name of the door that was knocked at last before the agent came."""
    held_s: float
    """How long threads of the target were stopped, all doors together."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """An agent that has connected and introduced itself."""

    connection: AgentConnection
    is_native: bool
    hexversion: int
    door: str
    held_ms: float


def introduced(entered: Entered, place: Place, still_there: Callable[[], None]) -> Entrance:
    """Return who has connected; raise `ProtocolError` unless it is the agent that we sent.

    The connection is closed if this raises.
    """
    connection = AgentConnection(entered.connection, still_there)
    try:
        hello = connection.hello(_HELLO_WITHIN_S)
        if hello.token != place.token:
            raise ProtocolError("what connected is not the agent that we sent")
    except BaseException:
        connection.close()
        raise
    return Entrance(
        connection, hello.is_native, hello.hexversion, entered.door, entered.held_s * 1000
    )
