"""What `doctor` says of a machine and of a process: the result, the reason and what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from leakscope.capture.checks import Check, checks_of_machine, checks_of_process, run_checks
from leakscope.capture.doors.interface import DoorClosed
from leakscope.capture.interpreter_checks import door_outcome, initialized_check
from leakscope.capture.machine_checks import (
    capability_outcome,
    platform_outcome,
    ptrace_scope_outcome,
)
from leakscope.capture.permissions import Credentials
from leakscope.capture.process import identify
from leakscope.capture.runtime import Runtime
from leakscope.capture.systems import Linux
from leakscope.capture.versions import PythonVersion
from tests.pythons import Interpreter, interpreters
from tests.targets import eventually, read_line, spawn

WAIT = "import sys; print('ready'); sys.stdin.read()"
NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def checked(pid: int) -> dict[str, Check]:
    """Return the checks of process `pid` alone, by name."""
    return {check.name: check for check in checks_of_process(pid)}


def test_every_check_of_the_machine_has_a_name_of_its_own_and_a_reason() -> None:
    found = checks_of_machine()

    assert len({check.name for check in found}) == len(found)
    assert all(check.detail for check in found)
    assert all(check.remedy for check in found if check.status in ("warning", "failed"))


@pytest.mark.parametrize(
    ("system", "machine", "status", "said"),
    [
        ("Linux", "x86_64", "ok", "3.9 to 3.15"),
        ("Linux", "aarch64", "warning", "3.14 and later only"),
        ("Linux", "riscv64", "failed", "riscv64 is not supported"),
        ("Darwin", "arm64", "warning", "CPython 3.14 and later, by portable capture"),
        ("FreeBSD", "amd64", "failed", "no way into running processes"),
    ],
)
def test_the_platform_says_what_can_be_diagnosed(
    system: str, machine: str, status: str, said: str
) -> None:
    outcome = platform_outcome(system, machine, "6.1")

    assert outcome.status == status
    assert said in outcome.detail
    assert bool(outcome.remedy) == (status != "ok")


@pytest.mark.parametrize(
    ("scope", "capable", "status"),
    [
        (None, False, "ok"),
        (0, False, "ok"),
        (1, False, "warning"),
        (1, True, "ok"),
        (2, False, "failed"),
        (2, True, "ok"),
        (3, False, "failed"),
        (3, True, "failed"),
    ],
)
def test_yama_restricts_whom_its_scope_says(scope: int | None, capable: bool, status: str) -> None:
    outcome = ptrace_scope_outcome(scope, capable=capable)

    assert outcome.status == status
    assert bool(outcome.remedy) == (status != "ok")


def test_without_the_capability_only_ones_own_processes_can_be_diagnosed() -> None:
    user = Credentials((1000,) * 4, (1000,) * 4, permitted=0, effective=0, tracer=0, state="S")

    assert capability_outcome(user).status == "warning"
    assert "user id 1000" in capability_outcome(user).detail
    assert capability_outcome(replace(user, effective=1 << 19)).status == "ok"


def test_the_memory_of_a_child_of_ours_can_be_read() -> None:
    check = next(check for check in checks_of_machine() if check.name == "reading memory")

    assert check.status == "ok"
    assert "GB/s" in check.detail


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_a_python_of_ours_passes_every_check(interpreter: Interpreter) -> None:
    with spawn(interpreter.path, WAIT) as process:
        found = checked(process.pid)

    assert {check.status for check in found.values()} <= {"ok", "skipped"}
    assert f"CPython {interpreter.version}." in found["interpreter"].detail
    recent = interpreter.version in ("3.14", "3.15")
    assert ("PEP 768" in found["way in"].detail) == recent
    assert found["remote debugging"].status == ("ok" if recent else "skipped")
    assert "--capture readonly" in found["read-only census"].detail


def test_nothing_is_left_of_the_checks_and_nothing_runs_in_the_process() -> None:
    with spawn(sys.executable, WAIT) as process:
        eventually(lambda: is_asleep(process.pid), "it waits for its input")
        before = threads_and_files(process.pid)
        run_checks(process.pid)

        assert threads_and_files(process.pid) == before
        ours = f".ls-{os.getpid()}-*"
        assert not [left for base in Linux.folders for left in Path("/", base).glob(ours)]


def is_asleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def threads_and_files(pid: int) -> tuple[int, list[Path], str]:
    process = Path(f"/proc/{pid}")
    switches = (process / "status").read_text().split("ctxt_switches:")
    files = sorted(fd.readlink() for fd in (process / "fd").iterdir())
    return len(list((process / "task").iterdir())), files, switches[1].split()[0]


def test_a_process_that_is_not_there_is_a_failed_check() -> None:
    (check,) = checked(2**22 + 1).values()

    assert (check.name, check.status) == ("process", "failed")
    assert check.remedy


def test_a_zombie_is_a_failed_check() -> None:
    with spawn("cat", [], wait_for=None) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        (check,) = checked(process.pid).values()

    assert check.status == "failed"
    assert "has exited" in check.detail


def test_a_process_without_an_interpreter_fails_as_such() -> None:
    with spawn("cat", [], wait_for=None) as process:
        found = checked(process.pid)

    assert found["interpreter"].status == "failed"
    assert "is not a Python process" in found["interpreter"].detail
    assert found["permission"].status == "ok"


def test_a_stopped_process_fails_with_the_command_that_continues_it() -> None:
    with spawn(sys.executable, WAIT) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        state = checked(process.pid)["state"]

    assert state.status == "failed"
    assert "stopped by a signal" in state.detail
    assert f"kill -CONT {process.pid}" in state.remedy


TRACER = """
import ctypes, os, sys
PTRACE_SEIZE = 0x4206
if ctypes.CDLL(None, use_errno=True).ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None):
    raise OSError(ctypes.get_errno(), 'ptrace')
