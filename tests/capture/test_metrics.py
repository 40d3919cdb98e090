"""What the operating system says of a target, and of what bounds its memory."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import pytest

from leakscope.capture.limits import (
    MemoryBound,
    memory_bound,
    memory_bounds,
    promise_bound,
    writable_bytes,
)
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.native import NotEnoughMemory, require_promise
from leakscope.capture.process import TargetGone, identify
from tests.targets import read_line, spawn

MIB = 1 << 20
HOLD_64_MIB = """
import sys, threading
held = bytearray(b'x') * (64 << 20)
files = [open('/dev/null') for _ in range(20)]
for _ in range(3):
    threading.Thread(target=sys.stdin.read, daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
"""


def test_metrics_tell_what_a_process_holds() -> None:
    with spawn(sys.executable, HOLD_64_MIB) as process:
        metrics = sample_metrics(identify(process.pid), with_uss=True)

    assert metrics.rss is not None
    assert 64 * MIB < metrics.rss < 128 * MIB
    assert metrics.uss is not None
    assert 64 * MIB < metrics.uss <= metrics.rss
    assert metrics.threads == 4
    assert metrics.fds == 20 + 3
    assert metrics.cpu_seconds is not None
    assert 0 < metrics.cpu_seconds < 60


def test_private_memory_is_left_out_unless_wanted() -> None:
    assert sample_metrics(identify(os.getpid())).uss is None


@pytest.mark.needs_root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_what_another_user_may_not_read_is_none() -> None:
    script = """
import os, sys
sys.path[:0] = sys.argv[2:]
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.process import identify
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(sample_metrics(identify(int(sys.argv[1])), with_uss=True))
"""
    paths = [p for p in (*sys.path, str(Path.cwd())) if p]
    with spawn(sys.executable, HOLD_64_MIB) as target:
        arguments = ["-c", script, str(target.pid), *paths]
        with spawn(sys.executable, arguments, wait_for=None) as stranger:
            said = read_line(stranger)

    assert "uss=None" in said
    assert "fds=None" in said
    assert "threads=4" in said


def test_metrics_of_a_process_that_exited_are_not_zero_but_an_error() -> None:
    with spawn("cat", [], wait_for=None) as process:
        identity = identify(process.pid)

    with pytest.raises(TargetGone):
        sample_metrics(identity)


def test_a_resource_limit_bounds_a_process() -> None:
    limit = 4 << 30
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}));"
        + HOLD_64_MIB
    )
    with spawn(sys.executable, script) as process:
        bounds = {bound.source: bound for bound in memory_bounds(process.pid)}

    assert bounds["RLIMIT_AS"].limit_bytes == limit
    assert 64 * MIB < bounds["RLIMIT_AS"].used_bytes < limit


def test_there_is_always_the_memory_of_the_host() -> None:
    host = memory_bounds(os.getpid())[-1]
    total = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()

    assert host.source == "host memory"
    assert host.limit_bytes == total
    assert 0 < host.used_bytes < total


class Procfs:
    """A drawn /proc and control group hierarchy for process 7."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        self.groups = root / "cg roup"
        (self.proc / "7").mkdir(parents=True)
        (self.proc / "self").mkdir()
        self.mount("cgroup2 none rw")
        self.write(self.proc / "meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n")

    def mount(self, what: str, root: str = "/") -> None:
        where = str(self.groups).replace(" ", "\\040")
        line = f"30 23 0:26 {root} {where} rw,relatime shared:4 - {what}\n"
        self.write(self.proc / "self/mountinfo", f"22 1 0:1 / / rw - ext4 /dev/vda rw\n{line}")

    def promises(self, mode: str, *, limit: int, promised: int) -> None:
        (self.proc / "sys/vm").mkdir(parents=True)
        self.write(self.proc / "sys/vm/overcommit_memory", mode)
        figures = f"CommitLimit: {limit >> 10} kB\nCommitted_AS: {promised >> 10} kB\n"
        self.write(self.proc / "meminfo", figures)

    def member_of(self, cgroup: str) -> None:
        self.write(self.proc / "7/cgroup", cgroup + "\n")

    def group(self, path: str, **files: str) -> None:
        (self.groups / path).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            self.write(self.groups / path / f"memory.{name}", text + "\n")

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.write_text(text)

    def bound(self) -> MemoryBound | None:
        return memory_bound(7, proc=self.proc)


@pytest.fixture
def procfs(tmp_path: Path) -> Procfs:
    return Procfs(tmp_path)


def test_what_a_process_may_write_is_more_than_it_holds() -> None:
    with spawn(sys.executable, HOLD_64_MIB) as process:
        assert 64 * MIB < writable_bytes(process.pid) < 4 << 30


@pytest.mark.parametrize("mode", ["0\n", "1\n", ""])
def test_a_kernel_that_promises_freely_bounds_no_copy(procfs: Procfs, mode: str) -> None:
    procfs.promises(mode, limit=0, promised=0)

    assert promise_bound(proc=procfs.proc) is None
    require_promise(7, 64 * MIB, proc=procfs.proc)


def test_a_copy_is_refused_what_the_kernel_cannot_promise(procfs: Procfs) -> None:
    procfs.promises("2\n", limit=1000 * MIB, promised=600 * MIB)
    procfs.write(procfs.proc / "7/status", f"VmData:\t{300 << 10} kB\nVmStk:\t{2 << 10} kB\n")

    require_promise(7, 98 * MIB, proc=procfs.proc)
    with pytest.raises(NotEnoughMemory) as refused:
        require_promise(7, 99 * MIB, proc=procfs.proc)
    assert str(refused.value) == (
        "a frozen copy has to be promised 401 MiB, and vm.overcommit_memory=2 leaves 400 MiB to "
        "promise"
    )


def test_the_limit_of_a_group_above_binds_too(procfs: Procfs) -> None:
    procfs.member_of("0::/pods/web")
    procfs.group("pods/web", max="max", current=str(90 * MIB))
    procfs.group("pods", max=str(128 * MIB), current=str(100 * MIB))

    assert procfs.bound() == MemoryBound(128 * MIB, 100 * MIB, "cgroup /pods memory.max")


def test_the_group_with_the_least_room_binds(procfs: Procfs) -> None:
    procfs.member_of("0::/pods/web")
    procfs.group("pods/web", max=str(100 * MIB), current=str(10 * MIB))
    procfs.group("pods", max=str(200 * MIB), current=str(199 * MIB))

    bound = procfs.bound()

    assert bound is not None
    assert bound.source == "cgroup /pods memory.max"
    assert bound.headroom_bytes == MIB
    assert bound.as_limit().limit_bytes == 200 * MIB


def test_page_cache_that_can_be_dropped_is_not_used_memory(procfs: Procfs) -> None:
    procfs.member_of("0::/web")
    procfs.group("web", max=str(100 * MIB), current=str(95 * MIB))
    procfs.group("web", stat=f"anon {10 * MIB}\ninactive_file {80 * MIB}")

    assert procfs.bound() == MemoryBound(100 * MIB, 15 * MIB, "cgroup /web memory.max")


def test_the_first_version_of_control_groups_is_read(procfs: Procfs) -> None:
    procfs.mount("cgroup cgroup rw,memory")
    procfs.member_of("5:cpu,cpuacct:/x\n4:memory:/docker/ab\n0::/")
    procfs.group("docker/ab", limit_in_bytes=str(64 * MIB), usage_in_bytes=str(60 * MIB))
    procfs.group("docker/ab", stat=f"inactive_file 1\ntotal_inactive_file {20 * MIB}")
    procfs.group("", limit_in_bytes="9223372036854771712", usage_in_bytes=str(900 * MIB))

    expected = MemoryBound(64 * MIB, 40 * MIB, "cgroup /docker/ab memory.limit_in_bytes")
    assert procfs.bound() == expected


def test_a_hierarchy_of_which_only_a_part_is_mounted_is_read(procfs: Procfs) -> None:
    procfs.mount("cgroup cgroup rw,memory", root="/docker/ab")
    procfs.member_of("4:memory:/docker/ab/worker")
    procfs.group("", limit_in_bytes=str(64 * MIB), usage_in_bytes=str(60 * MIB))

    bound = procfs.bound()

    assert bound is not None
    assert bound.limit_bytes == 64 * MIB


def test_a_group_out_of_sight_leaves_the_host(procfs: Procfs) -> None:
    procfs.member_of("0::/../other")
    procfs.group("", max=str(MIB), current="0")

    assert procfs.bound() == MemoryBound(8 << 30, 4 << 30, "host memory")


def test_a_full_group_has_no_room_rather_than_a_negative_one(procfs: Procfs) -> None:
    procfs.member_of("0::/web")
    procfs.group("web", max=str(MIB), current=str(2 * MIB))

    bound = procfs.bound()

    assert bound is not None
    assert bound.headroom_bytes == 0
