"""What the kernel says of a process's open descriptors, without touching the process."""

from __future__ import annotations

import re
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from leakscope.capture.permissions import NotPermitted
from leakscope.capture.process import ProcessIdentity, asking, connections_of
from leakscope.errors import LeakscopeError

_ANONYMOUS = re.compile(r"anon_inode:\[?([^\]]+)\]?")
_SPOKEN = {"eventpoll": "epoll instance", "inotify": "inotify instance"}
"""What is called otherwise by those who use it than by the kernel."""


class NoDescriptors(LeakscopeError):
    """The system does not tell what descriptors a process has open."""

    hint = "Run leakscope on Linux, where /proc is mounted."


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One open descriptor."""

    number: int
    kind: str
    """See `DescriptorGroup`."""
    path: str = ""
    """Of a file or device, of a UNIX socket that has a name; else empty."""
    local: tuple[str, int] | None = None
    """Address and port of an internet socket."""
    peer: tuple[str, int] | None = None
    state: str = ""
    """Of TCP, as the kernel calls it."""


def open_links(identity: ProcessIdentity) -> dict[int, str]:
    """Return what each open descriptor is, by its number, as the kernel spells it.

    `socket:[4711]`, `pipe:[815]`, `/var/log/app.log`: while a descriptor stays open this stays the
    same, and no other socket or pipe has that number. Raises `NotPermitted`, `TargetGone`,
    `NoDescriptors`.
    """
    identity.verify()
    if not identity.system.reads_memory:
        raise NoDescriptors("this system does not tell what a process has open")
    folder = Path(f"/proc/{identity.pid}/fd")
    try:
        entries = list(folder.iterdir())
    except PermissionError as denied:
        raise NotPermitted(
            f"process {identity.pid}: its descriptors may not be looked at"
        ) from denied
    except OSError as gone:
        identity.verify()
        raise NoDescriptors(f"the descriptors of process {identity.pid} cannot be read") from gone
    found: dict[int, str] = {}
    for entry in entries:
        with suppress(OSError):  # closed meanwhile
            found[int(entry.name)] = str(entry.readlink())
    if not found and entries:
        identity.verify()
    return found


def described(identity: ProcessIdentity, links: Mapping[int, str]) -> Iterator[Descriptor]:
    """Yield what the kernel says of `links`, by number.

    Of a socket that was closed meanwhile that is only that it is one. Raises `TargetGone`.
    """
    sockets = _sockets(identity) if any(map(_is_socket, links.values())) else {}
    for number in sorted(links):
        link = links[number]
        if _is_socket(link):
            yield _socket(number, sockets.get(number))
        else:
            yield _other(identity.pid, number, link)


def most_descriptors(identity: ProcessIdentity) -> int | None:
    """Return how many descriptors the process may have, None if that is not known or unlimited."""
    try:
        limits = Path(f"/proc/{identity.pid}/limits").read_text()
    except OSError:
        return None
    found = re.search(r"^Max open files +(\d+)", limits, re.MULTILINE)
    return int(found[1]) if found else None


def _is_socket(link: str) -> bool:
    return link.startswith("socket:")


def _sockets(identity: ProcessIdentity) -> dict[int, Any]:
    """Return what the tables of the target's network say of its sockets, by descriptor."""
    with asking(identity.pid) as process:
        try:
            return {found.fd: found for found in connections_of(process, "all")}
        except (psutil.AccessDenied, OSError):
            identity.verify()
            return {}


def _socket(number: int, found: Any | None) -> Descriptor:  # noqa: ANN401
    if found is None:  # of a family that the tables leave out, or not bound to anything
        return Descriptor(number, "socket")
    if found.family == socket.AF_UNIX:
        return Descriptor(number, "UNIX socket", path=found.laddr or found.raddr or "")
    protocol = "TCP" if found.type == socket.SOCK_STREAM else "UDP"
    local, peer = (tuple(address) or None for address in (found.laddr, found.raddr))
    if protocol == "UDP":
        return Descriptor(number, "UDP socket", local=local, peer=peer)
    if found.status == psutil.CONN_LISTEN:
        return Descriptor(number, "TCP listener", local=local)
    return Descriptor(number, "TCP connection", local=local, peer=peer, state=found.status)


def _other(pid: int, number: int, link: str) -> Descriptor:
    anonymous = _ANONYMOUS.fullmatch(link)
    if anonymous:
        return Descriptor(number, _SPOKEN.get(anonymous[1], anonymous[1]))
    if not link.startswith("/"):
        return Descriptor(number, link.partition(":")[0])
    if link.startswith("/memfd:"):
        return Descriptor(number, "memory file", path=link)
    return Descriptor(number, _kind_of_file(Path(f"/proc/{pid}/fd/{number}")), path=link)


def _kind_of_file(entry: Path) -> str:
    try:
        mode = entry.stat().st_mode
    except OSError:
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return "device"
    return "named pipe" if stat.S_ISFIFO(mode) else "file"
