"""CPython 3.14 and later: a request to run a file that is met late leaves no complaint."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leakscope.capture.doors.pep768 import RunFile
from leakscope.capture.doors.site import surveyed
from leakscope.capture.rendezvous import LOADER
from tests.attaching import assert_no_traces, attached, is_asked, minor_of, still_runs, traces
from tests.pythons import ASKING, Interpreter, interpreters
from tests.targets import read_line, spawn, tell

every_asking_python = pytest.mark.parametrize(
    "python", [i for i in interpreters() if i.version in ASKING], ids=lambda i: str(i.version)
)
# The main thread waits in foreign code that no interruption ends, with its lock given back.
WAITING = """
import ctypes, sys, threading
libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
libc.pthread_mutex_lock(mutex)
def end_the_wait():
    sys.stdin.readline()
    libc.pthread_mutex_unlock(mutex)
threading.Thread(target=end_the_wait, daemon=True).start()
print("ready", flush=True)
libc.pthread_mutex_lock(mutex)
print("awake", flush=True)
sys.stdin.read()
"""


@every_asking_python
def test_a_request_is_taken_back_where_another_door_was_faster(
    python: Interpreter, tmp_path: Path
) -> None:
    with started(python, tmp_path) as (target, said):
        before = traces(target.pid)
        with attached(target) as session:
            assert session.door not in ("PEP 768", "PEP 768, woken")
            assert still_runs(target, session)
        assert not is_asked(target.pid, python.version)
        assert_no_traces(target.pid, before)
        assert_goes_on(target)
        assert said.read_text() == ""


@every_asking_python
def test_what_a_killed_leakscope_asked_for_is_taken_back(
    python: Interpreter, tmp_path: Path
) -> None:
    with started(python, tmp_path) as (target, said):
        folder = left_behind(Path("/tmp"))
        ask(target.pid, python, f"{folder}/{LOADER}")

        with attached(target) as session:
            assert still_runs(target, session)

        assert not folder.exists()
        assert not is_asked(target.pid, python.version)
        assert_goes_on(target)
        assert said.read_text() == ""


@every_asking_python
def test_what_another_debugger_asked_for_stays(python: Interpreter, tmp_path: Path) -> None:
    script = tmp_path / "debugger.py"
    script.write_text("print('debugged', flush=True)")
    with started(python, tmp_path) as (target, said):
        ask(target.pid, python, str(script))

        with attached(target) as session:
            assert still_runs(target, session)

        tell(target, "wake up")
        assert {read_line(target), read_line(target)} == {"debugged", "awake"}
        assert said.read_text() == ""


@contextmanager
def started(python: Interpreter, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a target; yield it and the file with what it writes to stderr."""
    said = folder / "stderr"
    with said.open("wb") as stderr, spawn(python.path, WAITING, stderr=stderr.fileno()) as target:
        yield target, said


def assert_goes_on(target: subprocess.Popen[bytes]) -> None:
    tell(target, "wake up")
    assert read_line(target) == "awake"


def left_behind(base: Path) -> Path:
    """Make the folder of a leakscope that was killed while it waited; it is nobody's now."""
    folder = base / f".ls-{os.getpid()}-{os.urandom(8).hex()}"
    folder.mkdir()
    for name in (LOADER, "agent"):
        (folder / name).write_text("raise SystemExit('the file of a dead leakscope was run')")
    return folder


def ask(pid: int, python: Interpreter, path: str) -> None:
    """Ask a process to run a file, as `sys.remote_exec` does."""
    with surveyed(pid, minor_of(python.version), is_native=True) as site:
        site.loader = path
        RunFile(site).knock()
