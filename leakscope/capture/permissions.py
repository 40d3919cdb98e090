"""Whether the kernel lets us read and trace a process, and if not, which of its rules forbids it.

The rules are those of `__ptrace_may_access` and of Yama (ptrace(2), section "Ptrace access mode
checking"). They are only consulted to explain a refusal: the kernel itself is asked first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from leakscope.capture.process import TargetGone
from leakscope.errors import LeakscopeError

_CAP_SYS_PTRACE = 1 << 19
_PROC = Path("/proc")
_YAMA = _PROC / "sys/kernel/yama/ptrace_scope"

AS_OWNER = "Run leakscope as the target's owner or as root."
GRANT = "Run leakscope as root, or with the capability CAP_SYS_PTRACE (--cap-add=SYS_PTRACE)."


class NotPermitted(LeakscopeError):
    """The kernel will not let this user into the target."""

    hint = AS_OWNER


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the kernel does not let us read and trace a process."""

    reason: str
    """One line that continues "not permitted: "."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a process is, as /proc/PID/status tells."""

    uids: tuple[int, ...]
    """Real, effective, saved and file system user id."""
    gids: tuple[int, ...]
    permitted: int
    """Bit mask of the permitted capabilities."""
    effective: int
    """Bit mask of the effective capabilities."""
    tracer: int
    """Pid of whoever traces it, 0 for nobody (or for somebody in another pid namespace)."""
    state: str
    """One letter: R running, S sleeping, D waiting for a device, T stopped, t traced, Z zombie."""

    @property
    def may_trace_anyone(self) -> bool:
        """Whether CAP_SYS_PTRACE is in effect."""
        return bool(self.effective & _CAP_SYS_PTRACE)


def credentials(pid: int) -> Credentials:
    """Return who process `pid` is; readable by everybody. Raises `TargetGone`."""
    try:
        status = (_PROC / str(pid) / "status").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise TargetGone(f"process {pid} has exited") from gone
    fields = {key: value for key, _, value in (x.partition(":\t") for x in status.splitlines())}
    return Credentials(
        uids=tuple(map(int, fields["Uid"].split())),
        gids=tuple(map(int, fields["Gid"].split())),
        permitted=int(fields["CapPrm"], 16),
        effective=int(fields["CapEff"], 16),
        tracer=int(fields["TracerPid"]),
        state=fields["State"][:1],
    )


def require_access(pid: int) -> None:
    """Return if the kernel lets us read and trace process `pid`.

    Raises `NotPermitted`, which says which rule forbids it and what lifts it, or `TargetGone`.
    """
    refusal = refused(pid)
    if refusal is not None:
        raise NotPermitted(f"process {pid}: not permitted: {refusal.reason}", hint=refusal.remedy)


def refused(pid: int) -> Refusal | None:
    """Return why we may not read and trace process `pid`, None if we may.

    Opening its memory asks the kernel for the same right as tracing does, and does nothing else.
    Raises `TargetGone`.
    """
    try:
        os.close(os.open(_PROC / str(pid) / "mem", os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return explain(credentials(pid), credentials(os.getpid()), _circumstances(pid))
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise TargetGone(f"process {pid} has exited") from gone
    return None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else the kernel considers, besides who both are."""

    dumpable: bool | None = True
    same_user_namespace: bool | None = True
    yama_scope: int | None = None


def explain(target: Credentials, ours: Credentials, circumstances: Circumstances) -> Refusal:
    """Return the first rule that forbids `ours` to trace `target`, given that one does."""
    if ours.may_trace_anyone:
        return _despite_capability(circumstances)
    if {ours.uids[0]} != set(target.uids[:3]):
        return Refusal(
            f"it belongs to user id {target.uids[1]}, this is user id {ours.uids[0]}", AS_OWNER
        )
    if {ours.gids[0]} != set(target.gids[:3]):
        return Refusal(f"it runs with group id {target.gids[1]}, not {ours.gids[0]}", GRANT)
    if circumstances.dumpable is False:
        return Refusal("it is not dumpable: it changed its user or asked to be left alone", GRANT)
    if target.permitted & ~ours.permitted:
        return Refusal("it holds capabilities that we do not hold", GRANT)
    if circumstances.yama_scope:
        return _yama_refusal(circumstances.yama_scope)
    return Refusal(
        "a security module or the container's seccomp profile forbids tracing",
        "See `dmesg` and the container's security options; " + GRANT,
    )


def _despite_capability(circumstances: Circumstances) -> Refusal:
    if circumstances.yama_scope == 3:
        return _yama_refusal(3)
    if not circumstances.same_user_namespace:
        return Refusal(
            "it lives in another user namespace, where our capabilities do not count",
            "Run leakscope as root of the host, or inside the target's container.",
        )
    return Refusal(
        "a security module forbids tracing",
        "See `dmesg` and `aa-status`, and allow ptrace for leakscope's profile.",
    )


def _circumstances(pid: int) -> Circumstances:
    return Circumstances(is_dumpable(pid), namespace_is_ours(pid, "user"), yama_scope())


def _yama_refusal(scope: int) -> Refusal:
    reasons = {
        1: "the kernel lets only a parent trace its children (yama ptrace_scope is 1)",
        2: "the kernel lets only administrators trace (yama ptrace_scope is 2)",
    }
    remedies = {
        1: "Start the service with `leakscope watch -- COMMAND`, or run as root.",
        2: GRANT,
    }
    return Refusal(
        reasons.get(scope, f"the kernel lets nobody trace (yama ptrace_scope is {scope})"),
        remedies.get(scope, f"It can only be changed in {_YAMA} at the next boot."),
    )


def yama_scope() -> int | None:
    """Return Yama's ptrace scope (0 to 3), None where the kernel has no Yama."""
    try:
        return int(_YAMA.read_text())
    except OSError:
        return None


def is_dumpable(pid: int) -> bool | None:
    """Return whether a process lets itself be dumped, None if it cannot be told (root's, gone).

    The kernel gives the files in /proc of a process that does not to root.
    """
    try:
        owner = (_PROC / str(pid) / "stat").stat().st_uid
        runs_as = credentials(pid).uids[1]
    except (OSError, TargetGone):
        return None
    return None if runs_as == 0 else owner == runs_as


def namespace_is_ours(pid: int, kind: str) -> bool | None:
    """Return whether process `pid` shares our namespace of this kind, None if it cannot be told.

    `kind` is a name in /proc/PID/ns: `mnt`, `pid`, `user`, `net`.
    """
    try:
        return (_PROC / str(pid) / "ns" / kind).readlink() == (_PROC / "self/ns" / kind).readlink()
    except OSError:
        return None
