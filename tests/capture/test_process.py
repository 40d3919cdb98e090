"""A process is told from every other one, also from a later one with its pid."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from leakscope.capture.process import (
    NoSuchProcess,
    PidReused,
    TargetGone,
    identify,
)
from leakscope.errors import ExitCode
from tests.targets import eventually, read_line, spawn, tell

WAIT = "import sys; print('ready'); sys.stdin.read()"


def test_a_running_process_verifies() -> None:
    with spawn("cat", [], wait_for=None) as process:
        identity = identify(process.pid)

        identity.verify()
        assert identity.is_alive()


def test_the_start_is_the_one_that_psutil_tells() -> None:
    with spawn("cat", [], wait_for=None) as process:
        identity = identify(process.pid)

        assert identity.started == pytest.approx(psutil.Process(process.pid).create_time(), abs=1)
        assert identity.started == pytest.approx(time.time(), abs=60)


def test_identifying_twice_gives_the_same_identity() -> None:
    with spawn("cat", [], wait_for=None) as process:
        assert identify(process.pid) == identify(process.pid)


def test_an_identity_survives_exec() -> None:
    script = (
        f"import os, sys; print('up'); input(); os.execv(sys.executable, ['x', '-c', {WAIT!r}])"
    )
    with spawn(sys.executable, script, wait_for="up") as process:
        before = identify(process.pid)
        tell(process, "")
        assert read_line(process) == "ready"

        before.verify()


def test_a_process_that_exited_is_gone() -> None:
    with spawn("cat", [], wait_for=None) as process:
        identity = identify(process.pid)

    assert not identity.is_alive()
    with pytest.raises(TargetGone) as refused:
        identity.verify()
    assert refused.value.exit_code == ExitCode.NOT_MEASURED
    assert refused.value.remedy


def test_a_zombie_is_gone() -> None:
    with spawn("cat", [], wait_for=None) as process:
        identity = identify(process.pid)
        process.kill()
        eventually(lambda: state(process.pid) == "Z", "it is a zombie")

        with pytest.raises(TargetGone):
            identity.verify()
        with pytest.raises(NoSuchProcess, match="has exited"):
            identify(process.pid)


def test_another_process_with_the_same_pid_is_not_the_target() -> None:
    with spawn("cat", [], wait_for=None) as process:
        earlier = replace(identify(process.pid), started=identify(process.pid).started - 0.01)

        assert not earlier.is_alive()
        with pytest.raises(PidReused, match="another process") as refused:
            earlier.verify()
        assert refused.value.exit_code == ExitCode.NOT_MEASURED


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1])
def test_a_pid_that_nobody_has_is_no_process(pid: int) -> None:
    with pytest.raises(NoSuchProcess, match=f"no process {pid}") as refused:
        identify(pid)

    assert refused.value.exit_code == ExitCode.NOT_MEASURED
    assert refused.value.remedy


def test_the_id_of_a_thread_is_answered_with_its_process() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        with pytest.raises(NoSuchProcess, match=f"is a thread of process {os.getpid()}"):
            identify(thread.native_id)
    finally:
        done.set()
        thread.join()


def test_a_name_full_of_brackets_does_not_confuse() -> None:
    script = "import ctypes; ctypes.CDLL(None).prctl(15, b') Z 1 2 (', 0, 0, 0);" + WAIT
    with spawn(sys.executable, script) as process:
        assert Path(f"/proc/{process.pid}/comm").read_text() == ") Z 1 2 (\n"
        identify(process.pid).verify()


def state(pid: int) -> str:
    """Return the state letter of a process, as in /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
