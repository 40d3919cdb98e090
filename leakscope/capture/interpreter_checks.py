"""Checks of the interpreter in a process: whether and how it can be entered."""

from __future__ import annotations

from leakscope.capture.check import Outcome, failed, ok, skipped, warning
from leakscope.capture.doors.interface import DoorClosed
from leakscope.capture.doors.pep768 import _locate as locate
from leakscope.capture.doors.site import surveyed
from leakscope.capture.process import ProcessIdentity
from leakscope.capture.runtime import Runtime, UnsupportedPython
from leakscope.capture.versions import PythonVersion

_FIRST_WITH_PEP_768 = (3, 14)


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
    with surveyed(identity.pid, runtime.version.minor, b"", "") as site:
        try:
            site.require_callable()
        except DoorClosed as closed:
            return door_outcome(files, closed)
    return door_outcome(files, None)


def door_outcome(files: DoorClosed | None, calls: DoorClosed | None) -> Outcome:
    """Return the first way in; `files` and `calls` say why that way is closed, None for open."""
    if files is None:
        return ok("a file run on request (PEP 768): no thread is stopped")
    if calls is None:
        return ok("a pending call on the main thread; on a waiting thread if that one is blocked")
    return failed(f"none: {files}; {calls}", calls.remedy)


def _closed_to_files(identity: ProcessIdentity, version: PythonVersion) -> DoorClosed | None:
    """Return why PEP 768 is no way into this interpreter, None if it is."""
    with surveyed(identity.pid, version.minor, b"", "") as site:
        try:
            locate(site.memory, site.python.symbol("_PyRuntime"), version.minor)
        except DoorClosed as closed:
            return closed
    return None
