"""Targets of other users, in other namespaces, without a place to write, and with odd limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from leakscope.capture.permissions import NotPermitted
from leakscope.capture.process import identify
from leakscope.capture.rendezvous import NoWritableFolder
from leakscope.capture.session import attach
from leakscope.errors import LeakscopeError
from tests.attaching import (
    AGENT_KINDS,
    PYTHON_AGENT,
    agent_file,
    assert_no_traces,
    attached,
    some_pythons,
    still_runs,
    traces,
)
from tests.pythons import Interpreter
from tests.targets import ASLEEP, read_line, spawn, tell

NOBODY = 65534
SYSTEM_PYTHON = "/usr/bin/python3"
"""One that every user may run; a test's own interpreter may lie in root's home."""

needs_root = pytest.mark.needs_root
kinds = pytest.mark.parametrize("kind", AGENT_KINDS)


@pytest.fixture(autouse=True)
def _only_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not Path(SYSTEM_PYTHON).exists():
        pytest.skip(f"no {SYSTEM_PYTHON}")


@contextmanager
def in_namespaces(*options: str, script: str = 'exec "$@"') -> Iterator[int]:
    """Start an idle target in namespaces of its own; yield its pid as we see it."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare")
    can = subprocess.run(["unshare", *options, "true"], capture_output=True, check=False)
    if can.returncode != 0:
        pytest.skip(f"unshare {' '.join(options)} is not permitted here")
    prefix = ["unshare", *options, "sh", "-c", script, "sh"]
    with spawn(SYSTEM_PYTHON, ASLEEP, prefix=prefix) as process:
        yield _innermost(process.pid)


def _innermost(pid: int) -> int:
    """Return the process at the end of a chain of only children."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid


@needs_root
@kinds
def test_another_users_process(kind: str) -> None:
    prefix = [sys.executable, "-c", AS_NOBODY]
    with spawn(SYSTEM_PYTHON, ASLEEP, prefix=prefix) as target:
        before = traces(target.pid)
        with attached(target, kind) as session:
            assert still_runs(target, session)
            session.execute("import os\ndef who():\n    return os.getuid(), os.getpid()")
            assert session.call("who") == (NOBODY, target.pid)
        assert_no_traces(target.pid, before)


AS_NOBODY = f"""
import os, sys
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
os.execv(sys.argv[1], sys.argv[1:])
"""


@needs_root
def test_root_is_out_of_reach_of_other_users() -> None:
    source = """
import sys
sys.path.insert(0, sys.argv[2])
from leakscope.capture.process import identify
from leakscope.capture.session import attach
from leakscope.errors import LeakscopeError
from leakscope.errors import LeakscopeError
import os
from pathlib import Path
identity = identify(int(sys.argv[1]))
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    attach(identity, agent=Path(sys.argv[3]))
except LeakscopeError as error:
    print(type(error).__name__, error, "|", error.remedy, flush=True)
"""
    with spawn(SYSTEM_PYTHON, ASLEEP) as target:
        arguments = ["-c", source, str(target.pid), str(Path.cwd()), str(PYTHON_AGENT)]
        with spawn(sys.executable, arguments, wait_for=None) as other:
            said = read_line(other)
        assert said.startswith(f"{NotPermitted.__name__} process {target.pid}: not permitted:")
        assert "it belongs to user id 0, this is user id 65534" in said
        assert not said.endswith("| ")
        assert target.poll() is None


@needs_root
@kinds
@pytest.mark.parametrize(
    "options",
    [
        ("--mount",),
        ("--pid", "--fork", "--mount-proc"),
        ("--pid", "--fork", "--mount-proc", "--net", "--ipc", "--uts"),
        ("--user", "--map-root-user", "--pid", "--fork", "--mount-proc"),
    ],
    ids=["mount", "pid", "all", "user"],
)
def test_a_process_in_other_namespaces(options: tuple[str, ...], kind: str) -> None:
    own_tmp = 'mount -t tmpfs none /tmp && exec "$@"'
    with in_namespaces(*options, script=own_tmp if "--mount" in options else 'exec "$@"') as pid:
        before = traces(pid)
        with attach(identify(pid), agent=agent_file(kind)) as session:
            assert session.kind == kind
            session.execute("import os\ndef who():\n    return os.getpid()")
            seen = session.call("who")
            assert seen == (pid if "--pid" not in options else 1)
        assert_no_traces(pid, before)


@needs_root
def test_a_chrooted_process() -> None:
    script = 'mount --bind / /mnt && exec chroot /mnt "$@"'
    with (
        in_namespaces("--mount", script=script) as pid,
        attach(identify(pid), agent=agent_file("native-agent")) as session,
    ):
        session.execute("def works():\n    return True")
        assert session.call("works") is True


FORBIDS_CODE = "; ".join(
    f"mount -t tmpfs -o noexec none {base}" for base in ("/tmp", "/dev/shm", "/var/tmp", "/run")
)


@needs_root
def test_where_no_folder_may_hold_code_the_python_agent_comes() -> None:
    with in_namespaces("--mount", script=f'{FORBIDS_CODE}; exec "$@"') as pid:
        with pytest.raises(NoWritableFolder, match="/tmp: mounted noexec") as caught:
            attach(identify(pid), agent=agent_file("native-agent"))
        assert caught.value.remedy
        with attach(identify(pid)) as session:
            assert session.kind == "python-agent"
            session.execute("def works():\n    return True")
            assert session.call("works") is True


@needs_root
def test_a_target_without_a_writable_folder_is_told_so() -> None:
    read_only = FORBIDS_CODE.replace("noexec", "ro")
    with in_namespaces("--mount", script=f'{read_only}; exec "$@"') as pid:
        before = traces(pid)
        with pytest.raises(NoWritableFolder, match="Read-only file system") as caught:
            attach(identify(pid))
        assert "tmpfs" in caught.value.remedy
        assert traces(pid) == before


@needs_root
def test_a_hostile_link_for_a_folder_is_not_followed(tmp_path: Path) -> None:
    """An absolute link in the target's file system would lead into ours."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "tmp").symlink_to(victim)
    script = f'mount --bind {tmp_path} /var; {FORBIDS_CODE.replace("noexec", "ro")}; exec "$@"'
    script = script.replace("mount -t tmpfs -o ro none /var/tmp; ", "")
    with in_namespaces("--mount", script=script) as pid:
        with pytest.raises(NoWritableFolder, match=r"/var/tmp: (Not a directory|Too many levels)"):
            attach(identify(pid), agent=agent_file("native-agent"))
        assert not list(victim.iterdir())


FEW_FILES = """
import resource, sys
held = [open("/dev/null") for _ in range(8)]
resource.setrlimit(resource.RLIMIT_NOFILE, (len(held) + 3, 64))
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
for _ in range(int(sys.argv[1])):
    held.pop().close()
print("ready", flush=True)
sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
print("relieved", flush=True)
sys.stdin.readline()
"""


@some_pythons
@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_target_out_of_descriptors_has_no_damage(python: Interpreter, left: int) -> None:
    with spawn(python.path, ["-c", FEW_FILES, str(left)]) as target:
        before = traces(target.pid)
        with suppress(LeakscopeError), attached(target, timeout=4) as session:
            assert still_runs(target, session)
        tell(target, "")
        assert read_line(target) == "relieved"
        with attached(target) as session:
            assert still_runs(target, session)
        assert_no_traces(target.pid, before)
