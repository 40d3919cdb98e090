"""The interpreters that tests use as targets, and which of the wanted versions are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WANTED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
"""Minor versions that leakscope supports as targets."""
ASKING = ("3.14", "3.15")
"""Those under which leakscope can ask another Python in (`sys.remote_exec`)."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython that can be started as a target."""

    version: str
    """Minor version, for example `3.12`."""
    path: Path


@cache
def interpreters() -> tuple[Interpreter, ...]:
    """Return one interpreter per wanted version that this machine has, oldest first.

    Looked up in `LEAKSCOPE_PYTHONS` (executables, separated like `PATH`), then under pyenv's
    versions, then on `PATH`.
    """
    found: dict[str, Path] = {}
    for path in _candidates():
        version = _version_of(path)
        if version in WANTED:
            found.setdefault(version, path)
    return tuple(Interpreter(v, found[v]) for v in WANTED if v in found)


@dataclass(frozen=True, slots=True)
class Controller:
    """A CPython that leakscope itself can run under."""

    python: Interpreter
    packages: Path | None
    """A folder that holds what leakscope depends on, None if the interpreter has it by itself."""

    @property
    def env(self) -> dict[str, str]:
        """What its environment needs besides, for it to import leakscope and the tests."""
        folders = [str(Path(__file__).parents[1]), *([str(self.packages)] if self.packages else [])]
        return {"PYTHONPATH": os.pathsep.join(folders)}


@cache
def controller(version: str) -> Controller | None:
    """Return an interpreter of a minor version to run leakscope under, None if there is none.

    What leakscope depends on is looked for in the interpreter itself, then in the folder of that
    version in `LEAKSCOPE_SITES`: `3.14`, for example, filled by `pip install --target`.
    """
    sites = os.environ.get("LEAKSCOPE_SITES")
    for python in (i for i in interpreters() if i.version == version):
        for packages in (None, *([Path(sites, version)] if sites else [])):
            found = Controller(python, packages)
            if _imports_leakscope(found):
                return found
    return None


@cache
def folder_with(python: Interpreter, module: str) -> Path | None:
    """Return a folder from which an interpreter can import a module, None if there is none.

    One of its own, or the folder of its version in `LEAKSCOPE_SITES`.
    """
    folder = Path(os.environ.get("LEAKSCOPE_SITES", os.devnull), python.version)
    code = f"import {module}, os; print(os.path.dirname(os.path.dirname({module}.__file__)))"
    done = subprocess.run(
        [python.path, "-c", code],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def missing_versions() -> tuple[str, ...]:
    """Return the wanted versions that this machine does not have, oldest first."""
    present = {i.version for i in interpreters()}
    return tuple(v for v in WANTED if v not in present)


def _candidates() -> list[Path]:
    named = [Path(p) for p in os.environ.get("LEAKSCOPE_PYTHONS", "").split(os.pathsep) if p]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    under_pyenv = sorted(pyenv.glob("3.*/bin/python")) if pyenv.is_dir() else []
    on_path = [Path(p) for v in WANTED if (p := shutil.which(f"python{v}"))]
    return [*named, *under_pyenv, *on_path]


def _imports_leakscope(controller: Controller) -> bool:
    code = "import leakscope.cli.diagnosing, leakscope.analysis.diagnose"
    done = subprocess.run(
        [controller.python.path, "-c", code],
        env={**os.environ, **controller.env},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0


@cache
def _version_of(path: Path) -> str | None:
    """Return the minor version of a CPython with the GIL, None for anything else."""
    code = (
        "import sys, sysconfig; "
        "gil = not sysconfig.get_config_var('Py_GIL_DISABLED'); "
        "print('%d.%d' % sys.version_info[:2] "
        "if sys.implementation.name == 'cpython' and gil else '')"
    )
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
