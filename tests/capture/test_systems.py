"""What systems tell of a process: macOS's way of asking, through psutil, held against Linux's."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

from leakscope.capture.limits import tightest
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.process import NoSuchProcess, TargetGone, identify
from leakscope.capture.systems import LOCAL, Darwin, Linux
from leakscope.capture.systems import linux as linux_module
from leakscope.capture.threads import threads
from leakscope.capture.wire import AgentConnection
from tests.attaching import PYTHON_AGENT, has_agent_thread
from tests.darwin_here import DarwinHere
from tests.pythons import ASKING, Interpreter, interpreters
from tests.targets import eventually, spawn

MIB = 1 << 20
HOLD_64_MIB = (
    "import sys; held = bytearray(b'x') * (64 << 20); print('ready', flush=True); sys.stdin.read()"
)


class PeerSocket(socket.socket):
    """Answers one option, as the kernel would."""

    def __init__(self, level: int, option: int, answer: bytes) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._answers = {(level, option, len(answer)): answer}

    def getsockopt(self, level: int, option: int, size: int = 0) -> bytes:  # type: ignore[override]
        return self._answers[level, option, size]


def test_the_local_system_is_this_one() -> None:
    assert LOCAL.reads_memory == Path("/proc/self/mem").exists()


def test_macos_tells_a_peer_by_the_option_of_its_own_level() -> None:
    """`getsockopt(SOL_LOCAL = 0, LOCAL_PEERPID = 2)` gives a `pid_t`, as <sys/un.h> says."""
    with PeerSocket(0, 0x002, struct.pack("=i", 70_001)) as connected:
        assert Darwin().peer(connected) == 70_001


def test_linux_tells_a_peer_by_its_credentials() -> None:
    credentials = struct.pack("=3i", 4711, 1000, 1000)
    with PeerSocket(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials) as connected:
        assert Linux().peer(connected) == 4711
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert Linux().peer(ours) == DarwinHere().peer(ours) == os.getpid()


@pytest.mark.parametrize(
    ("told", "running"),
    [("0.10 0.20 0.30 7/99 4242\n", 7), (None, 0), ("", 0), ("0.1 0.2 0.3 many/99 4242", 0)],
)
def test_linux_tells_how_many_threads_run(
    told: str | None, running: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "loadavg"
    if told is not None:
        file.write_text(told)
    monkeypatch.setattr(linux_module, "_LOAD", file)

    assert Linux().running() == running


def test_both_systems_tell_the_same_of_a_process() -> None:
    with spawn(sys.executable, HOLD_64_MIB) as process:
        linux, darwin = Linux(), Darwin()
        one, other = linux.started(process.pid), darwin.started(process.pid)
        assert one is not None and other is not None
        assert one == pytest.approx(other, abs=1)
        assert darwin.started(process.pid) == other
        assert 64 * MIB < darwin.uss(process.pid) < 128 * MIB
        assert darwin.uss(process.pid) == pytest.approx(linux.uss(process.pid), rel=0.1)
        assert darwin.thread_group(process.pid) == process.pid
        assert not darwin.hides(process.pid)


def test_the_processor_time_of_a_process_is_told_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.getpid()
    before, told = time.process_time(), Linux().cpu_seconds(me)
    assert before <= told <= time.process_time()
    assert Darwin().cpu_seconds(me) == pytest.approx(told, abs=0.1)

    def no_clock(_number: int) -> float:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(time, "clock_gettime", no_clock)
    assert Linux().cpu_seconds(me) == pytest.approx(told, abs=0.1)


def test_macos_knows_no_bound_but_the_hosts_memory() -> None:
    (bound,) = Darwin().memory_bounds(os.getpid())

    assert bound.source == "host memory"
    assert bound.limit_bytes == pytest.approx(Linux().memory_bounds(os.getpid())[-1].limit_bytes)
    assert 0 < bound.used_bytes < bound.limit_bytes
    assert tightest([bound]) == bound


def test_an_identity_is_verified_by_the_system_that_it_came_from() -> None:
    with spawn(sys.executable, HOLD_64_MIB) as process:
        identity = identify(process.pid, Darwin())
        identity.verify()
        assert isinstance(identity.system, Darwin)
        metrics = sample_metrics(identity, with_uss=True)
        assert metrics.rss is not None and metrics.rss > 64 * MIB
        assert metrics.uss is not None and metrics.uss > 64 * MIB

        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not identity.is_alive()  # a zombie by now
        with pytest.raises(NoSuchProcess, match="has not collected it yet"):
            identify(process.pid, Darwin())
    with pytest.raises(TargetGone):
        identity.verify()
    with pytest.raises(NoSuchProcess, match="there is no process"):
        identify(identity.pid, Darwin())


AGENT_WITHOUT_PROC = """
import posix, sys, threading, time, types

class WithoutProc(types.ModuleType):
    def __getattr__(self, name):
        return getattr(posix, name)
    def open(self, path, flags):
        assert path.startswith('/proc/self/'), path
        raise FileNotFoundError(2, 'No such file or directory', path)

agent = {
    '__name__': 'leakscope_agent',
    'modules': {**sys.modules, 'posix': WithoutProc('posix')},
    'importlib': type(exec.__self__.__spec__).__init__.__globals__,
    'socket_path': sys.argv[1], 'token': '4711-0123456789abcdef',
}
print('ready', flush=True)
with open(sys.argv[2], 'rb') as source:
    exec(compile(source.read(), '<leakscope>', 'exec', 0, True), agent)
sys.stdin.read()
"""


@pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
def test_the_agent_in_python_needs_no_proc(python: Interpreter, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(30)
        argv = ["-c", AGENT_WITHOUT_PROC, str(tmp_path / "s"), str(PYTHON_AGENT)]
        with spawn(python.path, argv) as target:
            connected, _ = listener.accept()
            connection = AgentConnection(connected, lambda: None)
            hello = connection.hello(30)
            assert (hello.is_native, hello.pid) == (False, target.pid)
            assert hello.token == "4711-0123456789abcdef"
            named = has_agent_thread(target.pid)
            assert named == (python.version in ASKING)
            connection.close()
            eventually(lambda: len(threads(target.pid)) == 1, "it goes with its controller")
