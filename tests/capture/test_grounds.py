"""A rendezvous in the file system that all share: the target's own, and nobody else's."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from leakscope.capture.grounds import Shared
from leakscope.capture.process import TargetGone
from leakscope.capture.rendezvous import AGENT, CLAIMED, SOCKET, NoWritableFolder, prepared
from tests.darwin_here import DarwinHere
from tests.targets import read_line, spawn, tell

IDLE = "print('ready', flush=True)\ninput()"
NOBODY = 65534

# Drops its rights, then does to a folder what an agent does: claims its file and connects.
CLAIMS = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print('ready', flush=True)
folder = sys.stdin.readline().strip()
os.rename(folder + '/agent', folder + '/running')
connection = socket.socket(socket.AF_UNIX)
connection.connect(folder + '/s')
print('in', flush=True)
connection.recv(1)
"""


class NowhereHere(DarwinHere):
    folders = ("proc", "missing")


def ours() -> list[Path]:
    """Return the folders that this process has made there."""
    return list(Path("/var/tmp").glob(f".ls-{os.getpid()}-*"))


def test_a_folder_is_closed_to_others_and_goes() -> None:
    ground = Shared(os.getpid(), DarwinHere())
    with prepared(os.getpid(), lambda _: {AGENT: b"x"}, executable=False, ground=ground) as meeting:
        folder = Path(meeting.place.path)
        assert folder.parent == Path("/var/tmp")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / AGENT).stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(meeting.place.socket)
            accepted = meeting.accept(5)
            assert accepted is not None
            accepted.close()
    assert not folder.exists()


def test_only_the_target_may_connect() -> None:
    with spawn(sys.executable, IDLE) as target:
        ground = Shared(target.pid, DarwinHere())
        with (
            prepared(target.pid, lambda _: {}, executable=False, ground=ground) as meeting,
            socket.socket(socket.AF_UNIX) as stranger,
        ):
            stranger.connect(meeting.place.socket)
            assert meeting.accept(0.2) is None
            assert stranger.recv(1) == b""


def test_a_peer_that_cannot_be_told_is_a_stranger() -> None:
    class Untold(DarwinHere):
        def peer(self, connected: socket.socket) -> int:
            del connected
            raise OSError(57, "Socket is not connected")

    ground = Shared(os.getpid(), Untold())
    with (
        prepared(os.getpid(), lambda _: {}, executable=False, ground=ground) as meeting,
        socket.socket(socket.AF_UNIX) as agent,
    ):
        agent.connect(meeting.place.socket)
        assert meeting.accept(0.2) is None


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_hands_a_folder_over_to_the_targets_user() -> None:
    with spawn(sys.executable, CLAIMS) as target:
        ground = Shared(target.pid, DarwinHere())
        with prepared(
            target.pid, lambda _: {AGENT: b"x"}, executable=False, ground=ground
        ) as meeting:
            folder = Path(meeting.place.path)
            for path in (folder, folder / AGENT, folder / SOCKET):
                assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
            tell(target, meeting.place.path)
            assert read_line(target) == "in"
            assert meeting.is_claimed()
            accepted = meeting.accept(5)
            assert accepted is not None
            accepted.close()
        assert not folder.exists()


def test_nothing_stays_of_a_folder_that_cannot_be_handed_over() -> None:
    class Refused(Shared):
        def hand_over(self, folder_fd: int, names: object) -> None:
            del folder_fd, names
            raise PermissionError(1, "Operation not permitted")

    before = ours()
    with (
        pytest.raises(NoWritableFolder, match="Operation not permitted"),
        prepared(
            os.getpid(),
            lambda _: {AGENT: b"x"},
            executable=False,
            ground=Refused(os.getpid(), DarwinHere()),
        ),
    ):
        raise AssertionError("it was handed over")
    assert ours() == before


def test_what_a_dead_controller_left_unused_is_spared_for_a_day() -> None:
    """Its target may still come for the file, and would complain if that were gone."""
    unused, used, old = (Path(f"/var/tmp/.ls-1-{number:016x}") for number in (0xA11, 0xA12, 0xA13))
    for folder, name in ((unused, AGENT), (used, CLAIMED), (old, AGENT)):
        folder.mkdir()
        (folder / name).write_bytes(b"agent")
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    ground = Shared(os.getpid(), DarwinHere())
    try:
        with prepared(os.getpid(), lambda _: {}, executable=False, ground=ground):
            assert [folder.exists() for folder in (unused, used, old)] == [True, False, False]
    finally:
        (unused / AGENT).unlink()
        unused.rmdir()


def test_a_system_without_writable_folders_is_told() -> None:
    with (
        pytest.raises(NoWritableFolder, match="/missing: No such file") as refused,
        prepared(
            os.getpid(),
            lambda _: {},
            executable=False,
            ground=Shared(os.getpid(), NowhereHere()),
        ),
    ):
        raise AssertionError("there is a folder")
    assert refused.value.remedy


def test_a_target_that_is_gone_has_no_ground() -> None:
    with spawn("cat", [], wait_for=None) as process:
        pass
    with pytest.raises(TargetGone):
        Shared(process.pid, DarwinHere())
