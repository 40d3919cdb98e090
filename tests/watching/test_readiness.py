"""A server is ready when it listens itself, not when what it needs to start does."""

from __future__ import annotations

import socket
import sys

import pytest

from leakscope.capture.process import TargetGone, identify
from leakscope.watching import readiness
from leakscope.watching.readiness import NeverReady, find_meter, wait_until_listening
from tests.targets import read_line, spawn, tell

# A child that listens at once; the process itself does so when it is told to.
SERVER = """
import socket, subprocess, sys
LISTEN = (
    "import socket, sys; s = socket.create_server((\\"127.0.0.1\\", 0)); "
    "print(s.getsockname()[1], flush=True); sys.stdin.read()"
)
child = subprocess.Popen(
    [sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
print("ready", child.stdout.readline().strip(), flush=True)
for line in sys.stdin:
    own = socket.create_server(("127.0.0.1", 0))
    print(own.getsockname()[1], flush=True)
"""


def test_a_server_that_listens_is_ready_with_all_its_ports_its_own_first() -> None:
    with spawn(sys.executable, SERVER, wait_for=None) as target:
        child = int(read_line(target).split()[1])
        tell(target, "listen")
        own = int(read_line(target))

        assert wait_until_listening(identify(target.pid), 20) == (own, child)


def test_a_child_alone_is_not_the_server_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_SETTLED_S", 1e9)
    with spawn(sys.executable, SERVER, wait_for=None) as target:
        read_line(target)

        with pytest.raises(NeverReady):
            wait_until_listening(identify(target.pid), 0.2)


def test_children_that_go_on_listening_are_the_server() -> None:
    with spawn(sys.executable, SERVER, wait_for=None) as target:
        child = int(read_line(target).split()[1])

        assert wait_until_listening(identify(target.pid), 20) == (child,)


def test_a_server_that_ends_is_told_at_once() -> None:
    with spawn(sys.executable, "print('ready', flush=True); input()") as target:
        identity = identify(target.pid)
        tell(target, "")
        target.wait(timeout=20)

        with pytest.raises(TargetGone):
            wait_until_listening(identity, 20)


def test_a_port_that_serves_no_counter_has_no_meter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]

    assert find_meter((port,)) is None
