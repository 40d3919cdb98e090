"""The kernels' own tests once more, with every access to memory and every overflow checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "-std=c11",
    "-g",
    "-O1",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fno-omit-frame-pointer",
]
STRICT = ["-Wall", "-Wextra", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

ALONE = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir"]
"""The project's own settings would find the project's own modules."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to build with sanitizers")
def test_the_kernels_run_clean_under_sanitizers(tmp_path: Path) -> None:
    package = tmp_path / "leakscope"
    shutil.copytree(ROOT / "leakscope", package, ignore=shutil.ignore_patterns("*.so"))
    shutil.copytree(ROOT / "tests", tmp_path / "tests")
    kernels = package / "analysis" / "kernels"
    sources = sorted(map(str, kernels.glob("*.c")))
    build = ["gcc", *FLAGS, *STRICT, *SANITIZE, *sources, "-o", str(kernels / "graph.so")]
    subprocess.run(build, check=True, timeout=120)
    runtime = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()

    # What the interpreter itself never frees is not what is looked for.
    environment = {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            *ALONE,
            str(tmp_path),
            "tests/analysis/test_kernels.py",
        ],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=900,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
