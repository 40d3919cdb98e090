"""What threads run, asked of a process or of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from leakscope.analysis.threads import KernelThread, picture_of
from leakscope.capture.gathering import printable, printable_site
from leakscope.capture.process import identify
from leakscope.capture.threads import own_threads
from leakscope.model.roots import ThreadRoot
from leakscope.model.threads import ThreadPicture
from leakscope.storage.files import load
from leakscope.watching.captures import CaptureChoice
from leakscope.watching.explaining import last_heap, looking_into

_RUNNING = "RD"
"""State letters of threads that run, or wait for a processor or a device."""


def threads_from_process(
    pid: int,
    choice: CaptureChoice = CaptureChoice.AUTO,
    groups: int = 20,
    told: Callable[[str], None] = lambda _stage: None,
) -> ThreadPicture:
    """Return the picture of the threads of process `pid`; see `picture_of`.

    The kernel is asked at once after the heap is frozen. Leakscope's own thread is left out.
    Raises `NoHeapKept` where the heap cannot be frozen, and what a snapshot raises.
    """
    with looking_into(identify(pid), choice, "threads", told) as view:
        kernel = {
            thread.tid: KernelThread(printable(thread.name), thread.state in _RUNNING, thread.cpu_s)
            for thread in own_threads(pid)
        }
        roots, pause_ms = view.image.roots.threads, view.image.pause_ms
    known = [_told(each) for each in roots if not _is_ours(each)]
    return picture_of(known, kernel or None, groups=groups, pause_ms=pause_ms)


def threads_from_file(
    path: Path, groups: int = 20, told: Callable[[str], None] = lambda _stage: None
) -> ThreadPicture:
    """Return the picture of the threads in the last heap snapshot of a file; see `picture_of`.

    What the interpreter does not know is not in a file, nor what the kernel says.
    """
    told("threads")
    image = last_heap(load(path, heaps=(-1,)), path, told).image
    known = [_told(each) for each in image.roots.threads if not _is_ours(each)]
    return picture_of(known, None, groups=groups, pause_ms=image.pause_ms)


def _is_ours(thread: ThreadRoot) -> bool:
    """Return whether a thread is that of the agent: it runs no Python, and nobody named it."""
    return not thread.calls and thread.name == str(thread.ident)


def _told(thread: ThreadRoot) -> ThreadRoot:
    calls = tuple(map(printable_site, thread.calls))
    return replace(thread, name=printable(thread.name), calls=calls)
