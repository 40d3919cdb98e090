"""Targets that freeze their own heap in a test's hands, without being attached to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from leakscope.capture.heapstream import HeapStream
from tests.pythons import Interpreter
from tests.targets import DEADLINE, read_line, spawn

AGENT = Path(__file__).parents[1] / "leakscope" / "capture" / "agent"
_FLAGS = ("-std=gnu11", "-O2", "-g", "-fPIC", "-shared", "-nostdlib", "-fno-stack-protector")
_PRELUDE = "import sys; sys.path.insert(0, {here!r}); import freezer, gc, json\n"


@dataclass(frozen=True, slots=True)
class FrozenTarget:
    """A target whose heap is frozen, or about to be."""

    process: subprocess.Popen[bytes]
    connection: socket.socket

    def stream(self) -> HeapStream:
        """Take over the stream that the target hands over."""
        _, descriptors, _, _ = socket.recv_fds(self.connection, 1, 1)
        return HeapStream(
            socket.socket(fileno=descriptors[0]), time.monotonic() + DEADLINE, lambda: None
        )

    def said(self) -> Any:  # noqa: ANN401
        """Return what the target prints next, a line of JSON."""
        return json.loads(read_line(self.process))

    def column(self) -> npt.NDArray[np.uint64]:
        """Return the numbers that the target writes next, their own number before them."""
        (length,) = np.frombuffer(self._bytes(8), np.uint64).tolist()
        return np.frombuffer(self._bytes(8 * length), np.uint64)

    def _bytes(self, size: int) -> bytes:
        assert self.process.stdout is not None
        content = bytearray()
        while len(content) < size:
            part = self.process.stdout.read(min(1 << 20, size - len(content)))
            assert part, "the target ended"
            content += part
        return bytes(content)

    def order(self, text: str = "go") -> None:
        """Answer the target's `freezer.wait_for_order()`."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")


@contextmanager
def freezing(interpreter: Interpreter, source: str) -> Iterator[FrozenTarget]:
    """Run `source`, with `freezer`, `gc`, `json` and `sys` imported, in an interpreter."""
    prelude = _PRELUDE.format(here=str(Path(__file__).parent))
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "s")
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(DEADLINE)
        env = {"LEAKSCOPE_TEST_SOCKET": path, "LEAKSCOPE_TEST_LIBRARY": str(heap_library())}
        with spawn(interpreter.path, prelude + source, env=env, wait_for=None) as process:
            connection, _ = listener.accept()
            connection.settimeout(DEADLINE)
            with connection:
                yield FrozenTarget(process, connection)


def compiler() -> str:
    """Return the C compiler; skips the test when there is none."""
    found = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("needs a C compiler")
    return found


def built_from(source: str, library: Path, *flags: str) -> Path:
    """Build C source as a library that a target can load; return where it is."""
    command = [compiler(), "-shared", "-fPIC", "-o", str(library), "-x", "c", "-", *flags]
    subprocess.run(command, input=source.encode(), check=True)
    return library


def heap_library() -> Path:
    """Return the agent's heap part as a library of its own."""
    sources = tuple(sorted(set(AGENT.glob("heap*.c")) - {AGENT / "heap_service.c"}))
    return _built("heap", sources, (*sources, *sorted(AGENT.glob("*.h"))))


def broken_traverses() -> Path:
    """Return a library of functions that break what a type's tp_traverse has to keep to."""
    source = Path(__file__).parent / "capture" / "traverses.c"
    return _built("traverses", (source,), (source,))


def with_broken_type(kind: str) -> str:
    """Return source that makes an instance of a class whose tp_traverse is broken.

    It calls `mend()` and `spoil()` its own; the collector is off, as it would come to grief too.
    """
    return _BROKEN.format(library=str(broken_traverses()), kind=kind)


def with_broken_getter(kind: str) -> str:
    """Return source that makes an instance of a class that looks like greenlet's and is broken."""
    return _BROKEN_GETTER.format(library=str(broken_traverses()), kind=kind)


_BROKEN_GETTER = """
import ctypes
class Broken: pass
instance = Broken()
class Entry(ctypes.Structure):
    _fields_ = [(n, ctypes.c_void_p) for n in ("name", "get", "set", "doc", "closure")]
name = ctypes.create_string_buffer(b"gr_frame")
getter = ctypes.cast(ctypes.CDLL({library!r}).{kind}, ctypes.c_void_p).value
entries = (Entry * 2)(Entry(ctypes.addressof(name), getter))
ctypes.c_void_p.from_address(id(Broken) + 248).value = ctypes.addressof(entries)
gc.collect(); gc.disable()
"""
_BROKEN = """
import ctypes
class Broken: pass
instance = Broken()
slot = ctypes.c_void_p.from_address(id(Broken) + 184)
sound = slot.value
broken = ctypes.cast(ctypes.CDLL({library!r}).{kind}, ctypes.c_void_p).value
def mend(): slot.value = sound
def spoil(): slot.value = broken
gc.collect(); gc.disable()
spoil()
"""


@cache
def _built(name: str, sources: tuple[Path, ...], parts: tuple[Path, ...]) -> Path:
    """Build a library once per state of its parts.

    What is there already is never replaced: a target may have it mapped.
    """
    newest = max(path.stat().st_mtime_ns for path in parts)
    more = os.environ.get("LEAKSCOPE_TEST_CFLAGS", "").split()
    kind = f"{name}-{os.getuid()}-{newest}-{zlib.crc32(repr(more).encode()):x}"
    built = Path(gettempdir()) / f"leakscope-{kind}.so"
    if not built.exists():
        fresh = built.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler(), *_FLAGS, *more, "-o", fresh, *sources], check=True)
        with suppress(FileExistsError):
            built.hardlink_to(fresh)
        fresh.unlink()
    return built
