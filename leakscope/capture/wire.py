"""Talking to the agent in a target: whole messages, each with its answer, each with a deadline.

The other side is agent/protocol.h (and payload/agent.py): a header, then `length` bytes. What comes
from there is data of a stranger: sizes and counts are checked before they are used.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from leakscope.errors import LeakscopeError

PROTOCOL_VERSION = 2
REQUEST_LIMIT = 8 << 20
REPLY_LIMIT = 64 << 20
ERROR_LIMIT = 128 << 10
_MAGIC = b"leakscop"
_HEADER = struct.Struct("=IHHIIQQ")
_HELLO = struct.Struct("=8sIIiI48s")
_DESCRIPTOR = struct.Struct("=i")
_LOOK_EVERY_S = 0.25
_DYING_S = 0.3
_CHUNK = 1 << 16
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Not everywhere; where it is not, no descriptors come."""


class Opcode(IntEnum):
    """What a message is about."""

    HELLO = 1
    EXEC = 2
    BYE = 3
    HEAP_FREEZE = 4
    HEAP_REAP = 5
    SAMPLE_START = 6
    SAMPLE_READ = 7
    SAMPLE_STOP = 8


class Status(IntEnum):
    """How a request went."""

    OK = 0
    RAISED = 1
    FINALIZING = 2
    TOO_LARGE = 3
    BAD_REQUEST = 4
    NO_MEMORY = 5


class SessionLost(LeakscopeError):
    """The target or its agent went away in the middle of a session."""

    hint = "Attach again if the target still runs; `leakscope doctor PID` says what it sees."


class Timeout(LeakscopeError):
    """The target did not do its part in time."""

    hint = "It may be busy in C with the interpreter's lock held: try again, or wait longer."


class ProtocolError(LeakscopeError):
    """What answered in the target does not speak our protocol."""

    hint = "Detach, and attach again with one installation of leakscope."


@dataclass(frozen=True, slots=True)
class Hello:
    """How an agent introduces itself."""

    is_native: bool
    """Whether the C agent speaks, not the Python thread that stands in for it."""
    pid: int
    """Its process, as that sees itself."""
    hexversion: int
    """`PY_VERSION_HEX`, 0 if it found no interpreter."""
    token: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An agent's answer."""

    status: Status
    body: bytes
    waited_ns: int
    """For the interpreter's lock."""
    held_ns: int
    """Holding it."""
    descriptor: int | None = None
    """A file descriptor that came with the answer, now the caller's to close."""


class AgentConnection:
    """One connected agent. Requests are answered one after the other."""

    def __init__(self, connected: socket.socket, still_there: Callable[[], None]) -> None:
        """Take over a connected socket.

        `still_there` is asked while waiting; it raises when the target has gone.
        """
        connected.setblocking(False)
        self._socket = connected
        self._still_there = still_there
        self._sequence = 0
        self._descriptor: int | None = None

    def hello(self, timeout: float) -> Hello:
        """Return what the agent says first.

        Raises `ProtocolError` if that is no hello of our version, `SessionLost` or `Timeout`.
        """
        deadline = time.monotonic() + timeout
        length, opcode, _, _, _, _, _ = _HEADER.unpack(self._receive(_HEADER.size, deadline))
        if opcode != Opcode.HELLO or length != _HELLO.size:
            raise ProtocolError("what connected does not introduce itself as an agent")
        body = self._receive(length, deadline)
        magic, version, kind, pid, hexversion, token = _HELLO.unpack(body)
        if magic != _MAGIC:
            raise ProtocolError("what connected does not introduce itself as an agent")
        if version != PROTOCOL_VERSION:
            raise ProtocolError(
                f"the agent speaks version {version} of the protocol, not {PROTOCOL_VERSION}",
                hint="Install leakscope anew: its agent is of another version than itself.",
            )
        return Hello(kind == 1, pid, hexversion, token.rstrip(b"\0").decode("ascii", "replace"))

    def ask(self, opcode: int, body: bytes, *, timeout: float) -> Reply:
        """Send one request and return its answer.

        An answer to an earlier request, which was given up, is passed over. Raises `Timeout` after
        `timeout` seconds, `SessionLost`, `ProtocolError`, or what `still_there` raises.
        """
        if len(body) > REQUEST_LIMIT:
            raise ProtocolError(f"a request of {len(body)} bytes is too large")
        deadline = time.monotonic() + timeout
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        self._send(_HEADER.pack(len(body), opcode, 0, self._sequence, 0, 0, 0) + body, deadline)
        while True:
            header = self._receive(_HEADER.size, deadline)
            length, answered, status, sequence, _, waited_ns, held_ns = _HEADER.unpack(header)
            if length > REPLY_LIMIT + ERROR_LIMIT:
                raise ProtocolError(f"the agent announces {length} bytes")
            answer = self._receive(length, deadline)
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None and (sequence != self._sequence or answered != opcode):
                os.close(descriptor)
            if sequence == self._sequence:
                if answered != opcode or status not in set(Status):
                    raise ProtocolError("the agent answers what was not asked")
                return Reply(Status(status), answer, waited_ns, held_ns, descriptor)
            if sequence > self._sequence:
                raise ProtocolError("the agent answers what was not asked")

    def close(self) -> None:
        """Close the socket; the agent takes that as its order to go. Idempotent."""
        self._socket.close()

    def _receive(self, size: int, deadline: float) -> bytes:
        received = bytearray()
        while len(received) < size:
            self._wait_until_ready(deadline, for_reading=True)
            try:
                part = self._receive_part(min(_CHUNK, size - len(received)))
            except BlockingIOError:
                continue
            except OSError:
                part = b""
            if not part:
                raise self._lost()
            received += part
        return bytes(received)

    def _receive_part(self, size: int) -> bytes:
        """Receive what is there, and keep the descriptor that may come with it."""
        part, ancillary, _, _ = self._socket.recvmsg(
            size, socket.CMSG_SPACE(_DESCRIPTOR.size), _CLOEXEC
        )
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                for (descriptor,) in _DESCRIPTOR.iter_unpack(content):
                    if self._descriptor is not None:
                        os.close(self._descriptor)
                    self._descriptor = descriptor
        return part

    def _send(self, message: bytes, deadline: float) -> None:
        rest = memoryview(message)
        while rest:
            self._wait_until_ready(deadline, for_reading=False)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._lost() from error

    def _lost(self) -> LeakscopeError:
        """Return why the connection ended; a dying target closes it before it is dead."""
        deadline = time.monotonic() + _DYING_S
        try:
            while time.monotonic() < deadline:
                self._still_there()
                time.sleep(_DYING_S / 20)
        except LeakscopeError as gone:
            return gone
        return SessionLost("the agent in the target went away; the target runs on")

    def _wait_until_ready(self, deadline: float, *, for_reading: bool) -> None:
        """Wait for the socket, and look now and then whether the target is still there."""
        if self._socket.fileno() < 0:
            raise SessionLost("the session is closed")
        poller = select.poll()
        poller.register(self._socket, select.POLLIN if for_reading else select.POLLOUT)
        while True:
            left = deadline - time.monotonic()
            if poller.poll(1000 * max(0.0, min(left, _LOOK_EVERY_S))):
                return
            self._still_there()
            if left <= 0:
                raise Timeout("the target does not answer in time")
