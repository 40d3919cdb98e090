"""Finding the Python process in what a command became or started."""

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

_ACCOUNTANT = "from multiprocessing.resource_tracker import "
"""How the program begins that `multiprocessing` gives such a process behind `-c`."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a look through a process tree found."""

    found: ProcessIdentity | None = None
    """The Python process, once its interpreter is initialised."""
    refused: NotPermitted | None = None
    """Why a process on the way could not be looked into, if one could not."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What one process turned out to be."""

    is_python: bool = False
    ready: ProcessIdentity | None = None
    refused: NotPermitted | None = None


def closest_interpreter(root: int) -> Search:
    """Return the Python process closest to `root` in its process tree, `root` included.

    Among equally close ones the lowest pid is taken. Nothing below a Python process is looked at:
    a service's workers are not the service, and one that still starts up is waited for.
    """
    refused: NotPermitted | None = None
    level = [root]
    while level:
        for pid in level:
            look = _look(pid)
            if look.is_python:
                return Search(look.ready, refused)
            refused = look.refused or refused
        level = sorted(child for pid in level for child in _children(pid))
    return Search(None, refused)


def interpreters_below(
    root: ProcessIdentity, known: Collection[ProcessIdentity] = ()
) -> tuple[ProcessIdentity, ...]:
    """Return the Python processes below `root`, wherever in its tree, in the order they started.

    What still starts up is left out, and so are this process, those in `known`, and the processes
    that the interpreter itself starts to keep account of shared memory: they run no code of the
    service. Those that may not be looked into are there: whoever enters them is told why. Nothing
    is below a process that has exited.
    """
    found = []
    level = _children(root.pid) if root.is_alive() else []
    while level:
        for pid in level:
            identity = _identity(pid)
            if identity is None or identity in known or pid == os.getpid():
                continue
            look = _look(pid)
            if (look.ready or look.refused is not None) and not _keeps_account(pid):
                found.append(identity)
        level = [child for pid in level for child in _children(pid)]
    return tuple(sorted(found, key=lambda identity: (identity.started, identity.pid)))


def _identity(pid: int) -> ProcessIdentity | None:
    try:
        return identify(pid)
    except NoSuchProcess:
        return None


def _keeps_account(pid: int) -> bool:
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return any(word.startswith(_ACCOUNTANT) for word in command)


def _look(pid: int) -> _Look:
    try:
        identity = identify(pid)
        ready = approach_to(identity).is_initialized(pid)
        identity.verify()
    except NotPermitted as error:
        return _Look(refused=error)
    except (NotPython, NoSuchProcess, TargetGone, PidReused):
        return _Look()
    return _Look(is_python=True, ready=None if ready is False else identity)


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []
