"""What happens where the compiled kernels are missing or do not fit."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

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
