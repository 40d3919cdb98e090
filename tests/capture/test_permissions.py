"""A refusal names the rule that forbids, and what lifts it."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from leakscope.capture import permissions
from leakscope.capture.permissions import (
    Circumstances,
    Credentials,
    credentials,
    explain,
    namespace_is_ours,
    refused,
    require_access,
)
from leakscope.capture.process import TargetGone, identify
from tests.targets import read_line, spawn

WAIT = "import sys; print('ready'); sys.stdin.read()"
USER = Credentials((1000,) * 4, (1000,) * 4, permitted=0, effective=0, tracer=0, state="S")
NOBODY = 65534

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

AS_NOBODY = f"""
import os, sys
sys.path[:0] = sys.argv[2:]
from leakscope.capture.permissions import NotPermitted, require_access
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
try:
    require_access(int(sys.argv[1]))
except NotPermitted as error:
    print(f"{{error.exit_code:d}} {{error}}: {{error.remedy}}")
else:
    print("permitted")
"""


def said_by_nobody(pid: int) -> str:
    """Return what a process of another, unprivileged user finds out about its access to `pid`."""
    paths = [path for path in (*sys.path, str(Path.cwd())) if path]
    with spawn(sys.executable, ["-c", AS_NOBODY, str(pid), *paths], wait_for=None) as process:
        return read_line(process)


def test_a_process_of_ours_may_be_traced() -> None:
    with spawn(sys.executable, WAIT) as process:
        assert refused(process.pid) is None
        require_access(process.pid)


@pytest.mark.needs_root
@as_root
def test_a_process_of_another_user_is_refused_with_both_user_ids() -> None:
    with spawn(sys.executable, WAIT) as process:
        said = said_by_nobody(process.pid)

    assert said.startswith(f"3 process {process.pid}: not permitted: ")
    assert f"it belongs to user id 0, this is user id {NOBODY}" in said
    assert "owner" in said


@pytest.mark.needs_root
@as_root
def test_a_process_that_is_not_dumpable_is_refused_to_its_own_user() -> None:
    script = f"import os; os.setgid({NOBODY}); os.setuid({NOBODY});" + WAIT
    with spawn(sys.executable, script) as process:
        assert permissions.is_dumpable(process.pid) is False
        assert refused(process.pid) is None  # root's capability overrides it

        assert "not dumpable" in said_by_nobody(process.pid)


@pytest.mark.needs_root
@as_root
def test_who_keeps_its_own_user_stays_dumpable() -> None:
    script = (
        f"import os, ctypes; os.setgid({NOBODY}); os.setuid({NOBODY});"
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0);" + WAIT
    )
    with spawn(sys.executable, script) as process:
        assert permissions.is_dumpable(process.pid) is True
        assert said_by_nobody(process.pid) == "permitted"


def test_credentials_are_those_of_the_process() -> None:
    with spawn("cat", [], wait_for=None) as process:
        found = credentials(process.pid)

    assert found.uids == (*os.getresuid(), os.geteuid())
    assert found.gids == (*os.getresgid(), os.getegid())
    assert found.tracer == 0


def test_a_process_that_exited_is_gone() -> None:
    with spawn("cat", [], wait_for=None) as process:
        pid = identify(process.pid).pid

    for look in (credentials, refused):
        with pytest.raises(TargetGone):
            look(pid)


def test_a_child_shares_our_namespaces() -> None:
    with spawn("cat", [], wait_for=None) as process:
        assert namespace_is_ours(process.pid, "mnt") is True


ANYTHING = Circumstances()
ROOT = replace(USER, uids=(0,) * 4, gids=(0,) * 4, effective=1 << 19, permitted=1 << 19)


@pytest.mark.parametrize(
    ("target", "ours", "circumstances", "reason"),
    [
        (ROOT, USER, ANYTHING, "belongs to user id 0, this is user id 1000"),
        (replace(USER, uids=(1000, 0, 0, 0)), USER, ANYTHING, "belongs to user id 0"),
        (replace(USER, gids=(5,) * 4), USER, ANYTHING, "runs with group id 5, not 1000"),
        (USER, USER, Circumstances(dumpable=False), "not dumpable"),
        (replace(USER, permitted=1 << 10), USER, ANYTHING, "holds capabilities"),
        (USER, USER, Circumstances(yama_scope=1), "only a parent .*ptrace_scope is 1"),
        (USER, USER, Circumstances(yama_scope=2), "only administrators .*ptrace_scope is 2"),
        (USER, USER, Circumstances(yama_scope=3), "nobody .*ptrace_scope is 3"),
        (USER, USER, Circumstances(yama_scope=0), "a security module"),
        (USER, ROOT, Circumstances(dumpable=False, yama_scope=3), "ptrace_scope is 3"),
        (USER, ROOT, Circumstances(same_user_namespace=False), "another user namespace"),
        (USER, ROOT, Circumstances(same_user_namespace=None), "another user namespace"),
        (USER, ROOT, Circumstances(yama_scope=2), "a security module"),
    ],
)
def test_the_first_rule_that_forbids_is_named(
    target: Credentials, ours: Credentials, circumstances: Circumstances, reason: str
) -> None:
    refusal = explain(target, ours, circumstances)

    assert re.search(reason, refusal.reason)
    assert refusal.remedy


def test_under_yama_the_way_out_is_to_be_the_parent() -> None:
    assert "leakscope watch -- " in explain(USER, USER, Circumstances(yama_scope=1)).remedy
