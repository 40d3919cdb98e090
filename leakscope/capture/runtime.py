"""Which interpreter a process runs, read from its memory: nothing is run in it.

The image (executable or shared library) that holds the interpreter is found by its symbols, so
neither names nor files of the target's mount namespace are needed.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from leakscope.capture.elf import Image, MalformedImage, images
from leakscope.capture.initialized import CODE_SIZE, flag_address
from leakscope.capture.memory import Memory, MemoryUnreadable, mappings
from leakscope.capture.permissions import require_access
from leakscope.capture.process import ProcessIdentity, asking
from leakscope.capture.versions import (
    BROUGHT_BY,
    NEWEST,
    OLDEST,
    PythonVersion,
    from_banner,
    from_file_name,
    from_hexversion,
)
from leakscope.errors import LeakscopeError
from leakscope.model.target import Target

DEBUG_OFFSETS_COOKIE = b"xdebugpy"
"""How `_PyRuntime` begins from 3.13 on; then come the version and whether it is free-threaded."""
_LARGEST_STATIC_DATA = 1 << 25
_OTHERS = (
    (re.compile(r"(?:lib)?pypy"), "PyPy"),
    (re.compile(r"(?:lib)?(?:graalpy|pythonvm)"), "GraalPy"),
)


class NotPython(LeakscopeError):
    """The process holds no Python interpreter."""

    hint = "List the Python processes that you can see with `pgrep -af python`."


class UnsupportedPython(LeakscopeError):
    """The process runs a Python that leakscope cannot look into."""

    hint = "leakscope looks into CPython 3.9 to 3.15, default builds (with the GIL)."


@dataclass(frozen=True, slots=True)
class Runtime:
    """The interpreter in a process."""

    implementation: str
    """`CPython`, or another whose name is known: `PyPy`, `GraalPy`."""
    version: PythonVersion | None
    """None if the process does not tell."""
    image: str
    """Name of the file that holds the interpreter."""
    is_shared: bool
    """Whether that is a library (`--enable-shared`, an embedding program), not the executable."""
    initialized: bool | None
    """Whether it is up; None if that cannot be told."""

    def require_supported(self, pid: int) -> PythonVersion:
        """Return the version; raise `UnsupportedPython` if leakscope cannot look into it."""
        if self.implementation != "CPython":
            raise UnsupportedPython(f"process {pid} runs {self.implementation}, not CPython")
        if self.version is None:
            raise UnsupportedPython(f"process {pid} runs a Python that does not tell its version")
        if not self.version.is_supported:
            oldest, newest = (".".join(map(str, version)) for version in (OLDEST, NEWEST))
            raise UnsupportedPython(
                f"process {pid} runs CPython {self.version.text}, not {oldest} to {newest}"
            )
        if self.version.free_threaded:
            raise UnsupportedPython(
                f"process {pid} runs a free-threaded build of CPython {self.version.text}",
                hint="Run the service on the default build (with the GIL) to diagnose it.",
            )
        return self.version


def describe(identity: ProcessIdentity) -> Target:
    """Return what the model keeps of a target.

    Raises `NotPython`, `UnsupportedPython` (PyPy, a version out of range, a free-threaded build),
    `NotPermitted` with the rule that forbids it, `TargetGone` or `PidReused`.
    """
    runtime = probe(identity)
    return target_of(identity, runtime.require_supported(identity.pid).text)


def target_of(identity: ProcessIdentity, version: str) -> Target:
    """Return what the model keeps of a target that runs CPython `version`.

    Raises `TargetGone` or `PidReused`.
    """
    with asking(identity.pid) as process:
        try:
            command = tuple(process.cmdline())
        except psutil.AccessDenied:
            command = ()
    identity.verify()
    return Target(identity.pid, identity.started, command, version, "cpython")


def probe(identity: ProcessIdentity) -> Runtime:
    """Return the interpreter that a process holds, whether leakscope supports it or not.

    Raises `NotPython`, `NotPermitted`, `TargetGone` or `PidReused`.
    """
    identity.verify()
    require_access(identity.pid)
    try:
        with Memory(identity.pid) as memory:
            runtime = _runtime(memory)
    except (MalformedImage, MemoryUnreadable) as error:
        identity.verify()
        raise NotPython(f"process {identity.pid} holds a damaged image: {error}") from error
    identity.verify()
    return runtime


def is_initialized(pid: int) -> bool | None:
    """Return whether the CPython in process `pid` is up, None if that cannot be told.

    Cheap enough to be asked again and again while a process starts. Raises `NotPython`,
    `NotPermitted` or `TargetGone`.
    """
    require_access(pid)
    try:
        with Memory(pid) as memory:
            return _initialized(memory, cpython_image(memory))
    except (MalformedImage, MemoryUnreadable) as error:
        raise NotPython(f"process {pid} is becoming another program: {error}") from error


def cpython_image(memory: Memory) -> Image:
    """Return the image that holds CPython; raise `NotPython` if none does.

    Looked for first in the executable, then in what has `python` in its name, then anywhere: a
    program that embeds Python may have renamed or linked it.
    """
    for image in images(memory, mappings(memory.pid)):
        if image.symbol("PyRun_SimpleStringFlags") is not None:
            return image
    raise NotPython(f"process {memory.pid} is not a Python process")


def _runtime(memory: Memory) -> Runtime:
    other = _other_implementation(memory.pid)
    if other is not None:
        name, image_name = other
        return Runtime(name, None, image_name, image_name.startswith("lib"), None)
    image = cpython_image(memory)
    return Runtime(
        implementation="CPython",
        version=_version(memory, image),
        image=image.name,
        is_shared=image.path != _executable(memory.pid),
        initialized=_initialized(memory, image),
    )


def _other_implementation(pid: int) -> tuple[str, str] | None:
    """Return name and image of an interpreter other than CPython, told by its file's name."""
    for mapping in mappings(pid):
        if "x" in mapping.permissions:
            for pattern, name in _OTHERS:
                if pattern.match(mapping.name):
                    return name, mapping.name
    return None


