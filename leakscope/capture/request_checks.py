"""Checks where no other process's memory can be read, and its interpreter has to be asked (macOS).

Much of what decides there shows only when it is tried, and a check must not: it would run something
in the process. What is not known before is said to be so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import psutil

from leakscope.capture.check import Outcome, failed, ok, skipped, warning
from leakscope.capture.doors.remote_exec import OLDEST, PRIVILEGE, OwnPython
from leakscope.capture.grounds import Shared
from leakscope.capture.machine_checks import folder_outcome, load_tool_check, platform_check
from leakscope.capture.process import ProcessIdentity, asking
from leakscope.capture.requesting import executable
from leakscope.capture.systems import System
from leakscope.capture.target_checks import memory_check, other_leakscope_check

_VERSION_IN_PATH = re.compile(r"(?:Python\.framework/Versions/|/python)(\d+)\.(\d+)t?(?:/|$)")
"""In `…/Python.framework/Versions/3.14/…` and `…/bin/python3.14`."""


def of_machine(system: System) -> tuple[tuple[str, Callable[[], Outcome]], ...]:
    """Return the checks of a machine with this system, by name."""
    return (
        ("platform", platform_check),
        ("own interpreter", lambda: own_interpreter_outcome(OwnPython.here())),
        ("native agent", lambda: skipped("Linux only: Python in the target counts the objects")),
        ("ptrace scope", _linux_only),
        ("capabilities", lambda: privilege_outcome(os.geteuid())),
        ("reading memory", _linux_only),
        ("own folder", lambda: folder_outcome(os.getpid(), Shared(os.getpid(), system))),
        ("load generator", load_tool_check),
    )


def own_interpreter_outcome(own: OwnPython) -> Outcome:
    """Return whom this Python, which runs leakscope, can ask."""
    unable = own.unable()
    if unable is not None:
        return failed(str(unable), unable.remedy)
    return ok(f"Python {own.text}: processes on Python {own.text} can be diagnosed")


def privilege_outcome(user: int) -> Outcome:
    """Return whose processes user id `user` may diagnose."""
    if user == 0:
        return ok("root: processes of every user can be diagnosed")
    return warning(
        f"user id {user}, not root: whether its Python is entitled shows when attaching", PRIVILEGE
    )


def state_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process can answer: one that is stopped cannot."""
    with asking(identity.pid) as process:
        if process.status() == psutil.STATUS_STOPPED:
            return failed("stopped by a signal", f"Let it run: `kill -CONT {identity.pid}`.")
    return ok("running, or waiting at the moment")


def user_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process is ours, or we may diagnose other users' processes."""
    with asking(identity.pid) as process:
        return user_outcome(process.uids().effective, os.geteuid())


def user_outcome(owner: int, user: int) -> Outcome:
    """Return whether user id `user` may diagnose a process of user id `owner`."""
    if owner == user:
        return ok(f"user id {user}, as this process")
    if user == 0:
        return ok(f"user id {owner}; root may ask it")
    return failed(f"it belongs to user id {owner}, this is user id {user}", PRIVILEGE)


def folder_check(identity: ProcessIdentity) -> Outcome:
    """Whether there is a folder that we and the process can reach, tried out."""
    return folder_outcome(identity.pid, Shared(identity.pid, identity.system))


def interpreter_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process runs leakscope's own minor version of Python, if its file tells."""
    return interpreter_outcome(str(executable(identity.pid)), OwnPython.here())


def interpreter_outcome(path: str, own: OwnPython) -> Outcome:
    """Return what the path of a process's file says of the Python that it runs."""
    found = _VERSION_IN_PATH.search(path)
    if found is None:
        return skipped(f"{path} does not tell its version; it will when we attach")
    minor = (int(found[1]), int(found[2]))
    told = ".".join(map(str, minor))
    if minor == own.minor:
        return ok(f"Python {told} by its file {path}, as leakscope's own")
    if minor < OLDEST:
        remedy = "Run the service on Python 3.14 or later, and leakscope under the same."
    else:
        remedy = f"Install leakscope under Python {told}."
    return failed(f"Python {told} by its file {path}, and leakscope runs under {own.text}", remedy)


def way_in_check(identity: ProcessIdentity) -> Outcome:
    """Whether there is a way in at all: there is only one."""
    del identity
    unable = OwnPython.here().unable()
    if unable is not None:
        return failed(f"none: {unable}", unable.remedy)
    return ok("a file run on request (PEP 768), when its main thread next runs Python")


def _linux_only(identity: ProcessIdentity | None = None) -> Outcome:
    del identity
    return skipped("Linux only")


def _told_late(identity: ProcessIdentity) -> Outcome:
    del identity
    return skipped("cannot be told before; it will be when we attach")


OF_TARGET: tuple[tuple[str, Callable[[ProcessIdentity], Outcome]], ...] = (
    ("state", state_check),
    ("tracer", _linux_only),
    ("user", user_check),
    ("dumpable", _linux_only),
    ("permission", _told_late),
    ("namespaces", _linux_only),
    ("folder", folder_check),
    ("memory", memory_check),
    ("other leakscope", other_leakscope_check),
    ("interpreter", interpreter_check),
    ("interpreter up", _told_late),
    ("remote debugging", _told_late),
    ("way in", way_in_check),
    ("read-only census", _linux_only),
)
"""The checks of a process, by name."""
