"""What `leakscope doctor` checks: the machine, and one process if one is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from leakscope.capture import interpreter_checks, machine_checks, request_checks, target_checks
from leakscope.capture.check import Check, Outcome, Status
from leakscope.capture.process import ProcessIdentity, identify
from leakscope.capture.runtime import Runtime, probe
from leakscope.capture.systems import LOCAL, System
from leakscope.errors import LeakscopeError

__all__ = ["Check", "Status", "checks_of_machine", "checks_of_process", "run_checks"]


def run_checks(pid: int | None = None, system: System = LOCAL) -> tuple[Check, ...]:
    """Return the checks of the machine, and of process `pid` if one is given, in fixed order.

    Nothing is run in the process and nothing of it is stopped. Never raises for what a process is
    or does: a process that is not there is a failed check.
    """
    of_process = checks_of_process(pid, system) if pid is not None else ()
    return (*checks_of_machine(system), *of_process)


def checks_of_machine(system: System = LOCAL) -> list[Check]:
    """Return the checks of this machine and user, in fixed order."""
    checks = _MACHINE if system.reads_memory else request_checks.of_machine(system)
    return [_guarded(name, check) for name, check in checks]


def checks_of_process(pid: int, system: System = LOCAL) -> list[Check]:
    """Return the checks of process `pid`, in fixed order; as many as what it is allows."""
    try:
        identity = identify(pid, system)
    except LeakscopeError as error:
        return [Check("process", "failed", str(error), error.remedy)]
    found = [Check("process", "ok", f"{pid} is there")]
    checks = _TARGET if system.reads_memory else request_checks.OF_TARGET
    found += [_guarded(name, partial(check, identity)) for name, check in checks]
    if not system.reads_memory:
        return found
    try:
        runtime = probe(identity)
    except LeakscopeError as error:
        return [*found, Check("interpreter", "failed", str(error), error.remedy)]
    return [
        *found,
        *(_guarded(name, partial(check, identity, runtime)) for name, check in _INTERPRETER),
    ]


def _guarded(name: str, check: Callable[[], Outcome]) -> Check:
    """Return what `check` finds; what it could not find out because of an error failed."""
    try:
        return check().of(name)
    except LeakscopeError as error:
        return Check(name, "failed", str(error), error.remedy)


_MACHINE: tuple[tuple[str, Callable[[], Outcome]], ...] = (
    ("platform", machine_checks.platform_check),
    ("native agent", machine_checks.agent_check),
    ("ptrace scope", machine_checks.ptrace_scope_check),
    ("capabilities", machine_checks.capability_check),
    ("reading memory", machine_checks.own_child_check),
    ("own folder", machine_checks.folder_check),
    ("load generator", machine_checks.load_tool_check),
)
_TARGET: tuple[tuple[str, Callable[[ProcessIdentity], Outcome]], ...] = (
    ("state", target_checks.state_check),
    ("tracer", target_checks.tracer_check),
    ("user", target_checks.user_check),
    ("dumpable", target_checks.dumpable_check),
    ("permission", target_checks.permission_check),
    ("namespaces", target_checks.namespace_check),
    ("folder", target_checks.folder_check),
    ("memory", target_checks.memory_check),
    ("other leakscope", target_checks.other_leakscope_check),
)
_INTERPRETER: tuple[tuple[str, Callable[[ProcessIdentity, Runtime], Outcome]], ...] = (
    ("interpreter", interpreter_checks.interpreter_check),
    ("interpreter up", interpreter_checks.initialized_check),
    ("remote debugging", interpreter_checks.remote_debugging_check),
    ("way in", interpreter_checks.door_check),
    ("read-only census", interpreter_checks.readonly_check),
)
