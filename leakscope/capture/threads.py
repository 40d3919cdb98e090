"""What /proc tells of a process's threads, without stopping them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

AGENT_THREAD = "lscope-"
"""How the name of an agent's thread begins; its controller's pid follows."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ThreadView:
    """One thread at one moment."""

    tid: int
    name: str
    state: str
    """One letter: R running, S sleeping, D waiting for a device, T stopped, t traced, Z zombie."""
    cpu_s: float
    """User and system time it has used so far."""
    started_ticks: int
    """When it started, in kernel ticks since boot."""


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """The system call that a thread waits in."""

    number: int
    arguments: tuple[int, ...]
    """Six of them."""


def threads(pid: int) -> tuple[ThreadView, ...]:
    """Return the threads of a process, the first one first, then by id. Empty if it is gone."""
    try:
        tids = sorted(int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return ()
    views = (_view(pid, tid) for tid in sorted(tids, key=lambda tid: tid != pid))
    return tuple(view for view in views if view is not None)


def own_threads(pid: int) -> tuple[ThreadView, ...]:
    """Return the threads of a process as `threads` does, without those of agents in it."""
    return tuple(view for view in threads(pid) if not view.name.startswith(AGENT_THREAD))


def waiting_call(pid: int, tid: int) -> WaitingCall | None:
    """Return the system call that a thread waits in, None if it runs or cannot be looked at."""
    try:
        fields = Path(f"/proc/{pid}/task/{tid}/syscall").read_text().split()
    except OSError:
        return None
    if len(fields) != 9 or int(fields[0]) < 0:
        return None
    return WaitingCall(int(fields[0]), tuple(int(field, 16) for field in fields[1:7]))


def process_state(pid: int) -> str:
    """Return the first thread's state letter, `X` if the process is gone."""
    view = _view(pid, pid)
    return view.state if view else "X"


def has_shadow_stack(pid: int) -> bool:
    """Return whether the processor checks this process's return addresses (CET)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return False
    lines = (line.split() for line in status.splitlines())
    return any(line[:1] == ["x86_Thread_features:"] and "shstk" in line for line in lines)


def _view(pid: int, tid: int) -> ThreadView | None:
    try:
        stat = Path(f"/proc/{pid}/task/{tid}/stat").read_bytes()
    except OSError:
        return None
    # The name may hold spaces and brackets: the fixed fields start behind its last bracket.
    name = stat[stat.index(b"(") + 1 : stat.rindex(b")")].decode("utf-8", "replace")
    fields = stat[stat.rindex(b")") + 2 :].split()
    cpu_s = (int(fields[11]) + int(fields[12])) * _TICK_S
    return ThreadView(tid, name, fields[0].decode(), cpu_s, int(fields[19]))
