"""The door `sys.remote_exec`: what it asks, how it takes that back, what it says when refused."""

from __future__ import annotations

import os
import sys

import pytest

from leakscope.capture.doors.interface import DoorClosed, NoDoor
from leakscope.capture.doors.remote_exec import OwnPython, RemoteExec
from leakscope.capture.permissions import NotPermitted
from leakscope.capture.process import TargetGone, identify
from leakscope.capture.requesting import ByRequest
from leakscope.capture.runtime import NotPython
from leakscope.capture.session import attach
from leakscope.errors import LeakscopeError
from tests.attaching import traces
from tests.darwin_here import DarwinHere
from tests.targets import spawn

IDLE = "import sys; print('ready', flush=True); sys.stdin.read()"


class Interpreter:
    """Stands for `sys.remote_exec`: notes what is asked, refuses if told to."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.asked: list[tuple[int, str]] = []
        self.refuses = refuses

    def __call__(self, pid: int, script: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.asked.append((pid, script))


def test_a_request_is_taken_back_by_asking_for_nothing_instead() -> None:
    interpreter = Interpreter()
    door = RemoteExec(7, "/tmp/x/loader.py", interpreter)

    assert door.knock().held_s == 0
    door.withdraw()
    door.withdraw()

    assert interpreter.asked == [(7, "/tmp/x/loader.py"), (7, os.devnull)]


def test_what_was_not_asked_is_not_taken_back() -> None:
    interpreter = Interpreter()

    RemoteExec(7, "/tmp/x/loader.py", interpreter).withdraw()

    assert interpreter.asked == []


def test_taking_back_from_a_process_that_is_gone_raises_nothing() -> None:
    interpreter = Interpreter()
    door = RemoteExec(7, "/tmp/x/loader.py", interpreter)
    door.knock()
    interpreter.refuses = PermissionError("Cannot get task port for PID 7")

    door.withdraw()


@pytest.mark.parametrize(
    ("refusal", "kind", "line", "hint"),
    [
        (
            PermissionError(
                "Cannot get task port for PID 7 (kern_return_t: 5). This typically requires running"
                " as root or having the 'com.apple.system-task-ports' entitlement."
            ),
            NotPermitted,
            "process 7: not permitted: Cannot get task port for PID 7",
            "com.apple.security.cs.debugger",
        ),
        (
            RuntimeError("Can't send commands from a Python 3.14 process to a Python 3.15 process"),
            DoorClosed,
            "cannot be asked in: Can't send commands from a Python 3.14 process to a Python 3.15",
            "It must run CPython",
        ),
        (
            RuntimeError("Cannot get any more VM maps.\n"),
            DoorClosed,
            "cannot be asked in: Cannot get any more VM maps.",
            "It must run CPython",
        ),
        (OSError(3, "No such process"), DoorClosed, "No such process", ""),
        (ValueError("Debugger script path is too long"), DoorClosed, "path is too long", ""),
    ],
)
def test_a_refusal_is_one_line_in_the_interpreters_words(
    refusal: Exception, kind: type[LeakscopeError], line: str, hint: str
) -> None:
    with pytest.raises(kind) as refused:
        RemoteExec(7, "/tmp/x/loader.py", Interpreter(refusal)).knock()

    assert line in str(refused.value)
    assert "\n" not in str(refused.value)
    assert hint in refused.value.remedy


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (OwnPython((3, 10), False, False), "under Python 3.10, which cannot ask another Python in"),
        (OwnPython((3, 13), False, False), "under Python 3.13, which cannot ask another Python in"),
        (OwnPython((3, 14), True, True), "under a free-threaded build of Python 3.14"),
        (OwnPython((3, 15), False, False), "has remote debugging switched off"),
        (OwnPython((3, 14), True, False), None),
    ],
)
def test_a_python_that_cannot_ask_says_why(own: OwnPython, line: str | None) -> None:
    unable = own.unable()

    if line is None:
        assert unable is None
    else:
        assert unable is not None
        assert line in str(unable)
        assert unable.remedy


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this Python can ask")
def test_an_older_python_asks_nobody_and_touches_nothing() -> None:
    with spawn(sys.executable, IDLE) as target:
        before = traces(target.pid)
        with pytest.raises(NoDoor, match="which cannot ask another Python in") as refused:
            attach(identify(target.pid, DarwinHere()))
        assert "3.14 or later" in refused.value.remedy
        assert traces(target.pid) == before
    with pytest.raises(NoDoor, match="which cannot ask another Python in"):
        RemoteExec(7, "/tmp/x/loader.py").knock()


def test_python_is_told_by_its_files_name() -> None:
    with spawn(sys.executable, IDLE) as python, spawn("cat", [], wait_for=None) as other:
        assert ByRequest().is_initialized(python.pid) is None
        with pytest.raises(NotPython, match="is not a Python process"):
            ByRequest().is_initialized(other.pid)
        other.kill()
        other.wait()
        with pytest.raises(TargetGone):
            ByRequest().is_initialized(other.pid)
