"""The agent's table of struct offsets is that of each interpreter's own headers."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.frozen import AGENT, compiler
from tests.pythons import Interpreter, interpreters

_CHECK = Path(__file__).with_name("heap_layout_check.inc")
_HEADERS = """
import pathlib, sys, sysconfig
there = {pathlib.Path(sysconfig.get_path("include")), pathlib.Path(sys.prefix) / "include" /
         pathlib.Path(sysconfig.get_path("include")).name}
print("\\n".join(str(path) for path in there if (path / "internal" / "pycore_gc.h").is_file()))
"""


def headers_of(python: Interpreter) -> Path:
    found = subprocess.run(
        [python.path, "-c", _HEADERS], capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()
    if not found:
        pytest.skip(f"CPython {python.version} has no internal headers here")
    return Path(found[0])


@pytest.mark.parametrize("python", interpreters(), ids=lambda i: i.version)
def test_offsets_are_those_of_the_headers(python: Interpreter, tmp_path: Path) -> None:
    headers = headers_of(python)
    machine = sysconfig.get_config_var("MULTIARCH") or ""
    folders = (headers, headers / "internal", headers.parent, headers.parent / machine, AGENT)
    program = tmp_path / "check"
    includes = [f"-I{folder}" for folder in folders]

    built = subprocess.run(
        [compiler(), "-std=gnu11", "-w", *includes, "-o", program, "-x", "c", _CHECK, "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    told = subprocess.run([program], capture_output=True, text=True, check=False)

    assert (told.returncode, told.stdout) == (0, "")
