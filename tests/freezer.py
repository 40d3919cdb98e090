"""Runs inside targets of any version: freezes this process's own heap, by order of a test.

The stream's socket is sent to the test over the connection that `LEAKSCOPE_TEST_SOCKET` names.
"""

from __future__ import annotations

import array
import ctypes
import os
import socket
import sys

CENSUS, FULL = 1, 2


class Request(ctypes.Structure):
    _fields_ = [
        ("depth", ctypes.c_uint32),
        ("min_length", ctypes.c_uint32),
        ("limit_seconds", ctypes.c_uint32),
        ("niceness", ctypes.c_uint32),
        ("limit_bytes", ctypes.c_uint64),
    ]


class Opened(ctypes.Structure):
    _fields_ = [
        ("failure", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("child", ctypes.c_int32),
        ("version", ctypes.c_uint32),
        ("wait_ns", ctypes.c_uint64),
        ("pause_ns", ctypes.c_uint64),
    ]


class Reaped(ctypes.Structure):
    _fields_ = [
        ("child", ctypes.c_int32),
        ("status", ctypes.c_int32),
        ("killed", ctypes.c_uint32),
    ]


_library = ctypes.CDLL(os.environ["LEAKSCOPE_TEST_LIBRARY"])
_controller = socket.socket(socket.AF_UNIX)
_controller.connect(os.environ["LEAKSCOPE_TEST_SOCKET"])
_request, _opened, _reaped, _stream = Request(), Opened(), Reaped(), ctypes.c_int(-1)


def freeze(
    depth: int = FULL,
    min_length: int = 1000,
    limit_bytes: int = 1 << 40,
    limit_seconds: int = 60,
    niceness: int = 19,
) -> Opened:
    """Freeze the heap as it is in this call; return what the agent says of it."""
    _request.depth = depth
    _request.min_length = min_length
    _request.niceness = niceness
    _request.limit_seconds = limit_seconds
    _request.limit_bytes = limit_bytes
    _library.ls_heap_open(ctypes.byref(_request), ctypes.byref(_opened), ctypes.byref(_stream))
    return _opened


def hand_over() -> None:
    """Send the stream's socket to the test, and keep none of it."""
    rights = array.array("i", [_stream.value]).tobytes()
    _controller.sendmsg([b"s"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    os.close(_stream.value)


def reap(wait_ms: int = 10000) -> tuple[int, int, bool]:
    """Wait for the frozen copy to end; return pid, wait status, whether it had to be killed."""
    _library.ls_heap_reap(wait_ms, ctypes.byref(_reaped))
    return _reaped.child, _reaped.status, bool(_reaped.killed)


def wait_for_order() -> str:
    """Return the next line that the test wrote."""
    return sys.stdin.readline().strip()
