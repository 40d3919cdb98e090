"""macOS as far as it can be had on Linux: leakscope's own code for it, without Linux's means.

What cannot be had here is the kernel: that psutil, `LOCAL_PEERPID` and `sys.remote_exec` do there
what their documentation says.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
from types import FrameType

from leakscope.capture.systems import Darwin

_SO_PEERCRED = 17
_NOT_ON_MACOS = {
    os: ("ST_NOEXEC", "eventfd", "memfd_create", "pidfd_open", "setns", "unshare"),
    socket: ("AF_NETLINK", "MSG_CMSG_CLOEXEC", "SO_PEERCRED", "SO_PASSCRED"),
    select: ("epoll",),
    signal: ("pidfd_send_signal", "SIGRTMIN"),
    fcntl: ("F_ADD_SEALS", "F_SETPIPE_SZ"),
}
_OPENING = ("open", "os.listdir", "os.scandir")


class DarwinHere(Darwin):
    """Asks Linux's kernel who connected, and uses a folder that there is.

    Not /tmp: what is spared there, leakscopes that other tests run would sweep away.
    """

    folders: tuple[str, ...] = ("var/tmp",)

    def peer(self, connected: socket.socket) -> int:
        credentials = connected.getsockopt(socket.SOL_SOCKET, _SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)


def take_linux_away() -> None:
    """Fail from now on where leakscope itself looks into /proc, or needs what macOS has not."""
    for module, names in _NOT_ON_MACOS.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    sys.addaudithook(_refuse_proc)


def _refuse_proc(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _OPENING or not str(arguments[0]).startswith("/proc"):
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == "psutil":
            return
        assert package != "leakscope", f"{frame.f_globals['__name__']} looks at {arguments[0]}"
        frame = frame.f_back
