"""Where the target's agent finds us: a folder that the target can reach; `grounds` says which.

It holds the agent (or its source), the text that loads it and a listening socket, is the target's
user's, closed to everybody else, and gone as soon as the agent has connected. What a killed
controller left is swept away by the next one: a folder in use is locked, and only as long as its
controller lives.

Every name in it is used relative to open folders and never through a symbolic link, so a hostile
target cannot make us touch anything else.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from leakscope.capture.grounds import Ground, ThroughProc
from leakscope.capture.process import TargetGone
from leakscope.errors import LeakscopeError

SOCKET, LOADER, AGENT, CLAIMED = "s", "loader.py", "agent", "running"
_PREFIX = ".ls-"
_OURS = re.compile(r"\.ls-\d{1,10}-[0-9a-f]{16}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NoWritableFolder(LeakscopeError):
    """The target's file system has no place where the agent can be put."""

    hint = (
        "Give the target a writable /tmp or /dev/shm (a tmpfs will do) and try again, or count "
        "types by `--capture readonly`, which needs none."
    )


@dataclass(frozen=True, slots=True)
class Place:
    """A rendezvous folder, as the target names it."""

    path: str
    """Absolute, in the target's own file system: `/tmp/.ls-TOKEN`."""
    token: str
    """Begins with this controller's pid; the rest cannot be guessed."""

    @property
    def loader(self) -> str:
        """The text that loads the agent, for a door that takes a file."""
        return f"{self.path}/{LOADER}"

    @property
    def agent(self) -> str:
        """The agent, until it is claimed."""
        return f"{self.path}/{AGENT}"

    @property
    def claimed(self) -> str:
        """The agent, once the injected text has claimed it."""
        return f"{self.path}/{CLAIMED}"

    @property
    def socket(self) -> str:
        """Where the agent connects to."""
        return f"{self.path}/{SOCKET}"


class Rendezvous:
    """A furnished rendezvous folder with a listening socket. Made by `prepared`."""

    def __init__(
        self,
        pid: int,
        place: Place,
        base_fd: int,
        folder_fd: int,
        listener: socket.socket,
        peer: Callable[[socket.socket], int],
    ) -> None:
        self.place = place
        self._pid = pid
        self._peer = peer
        self._base_fd = base_fd
        self._folder_fd = folder_fd
        self._listener = listener

    def is_claimed(self) -> bool:
        """Return whether the injected text has begun: its first act is to rename the agent."""
        return _is_claimed(self._folder_fd)

    def accept(self, timeout: float) -> socket.socket | None:
        """Return the target's connection, None if it does not come within `timeout` seconds.

        Connections of other processes are closed at once.
        """
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        deadline = time.monotonic() + timeout
        while poller.poll(1000 * max(0.0, deadline - time.monotonic())):
            connected = self._accepted()
            if connected is not None:
                return connected
        return None

    def remove(self) -> None:
        """Take everything out of the target's file system. Idempotent, never raises."""
        self._listener.close()
        if self._folder_fd >= 0:
            _remove_folder(self._base_fd, _PREFIX + self.place.token, self._folder_fd)
            os.close(self._folder_fd)
            os.close(self._base_fd)
            self._folder_fd = self._base_fd = -1

    def _accepted(self) -> socket.socket | None:
        try:
            connected, _ = self._listener.accept()
        except OSError:
            return None
        with suppress(OSError):
            if self._peer(connected) == self._pid:
                return connected
        connected.close()
        return None


@contextmanager
def prepared(
    pid: int,
    files: Callable[[Place], Mapping[str, bytes]],
    *,
    executable: bool,
    ground: Ground | None = None,
) -> Iterator[Rendezvous]:
    """Make a rendezvous folder with the files that `files` gives, and remove it at the end.

    `executable`: the agent must be mappable as code, so file systems mounted noexec do not do.
    `ground` says where it is made, in the target's own file system if nothing else is said. What
    dead controllers left is swept away on the way. Raises `NoWritableFolder` or `TargetGone`.
    """
    rendezvous = _make(pid, files, ground or ThroughProc(pid), executable=executable)
    try:
        yield rendezvous
    finally:
        rendezvous.remove()


