"""Which process took the place of one that exited, as a supervisor starts a service again."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

import psutil

from leakscope.capture.approach import approach_to
from leakscope.capture.permissions import NotPermitted
from leakscope.capture.process import (
    NoSuchProcess,
    PidReused,
    ProcessIdentity,
    TargetGone,
    identify,
)
from leakscope.capture.runtime import NotPython

_TICK_S = 0.02
"""How much earlier than it did a process may seem to have started."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a process comes from: what its successor is known by."""

    command: tuple[str, ...]
    folder: str | None
    """Its working directory, None if this user may not know."""
    owner: int
    parent: ProcessIdentity | None
    forked: bool
    """Whether its parent has the same command line: it is one worker of several then, and only
    the same parent starts another one."""


@dataclass(frozen=True, slots=True)
class Succession:
    """What was found when a successor was looked for."""

    found: ProcessIdentity | None = None
    """The successor, once its interpreter is up."""
    sure_by: str = ""
    """Why it is taken for that: `the same command line and parent process`."""
    rivals: tuple[int, ...] = ()
    """The pids of all that could be it, if they are several: then there is none."""
    starting: bool = False
    """Whether it is there, and its interpreter is not up yet."""


def origins_of(identity: ProcessIdentity) -> Origins | None:
    """Return where a running process comes from, None if that is not to be known."""
    try:
        process = psutil.Process(identity.pid)
        command = tuple(process.cmdline())
        owner = process.uids().real
        parent = _parent(process)
        identity.verify()
    except (psutil.Error, TargetGone, PidReused):
        return None
    forked = parent is not None and _command(parent.pid) == command
    return Origins(command, _folder(process), owner, parent, forked) if command else None


def successor_of(origins: Origins, since: float) -> Succession:
    """Return the process that took the place of one with `origins` which was alive at `since`.

    It started after that, belongs to the same user, and has the same command line, and either
    the same parent process or the same working directory. If several do, none of them is it; but
    those that one of them has started are its own workers and not meant.
    """
    found: dict[ProcessIdentity, str] = {}
    for pid in psutil.pids():
        if pid == os.getpid():
            continue
        sure_by = _likeness(pid, origins, since)
        if sure_by:
            try:
                found[identify(pid)] = sure_by
            except NoSuchProcess:
                continue
    pids = {identity.pid for identity in found}
    found = {each: sure_by for each, sure_by in found.items() if not _is_below(each.pid, pids)}
    if len(found) > 1:
        return Succession(rivals=tuple(sorted(identity.pid for identity in found)))
    for identity, sure_by in found.items():
        up = _is_up(identity)
        return Succession(identity if up else None, sure_by, starting=up is False)
    return Succession()


def _likeness(pid: int, origins: Origins, since: float) -> str:
    """Return what a process has in common with the one before it; empty if that is not enough."""
    try:
        if identify(pid).started < since - _TICK_S:
            return ""
        process = psutil.Process(pid)
        if process.uids().real != origins.owner or tuple(process.cmdline()) != origins.command:
            return ""
        parent = origins.parent
        if parent is not None and process.ppid() == parent.pid and parent.is_alive():
            return "the same command line and parent process"
        if origins.forked:
            return ""
        if origins.folder is not None and _folder(process) == origins.folder:
            return "the same command line and working directory"
    except (psutil.Error, NoSuchProcess):
        return ""
    return ""


def _parent(process: psutil.Process) -> ProcessIdentity | None:
    try:
        return identify(process.ppid())
    except NoSuchProcess:
        return None


def _command(pid: int) -> tuple[str, ...]:
    try:
        return tuple(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ()


def _is_below(pid: int, above: Collection[int]) -> bool:
    """Return whether one of the processes `above` started this one, or who started it."""
    try:
        return any(parent.pid in above for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return False


def _folder(process: psutil.Process) -> str | None:
    try:
        return process.cwd() or None
    except psutil.Error:
        return None


def _is_up(identity: ProcessIdentity) -> bool | None:
    """Return whether its interpreter is up, None if it holds none or cannot be entered."""
    try:
        return approach_to(identity).is_initialized(identity.pid) is not False
    except (NotPython, NotPermitted, TargetGone):
        return None
