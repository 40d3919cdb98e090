"""What the kernel says of descriptors, and what is said where it does not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from leakscope.capture.descriptors import (
    NoDescriptors,
    described,
    most_descriptors,
    open_links,
)
from leakscope.capture.permissions import NotPermitted
from leakscope.capture.process import TargetGone, identify
from tests.darwin_here import DarwinHere
from tests.targets import spawn

KINDS = """
import os, sys
kept = [os.memfd_create("scratch"), os.eventfd(0) if hasattr(os, "eventfd") else -1,
        os.open(sys.argv[1], os.O_RDONLY), os.open("/dev/zero", os.O_RDONLY)]
os.mkfifo(sys.argv[1] + "/fifo"); kept.append(os.open(sys.argv[1] + "/fifo", os.O_RDWR))
print("ready", flush=True); sys.stdin.read()
"""


def test_every_kind_has_its_name(tmp_path: Path) -> None:
    with spawn(sys.executable, ["-c", KINDS, tmp_path]) as target:
        identity = identify(target.pid)
        found = list(described(identity, open_links(identity)))
        limit = most_descriptors(identity)

    told = {(each.kind, each.path) for each in found if each.number > 2}
    assert {("directory", str(tmp_path)), ("device", "/dev/zero")} <= told
    assert ("named pipe", str(tmp_path / "fifo")) in told
    assert any(kind == "memory file" and "scratch" in path for kind, path in told)
    assert ("eventfd", "") in told
    assert [each.number for each in found] == sorted(each.number for each in found)
    assert limit is not None and limit >= len(found)


def test_what_was_closed_meanwhile_is_told_by_its_link() -> None:
    gone = {999: "socket:[1]", 998: "pipe:[2]", 997: "/var/log/gone.log", 996: "anon_inode:[x]"}
    found = {each.number: each.kind for each in described(identify(os.getpid()), gone)}

    assert found == {999: "socket", 998: "pipe", 997: "file", 996: "x"}


def test_a_system_without_proc_says_so() -> None:
    with pytest.raises(NoDescriptors, match="does not tell"):
        open_links(identify(os.getpid(), DarwinHere()))


def test_a_process_that_is_gone_is_told_so() -> None:
    with spawn(sys.executable, "print('ready', flush=True); import time; time.sleep(99)") as target:
        identity = identify(target.pid)
    with pytest.raises(TargetGone):
        open_links(identity)


@pytest.mark.needs_root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_who_may_not_look_is_told_so() -> None:
    """As nobody, in a process of its own: no right comes back."""
    with spawn(sys.executable, "print('ready', flush=True); import time; time.sleep(99)") as target:
        identity = identify(target.pid)
        pid = os.fork()
        if not pid:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                open_links(identity)
            except NotPermitted:
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
