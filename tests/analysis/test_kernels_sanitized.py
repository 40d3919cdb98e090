"""The kernels' own tests once more, with every access to memory and every overflow checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.analysis import kernels

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "leakscope" / "analysis" / "kernels"
FLAGS = ["-std=c11", "-g", "-O1", "-fPIC", "-shared", "-fvisibility=hidden"]
STRICT = ["-Wall", "-Wextra", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

PLUGIN = """
from leakscope.analysis import kernels
from leakscope.analysis.kernels import library

kernels.__path__.insert(0, {folder!r})
print("testing", library._load()._name)
"""
"""Has pytest, running alone, test the library in another folder."""


def build(folder: Path, sources: list[Path]) -> None:
    """Compile the kernels with sanitizers into `folder`, without a warning."""
    command = ["gcc", *FLAGS, *STRICT, *SANITIZE, f"-I{SOURCES}", *map(str, sources)]
    subprocess.run([*command, "-o", str(folder / "graph.so")], check=True, timeout=120)
    (folder / "sanitized.py").write_text(PLUGIN.format(folder=str(folder)))


def run_tests(folder: Path, *choice: str) -> subprocess.CompletedProcess[str]:
    """Run the kernels' tests on the library in `folder`."""
    find = ["gcc", "-print-file-name=libasan.so"]
    runtime = subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip()
    # What the interpreter itself never frees is not what is looked for.
    checks = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(folder)}
    alone = ["-p", "no:cacheprovider", "-p", "sanitized", "tests/analysis/test_kernels.py"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", *alone, *choice],
        cwd=ROOT,
        env={**os.environ, **checks},
        capture_output=True,
        text=True,
        timeout=900,
    )


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build with sanitizers"),
    pytest.mark.skipif(not kernels.available(), reason="needs the graph kernels"),
]


def test_the_kernels_run_clean_under_sanitizers(tmp_path: Path) -> None:
    build(tmp_path, sorted(SOURCES.glob("*.c")))

    done = run_tests(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"testing {tmp_path / 'graph.so'}" in done.stdout
    assert " passed" in done.stdout


def test_sanitizers_would_find_an_array_that_is_too_short(tmp_path: Path) -> None:
    source = (SOURCES / "graph_dominators.c").read_text()
    broken = tmp_path / "graph_dominators.c"
    broken.write_text(source.replace("(size_t)outgoing->nodes + 1", "(size_t)outgoing->nodes"))
    others = [path for path in sorted(SOURCES.glob("*.c")) if path.name != broken.name]
    build(tmp_path, [broken, *others])

    done = run_tests(tmp_path, "-k", "linked_list")

    assert "heap-buffer-overflow" in done.stderr
