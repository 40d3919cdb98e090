"""Whatever answers in a target cannot hurt the controller."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakscope.capture.literals import NotPlain, as_literal, from_literal
from leakscope.capture.process import TargetGone
from leakscope.capture.rendezvous import AGENT, NoWritableFolder, Rendezvous, prepared
from leakscope.capture.wire import (
    REPLY_LIMIT,
    REQUEST_LIMIT,
    AgentConnection,
    Opcode,
    ProtocolError,
    SessionLost,
    Status,
    Timeout,
)
from leakscope.errors import LeakscopeError
from tests.targets import spawn

HEADER = struct.Struct("=IHHIIQQ")
TOKEN = b"1-00".ljust(48, b"\0")
GOOD_HELLO = struct.pack("=8sIIiI48s", b"leakscop", 2, 1, 42, 0x030C01F0, TOKEN)


def gone() -> None:
    raise TargetGone("process 1 has exited")


@contextmanager
def connected(
    still_there: Callable[[], None] = lambda: None,
) -> Iterator[tuple[AgentConnection, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield AgentConnection(ours, still_there), theirs


def hello(body: bytes, *, opcode: int = Opcode.HELLO) -> bytes:
    return HEADER.pack(len(body), opcode, 0, 0, 0, 0, 0) + body


def test_a_good_hello_is_understood() -> None:
    with connected() as (connection, agent):
        agent.sendall(hello(GOOD_HELLO))
        said = connection.hello(5)
        assert (said.is_native, said.pid, said.hexversion, said.token) == (
            True, 42, 0x030C01F0, "1-00",
        )  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        hello(b"x" * 72),
        hello(GOOD_HELLO[:-1]),
        hello(GOOD_HELLO + b"x"),
        hello(GOOD_HELLO, opcode=Opcode.EXEC),
        HEADER.pack(0xFFFFFFFF, Opcode.HELLO, 0, 0, 0, 0, 0),
        hello(GOOD_HELLO[:8] + struct.pack("=I", 99) + GOOD_HELLO[12:]),
    ],
    ids=["magic", "short", "long", "another opcode", "endless", "another version"],
)
def test_a_strange_hello_is_refused(message: bytes) -> None:
    with connected() as (connection, agent):
        agent.sendall(message)
        with pytest.raises(ProtocolError):
            connection.hello(5)


def test_a_reply_has_its_status_body_and_times() -> None:
    with connected() as (connection, agent):
        agent.sendall(HEADER.pack(2, Opcode.EXEC, Status.RAISED, 1, 0, 3, 4) + b"E\0")
        reply = connection.ask(Opcode.EXEC, b"x", timeout=5)
        assert (reply.status, reply.body, reply.waited_ns, reply.held_ns) == (
            Status.RAISED, b"E\0", 3, 4,
        )  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        HEADER.pack(0xFFFFFFFF, Opcode.EXEC, 0, 1, 0, 0, 0),
        HEADER.pack(REPLY_LIMIT + (1 << 20), Opcode.EXEC, 0, 1, 0, 0, 0),
        HEADER.pack(0, Opcode.BYE, 0, 1, 0, 0, 0),
        HEADER.pack(0, Opcode.EXEC, 77, 1, 0, 0, 0),
        HEADER.pack(0, Opcode.EXEC, 0, 7, 0, 0, 0),
    ],
    ids=["endless", "too large", "another opcode", "unknown status", "not asked yet"],
)
def test_a_hostile_answer_is_refused(answer: bytes) -> None:
    with connected() as (connection, agent):
        agent.sendall(answer)
        with pytest.raises(ProtocolError):
            connection.ask(Opcode.EXEC, b"x", timeout=5)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_an_error_of_ours(answer: bytes) -> None:
    with connected(gone) as (connection, agent):
        agent.sendall(answer)
        agent.shutdown(socket.SHUT_WR)
        with suppress(LeakscopeError):
            connection.hello(5)
        with suppress(LeakscopeError):
            connection.ask(Opcode.EXEC, b"x", timeout=5)


def test_an_agent_that_says_nothing_runs_into_the_deadline() -> None:
    with connected() as (connection, _), pytest.raises(Timeout):
        connection.ask(Opcode.EXEC, b"x", timeout=0.05)


def test_an_agent_that_takes_nothing_runs_into_the_deadline() -> None:
    with connected() as (connection, _), pytest.raises(Timeout):
        connection.ask(Opcode.EXEC, b"x" * REQUEST_LIMIT, timeout=0.1)


def test_an_agent_that_went_is_told_apart_from_a_target_that_went() -> None:
    with connected() as (connection, agent):
        agent.close()
        with pytest.raises(SessionLost, match="the agent in the target went away"):
            connection.ask(Opcode.EXEC, b"x", timeout=5)
    with connected(gone) as (connection, agent):
        agent.close()
        with pytest.raises(TargetGone):
            connection.ask(Opcode.EXEC, b"x", timeout=5)


def test_a_request_that_is_too_large_is_not_sent() -> None:
    with connected() as (connection, agent):
        with pytest.raises(ProtocolError, match="too large"):
            connection.ask(Opcode.EXEC, bytes(REQUEST_LIMIT + 1), timeout=5)
        agent.setblocking(False)
        with pytest.raises(BlockingIOError):
            agent.recv(1)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(plain)
def test_plain_values_survive_as_text(value: object) -> None:
    text = as_literal(value)
    assert text.isascii()
    assert from_literal(text.encode()) == value


class Sneaky(str):
    def __repr__(self) -> str:
        return "__import__('os').system('true')"


def nested(depth: int) -> list[object]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "value", [object(), Sneaky("x"), float("inf"), [float("nan")], {"k": {1: object}}, nested(60)]
)
def test_nothing_else_is_sent(value: object) -> None:
    with pytest.raises(NotPlain):
        as_literal(value)


@pytest.mark.parametrize(
    "text",
    [b"__import__('os')", b"[" * 10000, b"(" * 500 + b")" * 500, b"\xff", b"", b"1 +", b"x.y",
     b"9" * 5000, b"'" + b"x" * 50 + b"\n'", bytes(33 << 20)],
)  # fmt: skip
def test_what_is_no_literal_is_refused(text: bytes) -> None:
    with suppress(ProtocolError):
        assert from_literal(text) is not None  # long numbers: some versions read them
        assert text.startswith(b"9")


def test_only_the_target_may_connect() -> None:
    """A folder for another process: what we ourselves connect is closed at once."""
    idle = "print('ready', flush=True)\ninput()"
    with (
        spawn(sys.executable, idle) as target,
        prepared(target.pid, lambda _: {AGENT: b""}, executable=False) as meeting,
    ):
        assert isinstance(meeting, Rendezvous)
        assert not meeting.is_claimed()
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(meeting.place.socket)
            assert meeting.accept(0.2) is None
            assert stranger.recv(1) == b""


def test_the_target_itself_may_connect_and_the_folder_goes() -> None:
    with prepared(os.getpid(), lambda _: {AGENT: b"content"}, executable=True) as meeting:
        folder = meeting.place.path
        assert os.stat(folder).st_mode & 0o777 == 0o700  # noqa: PTH116
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(meeting.place.socket)
            accepted = meeting.accept(5)
            assert accepted is not None
            accepted.close()
        os.rename(meeting.place.agent, meeting.place.claimed)  # noqa: PTH104
        assert meeting.is_claimed()
    assert not os.path.exists(folder)  # noqa: PTH110


def test_nothing_stays_when_a_folder_cannot_be_filled() -> None:
    with (
        pytest.raises(NoWritableFolder),
        prepared(os.getpid(), lambda _: {"no/such/name": b""}, executable=False),
    ):
        raise AssertionError("it was filled")
    assert not [n for n in os.listdir("/tmp") if n.startswith(f".ls-{os.getpid()}-")]  # noqa: PTH208
