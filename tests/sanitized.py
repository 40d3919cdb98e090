"""Ordinary tests run once more on an agent and kernels that check every access and every overflow.

Whatever runs there, the targets and their frozen copies too, preloads the sanitizers; what these
have to say they write into a folder of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from leakscope.analysis import kernels

ROOT = Path(__file__).resolve().parents[1]
BUILT = ("leakscope_agent", "leakscope_kernels")
RUNTIMES = ("libasan.so", "libubsan.so")
FLAGS = "-fsanitize=address,undefined -fno-omit-frame-pointer"
WITHIN_S = 900

PLUGIN = """
from pathlib import Path
from leakscope.analysis import kernels
from leakscope.analysis.kernels import library
from leakscope.capture import session

kernels.__path__.insert(0, {folder!r})
session.agent_path = lambda: Path({folder!r}) / "agent.so"
print("testing", session.agent_path(), library._load()._name)
"""
"""Has pytest test what is in another folder."""

needed = [
    pytest.mark.slow,
    pytest.mark.timeout(WITHIN_S),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build with sanitizers"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake"),
    pytest.mark.skipif(not kernels.available(), reason="needs the graph kernels"),
]
"""Marks of tests that use this."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tests."""

    code: int
    said: str
    reports: tuple[str, ...]
    """What the sanitizers found, one text per process."""


def build(folder: Path, sources: Path = ROOT) -> None:
    """Build agent and kernels of a source tree with sanitizers into `folder`, without a warning."""
    options = ("LEAKSCOPE_SANITIZE=ON", "LEAKSCOPE_WERROR=ON", "CMAKE_C_COMPILER=gcc")
    for command in (
        ["cmake", "-S", str(sources), "-B", str(folder), *(f"-D{option}" for option in options)],
        ["cmake", "--build", str(folder), "--parallel", "2", "--target", *BUILT],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=WITHIN_S)
    (folder / "sanitized.py").write_text(PLUGIN.format(folder=str(folder)))


def with_change(folder: Path, file: str, changes: Mapping[str, str]) -> Path:
    """Return a copy of the sources in which one file is changed, each text once."""
    for name in ("CMakeLists.txt", "leakscope"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    text = (folder / file).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / file).write_text(text)
    return folder


def run_tests(folder: Path, *choice: str, env: Mapping[str, str] | None = None) -> Outcome:
    """Run tests on what was built in `folder`; `choice` are arguments to pytest."""
    reports = folder / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    checks = {
        "LD_PRELOAD": " ".join(map(_runtime, RUNTIMES)),
        # What the interpreter itself never frees is not what is looked for.
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:log_path={reports}/asan",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={reports}/ubsan",
        "PYTHONPATH": str(folder),
        "LEAKSCOPE_TEST_CFLAGS": FLAGS,
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "sanitized",
            *choice,
        ],
        cwd=ROOT,
        env={**os.environ, **checks, **(env or {})},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    said = tuple(path.read_text(errors="replace") for path in sorted(reports.iterdir()))
    return Outcome(done.returncode, done.stdout + done.stderr, said)


def assert_clean(folder: Path, outcome: Outcome) -> None:
    """Fail unless the tests ran on what is in `folder`, passed, and nothing was found."""
    assert outcome.reports == ()
    assert outcome.code == 0, outcome.said
    assert f"testing {folder}/agent.so {folder}/graph.so" in outcome.said
    assert " passed" in outcome.said


def _runtime(name: str) -> str:
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
