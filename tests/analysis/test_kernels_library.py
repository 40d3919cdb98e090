"""What happens where the compiled kernels are missing or do not fit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from leakscope.analysis import kernels
from leakscope.analysis.kernels import library
from leakscope.errors import ExitCode
from tests.analysis.graphs import csr_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Look for the library in an empty folder only."""
    monkeypatch.setattr(kernels, "__path__", [str(tmp_path)])
    library._load.cache_clear()
    yield tmp_path
    library._load.cache_clear()


def refusal() -> kernels.KernelsMissing:
    assert not kernels.available()
    with pytest.raises(kernels.KernelsMissing) as caught:
        kernels.transpose(csr_of(1, []))
    return caught.value


@pytest.mark.usefixtures("folder")
def test_without_a_compiler_there_are_no_kernels_and_the_error_says_what_to_do() -> None:
    error = refusal()

    assert "without a C compiler" in str(error)
    assert "reinstall" in error.remedy
    assert error.exit_code is ExitCode.NOT_MEASURED


def test_a_library_that_is_none_is_refused(folder: Path) -> None:
    (folder / "graph.so").write_bytes(b"not a library")

    assert "cannot be loaded" in str(refusal())


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_library_of_another_version_is_refused(folder: Path) -> None:
    source = folder / "graph.c"
    source.write_text("int graph_abi(void) { return 999; }\n")
    built = str(folder / "graph.so")
    subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", built], check=True)

    assert "another version (999" in str(refusal())


def test_more_objects_than_can_be_numbered_are_refused() -> None:
    # One number, seen two thousand million times: no memory is needed to say so.
    offsets = np.broadcast_to(np.int64(0), 2**31)

    with pytest.raises(kernels.GraphTooLarge, match="2,147,483,647 objects"):
        kernels.check(kernels.Csr(offsets, np.empty(0, np.int32)))


SHORT_OF_MEMORY = """
import resource
from pathlib import Path
import numpy as np
from leakscope.analysis.kernels.library import GraphTooLarge, call, graph_view

nodes = 20_000_000
graph = graph_view(np.zeros(nodes + 1, np.int64), np.empty(0, np.int32))
some, more, seen = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32), np.zeros(nodes, np.uint8)
roots, reached = np.zeros(1, np.int32), np.zeros(1, np.int64)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, used + 2**20))
for kernel, *arguments in (
    ("graph_dominators", graph, graph, roots, 1, some, more, reached),
    ("graph_traverse", graph, roots, np.ones(1, np.int64), 1, None, seen, some, more),
    ("graph_carried", graph, graph, some, roots, 1, seen),
):
    try:
        call(kernel, *arguments)
    except GraphTooLarge as error:
        print(kernel, error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_too_little_memory_is_an_error_not_a_crash() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "graph_dominators",
        "graph_traverse",
        "graph_carried",
    ]
    assert "not enough memory" in done.stdout
