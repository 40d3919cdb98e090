"""What `doctor` says where an interpreter has to be asked: what is known, and what is not."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from leakscope.capture.checks import Check, checks_of_machine, checks_of_process, run_checks
from leakscope.capture.doors.remote_exec import OwnPython
from leakscope.capture.request_checks import (
    interpreter_outcome,
    own_interpreter_outcome,
    privilege_outcome,
    user_outcome,
)
from tests.attaching import traces
from tests.darwin_here import DarwinHere
from tests.targets import spawn

IDLE = "import sys; print('ready', flush=True); sys.stdin.read()"
OWN = OwnPython((3, 14), remote_debugging=True, free_threaded=False)
FRAMEWORK = (
    "/Library/Frameworks/Python.framework/Versions/{}/Resources/Python.app/Contents/MacOS/Python"
)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (FRAMEWORK.format("3.14"), "ok", "Python 3.14 by its file"),
        ("/opt/local/bin/python3.14", "ok", "Python 3.14 by its file"),
        (FRAMEWORK.format("3.15"), "failed", "Python 3.15 by its file"),
        ("/opt/local/bin/python3.9", "failed", "leakscope runs under 3.14"),
        ("/opt/app/python3.13/bin/service", "failed", "Python 3.13 by its file"),
        ("/opt/local/bin/python", "skipped", "does not tell its version"),
        ("/opt/local/bin/python3", "skipped", "does not tell its version"),
        ("/opt/app/service", "skipped", "does not tell its version"),
    ],
)
def test_the_path_of_a_file_may_tell_its_version(path: str, status: str, said: str) -> None:
    outcome = interpreter_outcome(path, OWN)

    assert outcome.status == status
    assert said in outcome.detail
    assert bool(outcome.remedy) == (status == "failed")


def test_what_to_do_depends_on_which_side_is_too_old() -> None:
    newer = interpreter_outcome("/usr/local/bin/python3.15", OWN).remedy
    older = interpreter_outcome("/usr/local/bin/python3.13", OWN).remedy

    assert newer == "Install leakscope under Python 3.15."
    assert "Run the service on Python 3.14 or later" in older


def test_a_python_that_cannot_ask_is_a_failed_check() -> None:
    assert own_interpreter_outcome(OWN).status == "ok"
    outcome = own_interpreter_outcome(OwnPython((3, 12), False, False))
    assert outcome.status == "failed"
    assert "Python 3.14 or later" in outcome.remedy


def test_users_are_told_whom_they_may_ask() -> None:
    assert privilege_outcome(0).status == "ok"
    assert privilege_outcome(501).status == "warning"
    assert "sudo" in privilege_outcome(501).remedy
    assert [user_outcome(501, user).status for user in (501, 0, 502)] == ["ok", "ok", "failed"]


def found(pid: int) -> dict[str, Check]:
    """Return the checks of a process, by name."""
    return {check.name: check for check in checks_of_process(pid, DarwinHere())}


def test_every_check_is_there_and_linux_only_ones_say_so() -> None:
    with spawn(sys.executable, IDLE) as process:
        before = traces(process.pid)
        checks = run_checks(process.pid, DarwinHere())
        here = run_checks(process.pid)
        assert traces(process.pid) == before

    names = [check.name for check in checks]
    assert set(names) == {check.name for check in here} | {"own interpreter"}
    assert len(set(names)) == len(names)
    assert [check.name for check in checks if check.detail == "Linux only"] == [
        *("ptrace scope", "reading memory", "tracer", "dumpable", "namespaces", "read-only census"),
    ]
    assert all(check.detail for check in checks)
    assert all(check.remedy for check in checks if check.status in ("warning", "failed"))


def test_a_stopped_process_fails_with_the_command_that_continues_it() -> None:
    with spawn(sys.executable, IDLE) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        state = found(process.pid)["state"]

    assert state.status == "failed"
    assert f"kill -CONT {process.pid}" in state.remedy


def test_a_process_that_is_not_there_is_a_failed_check() -> None:
    (check,) = found(2**22 + 1).values()

    assert (check.name, check.status) == ("process", "failed")


def test_the_machine_has_a_folder_that_all_can_reach() -> None:
    checks = {check.name: check for check in checks_of_machine(DarwinHere())}

    assert checks["own folder"].detail == "the agent can be put into /var/tmp"
    assert not [name for name in os.listdir("/var/tmp") if name.startswith(f".ls-{os.getpid()}-")]  # noqa: PTH208
