"""Of several leakscopes one has the lock, whatever else lies at its file's place."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from leakscope.capture.attached import AlreadyAttached
from leakscope.capture.lockfile import NoLockFile, lock
from leakscope.capture.process import ProcessIdentity
from tests.targets import read_line, spawn, tell

TARGET = ProcessIdentity(4711, 1_700_000_000.25)
NAME = ".leakscope-4711-1700000000"

TAKES_IT_AGAIN_AND_AGAIN = """
import sys
from pathlib import Path
from leakscope.capture.attached import AlreadyAttached
from leakscope.capture.lockfile import lock
from leakscope.capture.process import ProcessIdentity
folder, inside = Path(sys.argv[1]), Path(sys.argv[1], 'inside')
mine = int(sys.argv[2])
print('ready', flush=True)
sys.stdin.readline()
taken = 0
while taken < 100:
    try:
        unlock = lock(ProcessIdentity(4711, 1.0), folder)
    except AlreadyAttached:
        continue
    inside.mkdir()  # fails if somebody else is in
    inside.rmdir()
    taken += 1
    unlock()
    lock(ProcessIdentity(mine, 1.0), folder)()  # nobody else's: it is never refused
print('done', taken, flush=True)
"""


def test_a_second_one_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    unlock = lock(TARGET, tmp_path)
    with pytest.raises(AlreadyAttached, match=rf"another leakscope \(pid {os.getpid()}\) .* since"):
        lock(TARGET, tmp_path)
    lock(ProcessIdentity(4711, TARGET.started + 60), tmp_path)()
    unlock()

    assert list(tmp_path.iterdir()) == []
    lock(TARGET, tmp_path)()


def test_what_killed_leakscopes_left_keeps_nobody_out_and_goes(tmp_path: Path) -> None:
    other = ProcessIdentity(4712, 1_700_000_000.0)
    (tmp_path / NAME).write_text("99999")
    (tmp_path / ".leakscope-1-1").write_text("99999")
    (tmp_path / ".leakscope-mine").write_text("a stranger's")
    unlock_other = lock(other, tmp_path)

    unlock = lock(TARGET, tmp_path)

    left = {".leakscope-mine", ".leakscope-4712-1700000000", NAME}
    assert {path.name for path in tmp_path.iterdir()} == left
    unlock()
    unlock_other()
    assert [path.name for path in tmp_path.iterdir()] == [".leakscope-mine"]


@pytest.mark.parametrize("content", ["", "no number", "7" * 5000, "-1"])
def test_a_lock_whose_holder_is_not_told_is_a_lock(tmp_path: Path, content: str) -> None:
    unlock = lock(TARGET, tmp_path)
    (tmp_path / NAME).write_text(content)

    with pytest.raises(AlreadyAttached, match=r"another leakscope.* is attached to process 4711"):
        lock(TARGET, tmp_path)
    unlock()


def test_a_link_at_its_place_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / NAME).symlink_to(precious)

    with pytest.raises(NoLockFile, match="cannot use") as refused:
        lock(TARGET, tmp_path)

    assert refused.value.remedy
    assert precious.read_text() == "kept"


def test_a_pipe_at_its_place_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)

    lock(TARGET, tmp_path)()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoLockFile, match="No such file"):
        lock(TARGET, tmp_path / "missing")


def test_never_two_at_once_and_never_none(tmp_path: Path) -> None:
    with ExitStack() as stack:
        arguments = ["-c", TAKES_IT_AGAIN_AND_AGAIN, str(tmp_path)]
        rivals = [
            stack.enter_context(spawn(sys.executable, [*arguments, str(number)]))
            for number in (1, 2, 3)
        ]
        for rival in rivals:
            tell(rival, "go")
        assert [read_line(rival) for rival in rivals] == ["done 100"] * 3
    assert list(tmp_path.iterdir()) == []