def _version(memory: Memory, image: Image) -> PythonVersion | None:
    runtime = image.symbol("_PyRuntime")
    if runtime is not None and memory.read(runtime, 8) == DEBUG_OFFSETS_COOKIE:
        hexversion, free_threaded = memory.u64(runtime + 8), memory.u64(runtime + 16)
        return PythonVersion(from_hexversion(hexversion), bool(free_threaded))
    hexversion_at = image.symbol("Py_Version")
    if hexversion_at is not None:
        return PythonVersion(from_hexversion(memory.u32(hexversion_at)))
    return (
        _version_in_static_data(memory, image)
        or from_file_name(image.name)
        or _version_by_symbols(image)
    )


def _version_in_static_data(memory: Memory, image: Image) -> PythonVersion | None:
    for segment in image.segments:
        if segment.writable:
            content = memory.read(segment.start, min(segment.size, _LARGEST_STATIC_DATA))
            version = from_banner(content)
            if version is not None:
                return version
    return None


def _version_by_symbols(image: Image) -> PythonVersion | None:
    for symbol, version in BROUGHT_BY:
        if image.symbol(symbol) is not None:
            return PythonVersion(version)
    return None


def _initialized(memory: Memory, image: Image) -> bool | None:
    """Return whether `Py_IsInitialized` would return true, None if its code is not understood.

    While the dynamic linker is still at work the code leads nowhere: not initialised.
    """
    function = image.symbol("Py_IsInitialized")
    if function is None:
        return None
    code = memory.read(function, CODE_SIZE)
    try:
        flag = flag_address(code, function, platform.machine(), memory.u64)
        return None if flag is None else memory.u32(flag) != 0
    except MemoryUnreadable:
        return False


def _executable(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""
