"""Attach to a target, have source run in it, detach without a trace."""

from __future__ import annotations

import keyword
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Literal

from leakscope.capture.approach import Approach, approach_to
from leakscope.capture.entrance import Entrance
from leakscope.capture.literals import NotPlain, as_literal, from_literal
from leakscope.capture.process import PidReused, ProcessIdentity, TargetGone
from leakscope.capture.wire import AgentConnection, Opcode, Reply, SessionLost, Status
from leakscope.errors import LeakscopeError

CALL_TIMEOUT_S = 60.0
_BYE_WITHIN_S = 5.0


class TargetError(LeakscopeError):
    """The source that we ran in the target raised."""

    hint = "Nothing was changed in the target. Please report this with the target's version."

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"in the target: {kind}: {text}" if text else f"in the target: {kind}")
        self.kind = kind
        """Name of the exception's type."""
        self.text = text


class TargetEnding(LeakscopeError):
    """The target's interpreter is on its way down and runs nothing more."""

    hint = "Attach to the process that replaces it."


class AnswerTooLarge(LeakscopeError):
    """The target could not send its answer: too much of it."""

    hint = "Ask for less at a time."


class Session:
    """One attached agent. Made by `attach`; a context manager.

    Requests are served one after the other, in a namespace that only this session sees and that is
    dropped at its end. Not for use by several threads.
    """

    def __init__(
        self, entrance: Entrance, identity: ProcessIdentity, unlock: Callable[[], None]
    ) -> None:
        """Take over an agent that has connected; `unlock` lets other leakscopes in again."""
        self._connection: AgentConnection | None = entrance.connection
        self._identity = identity
        self._unlock = unlock
        self.kind: Literal["native-agent", "python-agent"] = (
            "native-agent" if entrance.is_native else "python-agent"
        )
        self.door = entrance.door
        """Through which way the agent came in."""
        self.held_ms = entrance.held_ms
        """How long threads of the target were stopped to get the agent in."""
        self.hexversion = entrance.hexversion
        """The target's `PY_VERSION_HEX`."""
        self.waited_ms = 0.0
        """How long the last request waited for the interpreter's lock in the target."""
        self.busy_ms = 0.0
        """How long the last request ran there, holding that lock but for Python's own switches."""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def execute(self, source: str, *, timeout: float = CALL_TIMEOUT_S) -> None:
        """Run source in the session's namespace, to define what `call` can call.

        Raises `TargetError` if it raises, `Timeout` after `timeout` seconds (the target may still
        be at it then), `SessionLost` which says whether the target or the agent went, or
        `TargetEnding`.
        """
        self.request(Opcode.EXEC, source.encode(), timeout=timeout)

    def call(self, function: str, *arguments: object, timeout: float = CALL_TIMEOUT_S) -> object:
        """Call a function of the session's namespace and return its result.

        Arguments and result are plain: None, bool, int, float, str, bytes, and tuples, lists, sets
        and dicts of them. Raises `NotPlain`, `ProtocolError`, and what `execute` raises.
        """
        if not function.isidentifier() or keyword.iskeyword(function):
            raise NotPlain(f"{function!r} is not the name of a function")
        source = f"_reply = ascii({function}(*{as_literal(arguments)}))"
        return from_literal(self.request(Opcode.EXEC, source.encode(), timeout=timeout).body)

    def request(self, opcode: int, body: bytes, *, timeout: float = CALL_TIMEOUT_S) -> Reply:
        """Send one request of the wire protocol and return its successful reply.

        Raises as `execute` does, and `AnswerTooLarge`.
        """
        if self._connection is None:
            raise SessionLost("the session is closed")
        reply = self._connection.ask(opcode, body, timeout=timeout)
        self.waited_ms, self.busy_ms = reply.waited_ns / 1e6, reply.held_ns / 1e6
        if reply.status is Status.OK:
            return reply
        raise _failure(reply)

    @property
    def identity(self) -> ProcessIdentity:
        """The target."""
        return self._identity

    def require_alive(self) -> None:
        """Raise `SessionLost` if the target has gone."""
        _require_alive(self._identity)

    def forget(self) -> None:
        """Close what a forked child has of the session, which goes on in the parent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            self._unlock()

    def close(self) -> None:
        """Have the agent go; return when it says that it does. Idempotent, never raises.

        Waits at most a few seconds: an agent that cannot have the interpreter's lock so soon goes
        when it gets it.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(LeakscopeError):
            connection.ask(Opcode.BYE, b"", timeout=_BYE_WITHIN_S)
        connection.close()
        self._unlock()


def attach(
    identity: ProcessIdentity,
    *,
    timeout: float = 15.0,
    agent: Path | None = None,
    approach: Approach | None = None,
) -> Session:
    """Load the agent into a target and return the session with it.

    `timeout`: seconds until it must be there. `agent`: the shared object, or a `.py` file that does
    the same on a Python thread; without it the installed shared object is taken, or else the Python
    file. `approach`: the way in; without it the one that fits the target's system. The target has
    been left as it was when this raises:

    `TargetGone`, `PidReused`; `NotPython`, `UnsupportedPython` (PyPy, free-threaded, too old or
    new); `NotPermitted`; `Unattachable` (stopped, traced, a zombie); `NotInitialized`;
    `AlreadyAttached`; `NoWritableFolder`; `BusyInC` or `NotTaken`; `NoDoor` or `DoorClosed`;
    `Timeout`.
    """
    deadline = time.monotonic() + timeout
    identity.verify()
    with ExitStack() as undo:
        approach = approach or approach_to(identity)
        unlock = approach.lock(identity)
        undo.callback(unlock)
        entrance = approach.enter(
            identity, _agents(agent), deadline, still_there=lambda: _require_alive(identity)
        )
        undo.pop_all()
        return Session(entrance, identity, unlock)


def agent_path() -> Path | None:
    """Return the agent that was built at install, None if there was no compiler."""
    path = Path(str(files("leakscope.capture.agent").joinpath("agent.so")))
    return path if path.is_file() else None


def _agents(given: Path | None) -> list[Path]:
    """Return the agents to try, best first."""
    if given is not None:
        return [given]
    python = Path(str(files("leakscope.capture.payload").joinpath("agent.py")))
    native = agent_path()
    return [native, python] if native else [python]


def _require_alive(identity: ProcessIdentity) -> None:
    try:
        identity.verify()
    except (TargetGone, PidReused) as gone:
        raise SessionLost(f"the target went away: {gone}", hint=gone.remedy) from gone


def _failure(reply: Reply) -> LeakscopeError:
    if reply.status is Status.RAISED:
        kind, _, text = reply.body.partition(b"\0")
        return TargetError(kind.decode("utf-8", "replace"), text.decode("utf-8", "replace"))
    if reply.status is Status.FINALIZING:
        return TargetEnding("the target's interpreter is ending")
    if reply.status in (Status.TOO_LARGE, Status.NO_MEMORY):
        return AnswerTooLarge("the answer is too large for the target to send")
    return TargetError(reply.status.name, "the agent does not know this request")