def _make(
    pid: int,
    files: Callable[[Place], Mapping[str, bytes]],
    ground: Ground,
    *,
    executable: bool,
) -> Rendezvous:
    problems = []
    for base in ground.system.folders:
        try:
            with _opened(ground.root, base) as base_fd:
                if executable and os.fstatvfs(base_fd).f_flag & os.ST_NOEXEC:
                    problems.append(f"/{base}: mounted noexec")
                    continue
                _sweep(base_fd, spares_s=ground.spares_s)
                with ground.as_target():
                    return _furnished(pid, base, base_fd, files, ground)
        except OSError as error:
            problems.append(f"/{base}: {error.strerror}")
    if not psutil.pid_exists(pid):
        raise TargetGone(f"process {pid} has exited")
    raise NoWritableFolder(
        f"process {pid} has no writable folder for the agent ({'; '.join(problems)})"
    )


def _furnished(
    pid: int,
    base: str,
    base_fd: int,
    files: Callable[[Place], Mapping[str, bytes]],
    ground: Ground,
) -> Rendezvous:
    """Make and fill one folder; whatever fails (an `OSError`), nothing of it stays."""
    name, folder_fd = _locked_folder(base_fd)
    place = Place(f"/{base}/{name}", name.removeprefix(_PREFIX))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.bind(f"{ground.address(folder_fd, place.path)}/{SOCKET}")
        listener.listen(4)
        content = files(place)
        for file_name, text in content.items():
            fd = os.open(file_name, _NEW_FILE, 0o600, dir_fd=folder_fd)
            with os.fdopen(fd, "wb") as file:
                file.write(text)
        ground.hand_over(folder_fd, (SOCKET, *content))
        return Rendezvous(pid, place, os.dup(base_fd), folder_fd, listener, peer=ground.system.peer)
    except BaseException:
        listener.close()
        _remove_folder(base_fd, name, folder_fd)
        os.close(folder_fd)
        raise


@contextmanager
def _opened(root: str, base: str) -> Iterator[int]:
    """Open a folder below the target's root, following no symbolic link on the way.

    An absolute link would lead into our own file system.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in base.split("/"):
            deeper = os.open(part, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = deeper
        yield fd
    finally:
        os.close(fd)


def _locked_folder(base_fd: int) -> tuple[str, int]:
    """Make a folder that only its owner may use, open and locked; return name and descriptor."""
    while True:
        name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        os.mkdir(name, 0o700, dir_fd=base_fd)
        fd = os.open(name, _FOLDER, dir_fd=base_fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if leads_to(name, fd, dir_fd=base_fd):  # else somebody swept it before it was locked
            return name, fd
        os.close(fd)


def is_loader(path: str) -> bool:
    """Return whether a path is that of a text that loads an agent, of whichever leakscope."""
    folder, _, name = path.rpartition("/")
    return name == LOADER and _OURS.fullmatch(folder.rpartition("/")[2]) is not None


def leads_to(path: str, fd: int, *, dir_fd: int | None = None) -> bool:
    """Return whether `path` still is the name of what is open as `fd`."""
    with suppress(FileNotFoundError):
        found = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        return os.path.samestat(found, os.fstat(fd))
    return False


def _sweep(base_fd: int, *, spares_s: float) -> None:
    """Remove the folders of controllers that are dead: those that nobody has locked.

    One that was not used yet is spared until it is `spares_s` seconds old.
    """
    for name in os.listdir(base_fd):
        if not _OURS.fullmatch(name):
            continue
        with suppress(OSError):
            fd = os.open(name, _FOLDER, dir_fd=base_fd)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_young = time.time() - os.fstat(fd).st_mtime < spares_s
                if not is_young or _is_claimed(fd):
                    _remove_folder(base_fd, name, fd)
            finally:
                os.close(fd)


def _is_claimed(folder_fd: int) -> bool:
    try:
        os.stat(AGENT, dir_fd=folder_fd, follow_symlinks=False)
    except OSError:
        return True
    return False


def _remove_folder(base_fd: int, name: str, folder_fd: int) -> None:
    for file_name in (SOCKET, LOADER, AGENT, CLAIMED):
        with suppress(OSError):
            os.unlink(file_name, dir_fd=folder_fd)
    with suppress(OSError):
        os.rmdir(name, dir_fd=base_fd)
