"""Python 3.14 and later, on both sides: `sys.remote_exec`, the standard library's own PEP 768.

The only door where another process's memory is no file that can be written (macOS): the Python
that runs leakscope writes the request, by whatever right the system gives it. So it has to be of
the target's own minor version. Nothing of the target is stopped, and a main thread that waits
cannot be woken: it takes the request when it next runs Python.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from leakscope.capture.doors.interface import DoorClosed, Knock, NoDoor
from leakscope.capture.permissions import NotPermitted

PRIVILEGE = (
    "Run leakscope as root (sudo), or sign the Python that runs it with the entitlement "
    "com.apple.security.cs.debugger."
)
OLDEST = (3, 14)
_FAILURES = (OSError, RuntimeError, ValueError)
"""What `sys.remote_exec` raises. Which of them says little: all but a missing right are alike."""
_TAKEN_WITHIN_S = 0.05
_EXECUTE: Callable[[int, str], None] | None = getattr(sys, "remote_exec", None)


@dataclass(frozen=True, slots=True)
class OwnPython:
    """The Python that runs leakscope, in what decides whether it can ask another one."""

    minor: tuple[int, int]
    """For example `(3, 14)`."""
    remote_debugging: bool
    """Whether it was built and started with that: otherwise it asks nobody."""
    free_threaded: bool

    @classmethod
    def here(cls) -> OwnPython:
        """Return this one."""
        is_enabled = getattr(sys, "is_remote_debug_enabled", lambda: False)
        return cls(
            minor=(sys.version_info[0], sys.version_info[1]),
            remote_debugging=bool(is_enabled()),
            free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        )

    @property
    def text(self) -> str:
        """Its version, for example `3.14`."""
        return ".".join(map(str, self.minor))

    def unable(self) -> NoDoor | None:
        """Return why it cannot ask any other Python, None if it can."""
        if self.minor < OLDEST:
            return NoDoor(
                f"leakscope runs under Python {self.text}, which cannot ask another Python in",
                hint="Install leakscope under Python 3.14 or later, of the target's minor version.",
            )
        if self.free_threaded:
            return NoDoor(
                f"leakscope runs under a free-threaded build of Python {self.text}",
                hint="Install leakscope under a default build (with the GIL), as the target's.",
            )
        if not self.remote_debugging:
            return NoDoor(
                "the Python that runs leakscope has remote debugging switched off",
                hint="Start leakscope without PYTHON_DISABLE_REMOTE_DEBUG.",
            )
        return None


class RemoteExec:
    """Asks the target's main thread to run the loading text from its file."""

    name = "sys.remote_exec"
    patience_s = 0.05

    def __init__(
        self,
        pid: int,
        loader: str,
        execute: Callable[[int, str], None] | None = _EXECUTE,
    ) -> None:
        """Prepare to have process `pid` run the file `loader` by `execute`."""
        self._pid = pid
        self._loader = loader
        self._execute = execute
        self._is_asked = False

    def knock(self) -> Knock:
        """Write the request. One that another debugger has made, and not been met, is lost.

        Raises `NoDoor`, `NotPermitted`, or `DoorClosed` in the words of `sys.remote_exec`: the
        interpreter may not be up yet, is of another version, or does not want to be asked.
        """
        own = OwnPython.here()
        if self._execute is None:
            raise own.unable() or NoDoor("this Python cannot ask another one")
        self._is_asked = True  # also if this is interrupted, or fails when half of it is written
        try:
            self._execute(self._pid, self._loader)
        except PermissionError as error:
            raise NotPermitted(
                f"process {self._pid}: not permitted: {_line(error)}", hint=PRIVILEGE
            ) from error
        except _FAILURES as error:
            raise DoorClosed(
                f"process {self._pid} cannot be asked in: {_line(error)}",
                hint=f"It must run CPython {own.text}, as leakscope does here, and not have been "
                "started with PYTHON_DISABLE_REMOTE_DEBUG.",
            ) from error
        return Knock(held_s=0.0)

    def withdraw(self) -> None:
        """Ask for the empty file instead: the request itself cannot be taken back.

        Whenever the target takes that one, it finds a file and runs nothing. If even this cannot be
        written, the process that was asked is no more. Returns when whoever took the first request
        at this very moment has read its file.
        """
        if self._is_asked and self._execute is not None:
            self._is_asked = False
            with suppress(*_FAILURES):
                self._execute(self._pid, os.devnull)
                time.sleep(_TAKEN_WITHIN_S)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
