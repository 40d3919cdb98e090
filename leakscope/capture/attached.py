"""Who else is attached to a target: two leakscopes must not mix.

The lock is on the target's folder in /proc: the kernel gives it back when its holder ends in
whatever way, and it is gone with the target. A leakscope in another pid namespace has another
/proc; it is seen by the name of its agent's thread.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from leakscope.capture.process import TargetGone
from leakscope.capture.threads import AGENT_THREAD, ThreadView, threads
from leakscope.errors import LeakscopeError

_AGENT_THREAD = re.compile(re.escape(AGENT_THREAD) + r"(\d*)")
_LEAVES_WITHIN_S = 2.0
_LOOK_EVERY_S = 0.01


class AlreadyAttached(LeakscopeError):
    """Another leakscope works on this target."""

    hint = "Wait until it is done or end it; two at once would disturb each other's figures."


def lock(pid: int) -> Callable[[], None]:
    """Keep every other leakscope away from process `pid`; return what lets them in again.

    Raises `AlreadyAttached`, which names the other one, or `TargetGone`.
    """
    try:
        folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise TargetGone(f"process {pid} has exited") from gone
    try:
        _lock(pid, folder)
        _await_departure(pid)
    except BaseException:
        os.close(folder)
        raise
    return partial(os.close, folder)


def taken(pid: int, holder: int | None) -> AlreadyAttached:
    """Return the error for a process that leakscope `holder` works on, None if it is not known."""
    who = f" (pid {holder})" if holder else ""
    since = _since(_started(holder)) if holder else ""
    return AlreadyAttached(f"another leakscope{who} is attached to process {pid}{since}")


def _lock(pid: int, folder: int) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as blocked:
        raise taken(pid, _holder(os.fstat(folder))) from blocked


def _await_departure(pid: int) -> None:
    """Give an agent that is on its way out a moment; refuse if one stays."""
    deadline = time.monotonic() + _LEAVES_WITHIN_S
    while True:
        agent = _agent_thread(pid)
        if agent is None:
            return
        if time.monotonic() > deadline:
            other, view = agent
            started = psutil.boot_time() + view.started_ticks / os.sysconf("SC_CLK_TCK")
            raise AlreadyAttached(
                f"another leakscope (pid {other} in its own namespace) is attached to process "
                f"{pid}{_since(started)}"
            )
        time.sleep(_LOOK_EVERY_S)


def _agent_thread(pid: int) -> tuple[str, ThreadView] | None:
    """Return the controller's pid and the thread of an agent that is not leaving."""
    for view in threads(pid):
        found = _AGENT_THREAD.fullmatch(view.name)
        if found:
            return found[1] or "unknown", view
    return None


def _holder(folder: os.stat_result) -> int | None:
    """Return who holds the lock, from /proc/locks; None if it cannot be told."""
    # 12: FLOCK  ADVISORY  WRITE 4711 00:15:12345 0 EOF
    try:
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in locks.splitlines():
        fields = line.split()
        if len(fields) >= 6 and fields[1] == "FLOCK":
            *_, inode = fields[5].split(":")
            if int(inode) == folder.st_ino and int(fields[4]) > 0:
                return int(fields[4])
    return None


def _started(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _since(moment: float | None) -> str:
    return f" since {time.strftime('%H:%M:%S', time.localtime(moment))}" if moment else ""