print('ready', flush=True)
sys.stdin.read()
"""


def test_a_process_that_is_traced_already_fails_with_who_traces_it() -> None:
    with (
        spawn(sys.executable, WAIT) as process,
        spawn(sys.executable, ["-c", TRACER, str(process.pid)]) as tracer,
    ):
        check = checked(process.pid)["tracer"]

    assert check.status == "failed"
    assert f"process {tracer.pid} (python" in check.detail


AS_NOBODY = f"""
import os, sys
sys.path[:0] = sys.argv[2:]
import encodings.idna
from leakscope.capture.target_checks import *
from leakscope.capture.process import identify
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
identity = identify(int(sys.argv[1]))
for check in (user_check, permission_check, namespace_check, dumpable_check, state_check):
    print(check(identity))
"""


@pytest.mark.needs_root
@as_root
def test_a_process_of_another_user_fails_with_both_users() -> None:
    paths = [path for path in (*sys.path, str(Path.cwd())) if path]
    with spawn(sys.executable, WAIT) as process:
        arguments = ["-c", AS_NOBODY, str(process.pid), *paths]
        with spawn(sys.executable, arguments, wait_for=None) as stranger:
            user, permission, namespaces, dumpable, state = (read_line(stranger) for _ in range(5))

    assert "failed" in user
    assert f"belongs to user id 0, this is user id {NOBODY}" in user
    assert "failed" in permission
    assert "CAP_SYS_PTRACE" in user
    assert "skipped" in namespaces
    assert "skipped" in dumpable
    assert "ok" in state


@pytest.mark.needs_root
@as_root
def test_a_process_in_a_container_is_told_and_no_obstacle() -> None:
    try:
        subprocess.run(["unshare", "--mount", "--net", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("namespaces cannot be made here")
    with spawn(sys.executable, WAIT, prefix=["unshare", "--mount", "--net"]) as process:
        check = checked(process.pid)["namespaces"]

    assert check.status == "ok"
    assert "its own mnt, net" in check.detail


@pytest.mark.needs_root
@as_root
def test_a_file_system_without_a_writable_folder_fails() -> None:
    script = (
        'for d in /tmp /dev/shm /var/tmp /run; do mount -t tmpfs -o ro none $d; done; exec "$@"'
    )
    prefix = ["unshare", "--mount", "sh", "-c", script, "sh"]

    # The interpreter itself, because a virtual environment may lie in one of these folders.
    with spawn(Path(sys.executable).resolve(), WAIT, prefix=prefix) as process:
        check = checked(process.pid)["folder"]

    assert check.status == "failed"
    assert "no writable folder" in check.detail
    assert "/dev/shm: Read-only file system" in check.detail
    assert "tmpfs" in check.remedy


LEAKSCOPE_ELSEWHERE = """
import sys
sys.path[:0] = sys.argv[2:]
from leakscope.capture.attached import lock
if lock(int(sys.argv[1])):
    print('ready', flush=True)
    sys.stdin.read()
"""


def test_another_leakscope_is_told_with_its_process() -> None:
    paths = [path for path in (*sys.path, str(Path.cwd())) if path]
    with spawn(sys.executable, WAIT) as process:
        arguments = ["-c", LEAKSCOPE_ELSEWHERE, str(process.pid), *paths]
        with spawn(sys.executable, arguments) as other:
            during = checked(process.pid)["other leakscope"]
        after = checked(process.pid)["other leakscope"]

    assert (during.status, after.status) == ("failed", "ok")
    assert f"another leakscope (pid {other.pid}) is attached" in during.detail


def test_a_tight_memory_limit_is_a_warning() -> None:
    script = (
        "import resource as r; size = int(open('/proc/self/statm').read().split()[5]) * 4096;"
        "r.setrlimit(r.RLIMIT_DATA, (size + (32 << 20),) * 2);" + WAIT
    )
    with spawn(sys.executable, script) as process:
        check = checked(process.pid)["memory"]

    assert check.status == "warning"
    assert "RLIMIT_DATA" in check.detail
    assert check.remedy


def test_an_interpreter_that_is_not_supported_fails_with_its_name(tmp_path: Path) -> None:
    library = tmp_path / "libpypy3.10-c.so"
    library.write_bytes(bytes(4096))
    script = (
        "import mmap, sys; f = open(sys.argv[1], 'rb');"
        "m = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC);" + WAIT
    )
    with spawn(sys.executable, ["-c", script, library]) as process:
        found = checked(process.pid)

    assert found["interpreter"].status == "failed"
    assert "PyPy" in found["interpreter"].detail
    assert "CPython 3.9 to 3.15" in found["interpreter"].remedy


def runtime(version: str | None, *, initialized: bool | None = True) -> Runtime:
    known = PythonVersion(version) if version else None
    return Runtime("CPython", known, "python", is_shared=False, initialized=initialized)


@pytest.mark.parametrize(
    ("initialized", "status"), [(True, "ok"), (False, "failed"), (None, "skipped")]
)
def test_an_interpreter_that_is_not_up_yet_fails(initialized: bool | None, status: str) -> None:
    found = initialized_check(identify(os.getpid()), runtime("3.12.1", initialized=initialized))

    assert found.status == status


CLOSED = DoorClosed("no files")


@pytest.mark.parametrize(
    ("files", "machine", "shadow_stack", "status", "said"),
    [
        (None, "x86_64", False, "ok", "PEP 768"),
        (None, "aarch64", True, "ok", "PEP 768"),
        (CLOSED, "x86_64", False, "ok", "a pending call"),
        (CLOSED, "x86_64", True, "failed", "none: no files, and its shadow stack"),
        (CLOSED, "aarch64", False, "failed", "none yet on aarch64: no files"),
    ],
)
def test_the_gentlest_open_way_in_is_named(
    files: DoorClosed | None, machine: str, shadow_stack: bool, status: str, said: str
) -> None:
    found = door_outcome(files, machine, shadow_stack=shadow_stack)

    assert found.status == status
    assert said in found.detail
    assert bool(found.remedy) == (status == "failed")
    assert ("--capture readonly" in found.remedy) == (status == "failed")


RECENT = [i for i in interpreters() if i.version in ("3.14", "3.15")]


@pytest.mark.parametrize("interpreter", RECENT, ids=lambda i: i.version)
@pytest.mark.parametrize("how", ["environment", "option"])
def test_remote_debugging_that_is_off_narrows_the_way_in(
    interpreter: Interpreter, how: str
) -> None:
    env = {"PYTHON_DISABLE_REMOTE_DEBUG": "1"} if how == "environment" else {}
    option = ["-X", "disable-remote-debug"] if how == "option" else []
    with spawn(interpreter.path, [*option, "-c", WAIT], env=env) as process:
        found = checked(process.pid)

    assert found["remote debugging"].status == "warning"
    assert "switched off" in found["remote debugging"].detail
    assert "PYTHON_DISABLE_REMOTE_DEBUG" in found["remote debugging"].remedy
    assert "PEP 768" not in found["way in"].detail


def test_a_process_that_exits_while_it_is_checked_fails_and_raises_nothing() -> None:
    with spawn(sys.executable, "import sys; print('ready'); sys.stdin.readline()") as process:
        pid = process.pid
        process.kill()
        eventually(lambda: process.poll() is not None, "it has exited")

        assert [check.status for check in checked(pid).values()] == ["failed"]
