"""Coming and going again and again costs a service nothing: no request, no trace, no memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.attaching import (
    AGENT_KINDS,
    ASYNCIO_SERVER,
    CLIENT,
    Load,
    assert_no_traces,
    attached,
    every_python,
    newest,
    rss_kib,
    server_state,
    still_runs,
    traces,
)
from tests.pythons import Interpreter
from tests.targets import read_line, spawn

CYCLES = 50
SETTLED_AFTER = 10
FLAT_KIB = 1024


@every_python
def test_fifty_attaches_to_a_busy_server(python: Interpreter) -> None:
    come_and_go(python, "native-agent")


@pytest.mark.slow
@every_python
def test_fifty_attaches_of_the_python_agent(python: Interpreter) -> None:
    come_and_go(python, "python-agent")


def come_and_go(python: Interpreter, kind: str) -> None:
    with spawn(python.path, ASYNCIO_SERVER, wait_for=None) as server:
        port = int(read_line(server).split()[1])
        with under_load(port) as load:
            state = server_state(port)
            before = traces(server.pid)
            settled = 0
            for cycle in range(CYCLES):
                with attached(server, kind) as session:
                    assert session.kind == kind
                    assert still_runs(server, session)
                if cycle == SETTLED_AFTER:
                    settled = rss_kib(server.pid)
            assert_no_traces(server.pid, before)
            assert server_state(port) == state
            assert rss_kib(server.pid) - settled < FLAT_KIB
            sent, answered = load.finish()
        assert sent == answered > 0


@contextmanager
def under_load(port: int) -> Iterator[Load]:
    """Keep a server busy from a process of its own, over one connection."""
    with spawn(newest().path, ["-c", CLIENT, str(port)]) as client:
        yield Load(client)


@pytest.mark.parametrize("kind", AGENT_KINDS)
def test_a_session_serves_many_requests(kind: str) -> None:
    with spawn(newest().path, ASYNCIO_SERVER) as server, attached(server, kind) as session:
        session.execute("def count(n):\n    global seen\n    seen = n\n    return n")
        assert [session.call("count", n) for n in range(500)] == list(range(500))
        assert session.waited_ms >= 0 and session.busy_ms > 0
