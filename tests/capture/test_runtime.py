"""Which interpreter a process runs is told from its memory, whatever its files are called."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.capture.process import PidReused, ProcessIdentity, TargetGone, identify
from leakscope.capture.runtime import (
    NotPython,
    Runtime,
    UnsupportedPython,
    describe,
    is_initialized,
    probe,
)
from leakscope.capture.versions import PythonVersion, from_banner, from_file_name, from_hexversion
from leakscope.errors import ExitCode
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn

WAIT = "import sys; print('ready'); sys.stdin.read()"


def full_version(path: Path) -> str:
    code = "import platform; print(platform.python_version())"
    return subprocess.run(
        [path, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_every_version_is_told_in_full(interpreter: Interpreter) -> None:
    with spawn(interpreter.path, WAIT) as process:
        runtime = probe(identify(process.pid))

    assert runtime.implementation == "CPython"
    assert runtime.version == PythonVersion(full_version(interpreter.path))
    assert runtime.initialized is True


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_a_target_is_described(interpreter: Interpreter) -> None:
    with spawn(interpreter.path, WAIT) as process:
        identity = identify(process.pid)
        target = describe(identity)

    assert (target.pid, target.started) == (process.pid, identity.started)
    assert target.cmdline == (str(interpreter.path), "-c", WAIT)
    assert target.python == full_version(interpreter.path)
    assert target.implementation == "cpython"


def test_an_executable_under_another_name_that_was_deleted_is_known(tmp_path: Path) -> None:
    disguised = tmp_path / "worker"
    shutil.copy(Path(sys.executable).resolve(), disguised)
    with spawn(disguised, WAIT, env={"PYTHONHOME": sys.base_prefix}) as process:
        disguised.unlink()

        assert describe(identify(process.pid)).python == ".".join(map(str, sys.version_info[:3]))


def test_a_process_without_an_interpreter_is_not_python() -> None:
    with spawn("cat", [], wait_for=None) as process:
        for look in (probe, describe):
            with pytest.raises(NotPython, match=f"{process.pid} is not a Python") as refused:
                look(identify(process.pid))
            assert refused.value.exit_code == ExitCode.NOT_MEASURED
            assert refused.value.remedy


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_an_interpreter_is_up_only_once_it_is_initialised(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    stops_before_main = (
        "#include <signal.h>\n__attribute__((constructor)) void stop(void) {raise(19);}"
    )
    (tmp_path / "stop.c").write_text(stops_before_main)
    library = tmp_path / "stop.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, tmp_path / "stop.c"], check=True, timeout=60
    )
    arguments = ["-c", WAIT]
    environment = {"LD_PRELOAD": str(library)}
    with spawn(interpreter.path, arguments, env=environment, wait_for=None) as process:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        before = is_initialized(process.pid)
        process.send_signal(signal.SIGCONT)
        assert read_line(process) == "ready"

        assert (before, is_initialized(process.pid)) == (False, True)


def test_another_implementation_is_called_by_its_name(tmp_path: Path) -> None:
    library = tmp_path / "libpypy3.10-c.so"
    shutil.copy(Path("/proc/self/exe").resolve(), library)
    script = (
        "import mmap, sys; f = open(sys.argv[1], 'rb');"
        "m = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC);" + WAIT
    )
    with (
        spawn(sys.executable, ["-c", script, library]) as process,
        pytest.raises(UnsupportedPython, match="runs PyPy, not CPython") as refused,
    ):
        describe(identify(process.pid))

    assert refused.value.exit_code == ExitCode.NOT_MEASURED


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "does not tell its version"),
        (PythonVersion("3.8.20"), "runs CPython 3.8.20, not 3.9 to 3.15"),
        (PythonVersion("2.7.18"), "runs CPython 2.7.18, not 3.9 to 3.15"),
        (PythonVersion("3.16.0a1"), "runs CPython 3.16.0a1, not 3.9 to 3.15"),
        (PythonVersion("3.13.1", free_threaded=True), "free-threaded build of CPython 3.13.1"),
    ],
)
def test_a_version_that_is_not_supported_is_refused(
    version: PythonVersion | None, said: str
) -> None:
    with pytest.raises(UnsupportedPython, match=said) as refused:
        Runtime("CPython", version, "python", False, True).require_supported(7)

    assert refused.value.remedy


def test_a_process_that_exited_is_gone() -> None:
    with spawn(sys.executable, WAIT) as process:
        identity = identify(process.pid)

    with pytest.raises(TargetGone):
        describe(identity)


def test_a_reused_pid_is_not_looked_into() -> None:
    with spawn(sys.executable, WAIT) as process, pytest.raises(PidReused):
        describe(ProcessIdentity(process.pid, identify(process.pid).started - 5))


@pytest.mark.parametrize(
    ("hexversion", "text"),
    [(0x030C01F0, "3.12.1"), (0x030D00A6, "3.13.0a6"), (0x030F00C2, "3.15.0rc2")],
)
def test_a_hexversion_reads_as_people_write_it(hexversion: int, text: str) -> None:
    assert from_hexversion(hexversion) == text


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        (sys.version.encode(), ".".join(map(str, sys.version_info[:3]))),
        (b"3.9.18 (main, May  9 2026, 07:33:49) \n[GCC 12.2.0]", "3.9.18"),
        (b"2.7.18 (default, Jul  1 2024, 10:27:04) \n[GCC 8.3.0]", "2.7.18"),
        (b"3.10.0rc1+ (heads/3.10:ab, Aug  1 2021, 00:00:00) [Clang 14.0]", "3.10.0rc1"),
    ],
)
def test_a_version_is_found_in_static_data(banner: bytes, version: str) -> None:
    assert from_banner(b"\0\0x3.1\0" + banner + b"\0 3.7") == PythonVersion(version)


def test_a_free_threaded_build_says_so_in_its_banner() -> None:
    for experimental in (b"experimental ", b""):
        banner = b"3.14.0 " + experimental + b"free-threading build (main, Oct  7) [GCC 15]"

        assert from_banner(banner) == PythonVersion("3.14.0", free_threaded=True)


def test_a_version_number_alone_is_no_banner() -> None:
    assert from_banner(b"requires 3.9.1 (or later)\0") is None


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libpython3.9.so.1.0", PythonVersion("3.9")),
        ("python3.13t", PythonVersion("3.13", free_threaded=True)),
        ("libpython3.7m.so.1.0", PythonVersion("3.7")),
        ("python3", None),
        ("uwsgi", None),
    ],
)
def test_a_file_name_may_tell_the_minor_version(name: str, version: PythonVersion | None) -> None:
    assert from_file_name(name) == version
