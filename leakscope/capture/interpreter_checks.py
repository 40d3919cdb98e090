"""Checks of the interpreter in a process: whether and how it can be entered."""

from __future__ import annotations

import platform

from leakscope.capture.check import Outcome, failed, ok, skipped, warning
from leakscope.capture.doors.interface import DoorClosed
from leakscope.capture.doors.pep768 import locate
from leakscope.capture.memory import Memory
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.readonly.capture import ReadonlyCapture
from leakscope.capture.readonly.layout import HeapNotUnderstood
from leakscope.capture.runtime import Runtime, UnsupportedPython, cpython_image
from leakscope.capture.threads import has_shadow_stack
from leakscope.capture.versions import PythonVersion

_FIRST_WITH_PEP_768 = (3, 14)
_OR_READ = "or count types by `--capture readonly`"


def interpreter_check(identity: ProcessIdentity, runtime: Runtime) -> Outcome:
    """Whether the interpreter is one that leakscope can look into."""
    try:
        version = runtime.require_supported(identity.pid)
    except UnsupportedPython as error:
        return failed(str(error), error.remedy)
    build = "shared library" if runtime.is_shared else "executable"
    return ok(f"CPython {version.text} in the {build} {runtime.image}")


def initialized_check(_identity: ProcessIdentity, runtime: Runtime) -> Outcome:
    """Whether the interpreter is up."""
    if runtime.initialized is None:
        return skipped("cannot be told of this build; it will be when we attach")
    if runtime.initialized:
        return ok("initialised")
    return failed("it is starting or ending", "Try again when the service is up.")


def remote_debugging_check(identity: ProcessIdentity, runtime: Runtime) -> Outcome:
    """Whether the interpreter runs files on request (PEP 768), the gentlest way in."""
    if runtime.version is None or runtime.version.minor < _FIRST_WITH_PEP_768:
        return skipped("only Python 3.14 and later run files on request (PEP 768)")
    closed = _closed_to_files(identity, runtime.version)
    if closed is None:
        return ok("the interpreter runs files on request (PEP 768)")
    return warning(
        str(closed),
        "Start it without PYTHON_DISABLE_REMOTE_DEBUG and -X disable-remote-debug: "
        "no thread is stopped then.",
    )


def door_check(identity: ProcessIdentity, runtime: Runtime) -> Outcome:
    """Which way into the interpreter will be tried first."""
    if runtime.version is None:
        return skipped("its version is not known")
    files = _closed_to_files(identity, runtime.version)
    shadowed = has_shadow_stack(identity.pid)
    return door_outcome(files, platform.machine(), shadow_stack=shadowed)


def door_outcome(files: DoorClosed | None, machine: str, *, shadow_stack: bool) -> Outcome:
    """Return the first way in; `files` says why files are not run on request, None if they are."""
    if files is None:
        return ok("a file run on request (PEP 768): no thread is stopped")
    if machine != "x86_64":
        return failed(
            f"none yet on {machine}: {files}",
            f"Run the service on Python 3.14 on {machine}, {_OR_READ}.",
        )
    if shadow_stack:
        return failed(
            f"none: {files}, and its shadow stack forbids calls on a thread",
            "Start the service without GLIBC_TUNABLES=glibc.cpu.hwcaps=SHSTK, on Python 3.14, "
            f"{_OR_READ}.",
        )
    return ok("a pending call on the main thread; on a waiting thread if that one is blocked")


def readonly_check(identity: ProcessIdentity, runtime: Runtime) -> Outcome:
    """Whether the objects can be counted by reading memory alone, whatever the way in."""
    try:
        version = runtime.require_supported(identity.pid)
    except UnsupportedPython:
        return skipped("the interpreter is none that leakscope can look into")
    try:
        ReadonlyCapture(identity, version.minor)
    except HeapNotUnderstood as error:
        return warning(str(error), error.remedy)
    return ok("possible without a way in: `--capture readonly` counts by reading memory")


def _closed_to_files(identity: ProcessIdentity, version: PythonVersion) -> DoorClosed | None:
    """Return why PEP 768 is no way into this interpreter, None if it is."""
    with Memory(identity.pid) as memory:
        try:
            locate(memory, cpython_image(memory).symbol("_PyRuntime"), version.minor)
        except DoorClosed as closed:
            return closed
    return None
