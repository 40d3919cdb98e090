"""Checks of one process: whether it can be diagnosed, and what narrows that.

Nothing is run in the process and nothing of it is stopped.
"""

from __future__ import annotations

import os
from pathlib import Path

from leakscope.capture.approach import approach_to
from leakscope.capture.attached import AlreadyAttached
from leakscope.capture.check import Outcome, failed, ok, skipped, warning
from leakscope.capture.limits import tightest
from leakscope.capture.machine_checks import folder_outcome
from leakscope.capture.metrics import sample_metrics
from leakscope.capture.permissions import (
    GRANT,
    credentials,
    is_dumpable,
    namespace_is_ours,
    refused,
)
from leakscope.capture.process import ProcessIdentity

_MIB = 1 << 20
_TIGHT_BYTES = 64 * _MIB
_STATES = {"T": "stopped by a signal", "t": "stopped by a debugger", "D": "waiting for a device"}


def state_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process can answer: one that is stopped cannot."""
    state = credentials(identity.pid).state
    if state in "Tt":
        return failed(
            _STATES[state],
            f"Let it run: `kill -CONT {identity.pid}`, or detach the debugger.",
        )
    if state == "D":
        return warning(_STATES[state], "Try again when the device or file system answers.")
    return ok("running" if state == "R" else "running, waiting at the moment")


def tracer_check(identity: ProcessIdentity) -> Outcome:
    """Whether somebody else traces the process: only one may at a time."""
    tracer = credentials(identity.pid).tracer
    if tracer == 0:
        return ok("nobody traces it")
    return failed(
        f"process {tracer} ({_command_name(tracer)}) traces it already",
        "Detach that debugger or tracer first.",
    )


def user_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process is ours, or we may diagnose other users' processes."""
    target, ours = credentials(identity.pid), credentials(os.getpid())
    if set(target.uids[:3]) == {ours.uids[0]}:
        return ok(f"user id {ours.uids[0]}, as this process")
    if ours.may_trace_anyone:
        return ok(f"user id {target.uids[1]}; CAP_SYS_PTRACE lets us in")
    return failed(
        f"it belongs to user id {target.uids[1]}, this is user id {ours.uids[0]}",
        GRANT,
    )


def dumpable_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process lets its owner look into it."""
    dumpable = is_dumpable(identity.pid)
    if dumpable is None:
        return skipped("cannot be told of a process of root")
    if dumpable:
        return ok("its owner may look into it")
    detail = "no: it changed its user or asked to be left alone"
    if credentials(os.getpid()).may_trace_anyone:
        return ok(detail + "; CAP_SYS_PTRACE lets us in")
    return failed(detail, GRANT)


def permission_check(identity: ProcessIdentity) -> Outcome:
    """Whether the kernel lets us read and trace the process; this decides, whatever the reason."""
    refusal = refused(identity.pid)
    if refusal is None:
        return ok("the kernel lets us read and trace it")
    return failed(refusal.reason, refusal.remedy)


def namespace_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process lives in a container, which is no obstacle."""
    shared = {kind: namespace_is_ours(identity.pid, kind) for kind in ("mnt", "pid", "user", "net")}
    if None in shared.values():
        return skipped("they cannot be read without permission to trace it")
    other = [kind for kind, same in shared.items() if not same]
    if not other:
        return ok("the same as ours")
    return ok(f"its own {', '.join(other)} (a container): reached through /proc")


def folder_check(identity: ProcessIdentity) -> Outcome:
    """Whether the process's own file system has a folder for the agent, tried out as its user."""
    return folder_outcome(identity.pid)


def other_leakscope_check(identity: ProcessIdentity) -> Outcome:
    """Whether another leakscope is attached to the process: only one may be at a time."""
    try:
        unlock = approach_to(identity).lock(identity)
    except AlreadyAttached as error:
        return failed(str(error), error.remedy)
    unlock()
    return ok("no other leakscope is attached to it")


def memory_check(identity: ProcessIdentity) -> Outcome:
    """How much memory the process may still take before something kills it."""
    bound = tightest(identity.system.memory_bounds(identity.pid))
    if bound is None:
        return skipped("no limit can be read")
    rss = sample_metrics(identity).rss
    detail = f"{_mib(bound.headroom_bytes)} left of {_mib(bound.limit_bytes)} ({bound.source})" + (
        f", resident {_mib(rss)}" if rss is not None else ""
    )
    if bound.headroom_bytes < max(_TIGHT_BYTES, bound.limit_bytes // 20):
        return warning(detail, "Raise the limit for the diagnosis: it takes memory itself.")
    return ok(detail)


def _command_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "unknown"


def _mib(size: int) -> str:
    return f"{size / _MIB:,.0f} MiB"
