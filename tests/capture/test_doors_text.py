"""What a door has run in the target leaves no name, raises nothing and prints nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from leakscope.capture.doors.text import (
    TAG,
    loading_native_agent,
    loading_python_agent,
    running_file,
)
from leakscope.capture.rendezvous import AGENT, CLAIMED, LOADER, Place
from tests.attaching import PYTHON_AGENT, every_python
from tests.pythons import Interpreter

LONGEST_PLACE = Place("/dev/shm/.ls-4194304-0123456789abcdef", "4194304-0123456789abcdef")
# Runs a text as PyRun_SimpleString does, in dev mode: nothing may be warned of.
RUNS_IT = """
import sys, ctypes, gc
run = ctypes.pythonapi.PyRun_SimpleString
with open(sys.argv[1], "rb") as file:
    text = file.read()
print("ready")
names, modules = set(vars()), set(sys.modules)
returned = run(ctypes.c_char_p(text))
print(returned, set(vars()) - names - {"names", "modules", "returned"}, set(sys.modules) - modules)
"""
loadings = pytest.mark.parametrize("loading", [loading_native_agent, loading_python_agent])


def run(python: Interpreter, folder: Path, text: bytes) -> subprocess.CompletedProcess[str]:
    (folder / "text").write_bytes(text)
    return subprocess.run(
        [python.path, "-X", "dev", "-c", RUNS_IT, folder / "text"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@every_python
@loadings
def test_the_file_is_claimed_and_nothing_else_shows(
    python: Interpreter, loading: Callable[[Place], bytes], tmp_path: Path
) -> None:
    place = Place(str(tmp_path), "1-0123456789abcdef")
    (tmp_path / LOADER).write_bytes(loading(place))
    (tmp_path / AGENT).write_bytes(b"pass" if loading is loading_python_agent else b"no library")
    done = run(python, tmp_path, running_file(place.loader))
    assert done.stdout.splitlines() == ["ready", "0 set() set()"]
    assert done.stderr == ""
    assert (tmp_path / CLAIMED).exists() and not (tmp_path / AGENT).exists()


@every_python
@loadings
def test_a_late_duplicate_finds_nothing_and_does_nothing(
    python: Interpreter, loading: Callable[[Place], bytes], tmp_path: Path
) -> None:
    place = Place(str(tmp_path), "1-0123456789abcdef")
    (tmp_path / LOADER).write_bytes(loading(place))
    (tmp_path / CLAIMED).write_bytes(PYTHON_AGENT.read_bytes())
    for text in (running_file(place.loader), running_file(str(tmp_path / "gone")), b""):
        done = run(python, tmp_path, text)
        assert done.stdout.splitlines() == ["ready", "0 set() set()"]
        assert done.stderr == ""


def test_the_text_in_memory_is_short_tagged_and_holds_no_zero() -> None:
    text = running_file(LONGEST_PLACE.loader)
    assert len(text) < 200
    assert text.startswith(TAG.encode())
    assert b"\0" not in text


def test_it_imports_nothing() -> None:
    for text in (loading_native_agent(LONGEST_PLACE), loading_python_agent(LONGEST_PLACE)):
        words = text.replace(b"(", b" ").replace(b"\\n", b" ").split()
        assert b"import" not in words and b"__import__" not in words
