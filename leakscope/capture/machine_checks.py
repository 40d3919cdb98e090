"""Checks of the machine and of this user: what holds for every target."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from leakscope.capture.check import Outcome, failed, ok, skipped, warning
from leakscope.capture.grounds import Ground
from leakscope.capture.permissions import GRANT, Credentials, credentials, yama_scope
from leakscope.capture.rendezvous import prepared

_PROBE_BYTES = 8 << 20
_CHILD = (
    "import sys; kept = bytearray(b'x') * (8 << 20); print(id(kept), flush=True); sys.stdin.read()"
)


def platform_check() -> Outcome:
    """Whether this system is one that leakscope can look into processes on."""
    return platform_outcome(platform.system(), platform.machine(), platform.release())


def platform_outcome(system: str, machine: str, release: str) -> Outcome:
    """Return what can be diagnosed on such a system."""
    if system == "Darwin":
        return warning(
            f"macOS (Darwin {release}) on {machine}: CPython 3.14 and later, by portable capture; "
            "never tried on such a machine",
            "Run leakscope on Linux, where the service runs, if you can.",
        )
    if system != "Linux":
        return failed(
            f"{system} on {machine}: there is no way into running processes here yet",
            "Run leakscope on Linux, where the service runs.",
        )
    if machine == "x86_64":
        return ok(f"Linux {release} on x86_64: CPython 3.9 to 3.15")
    if machine == "aarch64":
        return warning(
            f"Linux {release} on aarch64: CPython 3.14 and later only",
            "Run the service on Python 3.14, or on x86_64, to diagnose it.",
        )
    return failed(
        f"Linux on {machine} is not supported",
        "Run leakscope on x86_64, or with Python 3.14 on aarch64.",
    )


def agent_check() -> Outcome:
    """Whether the native agent was built when leakscope was installed."""
    from leakscope.capture.session import agent_path

    path = agent_path()
    if path is None:
        return warning(
            "not built: only portable capture is there",
            "Install a C compiler (gcc or clang) and install leakscope again.",
        )
    return ok(f"built, {path.stat().st_size / 1024:.0f} KiB")


def ptrace_scope_check() -> Outcome:
    """Whether the kernel restricts who may trace whom (Yama)."""
    return ptrace_scope_outcome(yama_scope(), capable=credentials(os.getpid()).may_trace_anyone)


def ptrace_scope_outcome(scope: int | None, *, capable: bool) -> Outcome:
    """Return what Yama's `scope` means to a user with or without CAP_SYS_PTRACE."""
    if scope is None:
        return ok("this kernel has no Yama: the owner of a process may trace it")
    if scope == 0:
        return ok("0: the owner of a process may trace it")
    if scope > 2:
        return failed(
            f"{scope}: nobody may trace anything until the next boot",
            "Set kernel.yama.ptrace_scope to 1 or less and reboot.",
        )
    if capable:
        return ok(f"{scope}: it does not restrict this user, who has CAP_SYS_PTRACE")
    if scope == 1:
        return warning(
            "1: without privileges only a parent may trace its children",
            "Start the service with `leakscope watch -- COMMAND`, or run as root.",
        )
    return failed(f"{scope}: only administrators may trace", GRANT)


def capability_check() -> Outcome:
    """Whether this process may trace other users' processes."""
    return capability_outcome(credentials(os.getpid()))


def capability_outcome(ours: Credentials) -> Outcome:
    """Return whose processes these credentials let us diagnose."""
    if ours.may_trace_anyone:
        return ok("CAP_SYS_PTRACE: processes of every user can be diagnosed")
    return warning(
        f"without CAP_SYS_PTRACE: only processes of user id {ours.uids[0]} can be diagnosed",
        GRANT,
    )


def own_child_check() -> Outcome:
    """Whether the memory of a child of ours can be read, and how fast."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        try:
            assert child.stdout is not None
            address = int(child.stdout.readline() or 0)
            seconds = _seconds_to_read(child.pid, address)
        except OSError as error:
            return failed(
                f"the memory of our own child cannot be read: {error.strerror}",
                "A container's seccomp profile or a security module forbids it; " + GRANT,
            )
        finally:
            child.kill()
    return ok(f"{_PROBE_BYTES / seconds / 1e9:.1f} GB/s from a child of ours")


def _seconds_to_read(pid: int, address: int) -> float:
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        started = time.perf_counter()
        read = len(os.pread(memory, _PROBE_BYTES, address & ~0xFFF))
        return (time.perf_counter() - started) * _PROBE_BYTES / max(read, 1)
    finally:
        os.close(memory)


def folder_check() -> Outcome:
    """Whether there is a folder here that can hold the agent; a target needs one of its own."""
    return folder_outcome(os.getpid())


def folder_outcome(pid: int, ground: Ground | None = None) -> Outcome:
    """Whether there is a folder for the agent of process `pid`, tried out.

    In the target's own file system, where that may be code; elsewhere `ground` says where.
    """
    executable = ground is None
    with prepared(pid, lambda _place: {}, executable=executable, ground=ground) as rendezvous:
        return ok(f"the agent can be put into {Path(rendezvous.place.path).parent}")


def load_tool_check() -> Outcome:
    """Whether a load generator is there; leakscope needs none."""
    found = shutil.which("wrk")
    return ok(f"wrk: {found}") if found else skipped("no wrk; leakscope does not need it")
