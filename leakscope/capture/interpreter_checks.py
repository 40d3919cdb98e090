"""Checks of the interpreter in a process: whether and how it can be entered."""

from __future__ import annotations

import platform

from leakscope.capture.check import Outcome, failed, ok, skipped
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.runtime import Runtime, UnsupportedPython


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


def door_check(_identity: ProcessIdentity, runtime: Runtime) -> Outcome:
    """Which way into the interpreter will be tried first."""
    return door_outcome(runtime, platform.machine())


def door_outcome(runtime: Runtime, machine: str) -> Outcome:
    """Return the way into such an interpreter on such a processor."""
    if runtime.version is None:
        return skipped("its version is not known")
    if runtime.version.minor >= (3, 14):
        return ok("the debugger interface of Python 3.14 (PEP 768)")
    if machine != "x86_64":
        return failed(
            f"there is none into CPython {runtime.version.text} on {machine} yet",
            "Run the service on Python 3.14 or later, or on x86_64.",
        )
    return ok("a pending call on the main thread; on a waiting thread if that one is blocked")
