"""Many pieces of another process's memory in one system call (`process_vm_readv`).

Nothing runs in the process and nothing stops it. What cannot be read, because it is not mapped any
more or never was, is left out page by page, so that what lies around it is not lost.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Protocol

import numpy as np
import numpy.typing as npt

Addresses = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

PIECES_AT_ONCE = 1024
"""UIO_MAXIOV: the kernel takes no more pieces in one call."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NOT_THERE = (errno.EFAULT, errno.EIO, errno.ENOMEM)

_libc = ctypes.CDLL(None, use_errno=True)


class Call(Protocol):
    """Reads `pieces`, rows of address and size, into `into`, one behind the other."""

    def __call__(self, pieces: Addresses, into: Bytes) -> int:
        """Return how many bytes were read until the first that could not be.

        Raises `OSError` for anything but memory that is not there.
        """
        ...


def read_pieces(call: Call, starts: Addresses, sizes: Addresses, into: Bytes) -> Mask:
    """Read pieces of memory into `into`, one behind the other; return which came whole.

    `into` has room for all of them. What could not be read is zero there. Takes at most one call
    per 1,024 pieces and one more per page that is not there.
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    begins = ends - sizes.astype(np.int64)
    whole = np.ones(len(starts), dtype=np.bool_)
    done, total = 0, int(ends[-1]) if len(ends) else 0
    while done < total:
        first = int(np.searchsorted(ends, done, side="right"))
        last = min(first + PIECES_AT_ONCE, len(starts))
        pieces = np.stack((starts[first:last], sizes[first:last]), axis=1)
        skipped = np.uint64(done - int(begins[first]))
        pieces[0, 0] += skipped
        pieces[0, 1] -= skipped
        until = int(ends[last - 1])
        done += call(pieces, into[done:until])
        if done < until:
            done = _pass_over(done, starts, begins, ends, whole, into)
    return whole


def _pass_over(
    done: int,
    starts: Addresses,
    begins: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    whole: Mask,
    into: Bytes,
) -> int:
    """Go on behind the page that cannot be read, or with the next piece if that comes first."""
    at = int(np.searchsorted(ends, done, side="right"))
    address = int(starts[at]) + done - int(begins[at])
    further = min(done + _PAGE - address % _PAGE, int(ends[at]))
    into[done:further] = 0
    whole[at] = False
    return further


class FromProcess:
    """`process_vm_readv` from one process.

    Making one raises `AttributeError` where the C library does not have it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._read = _libc.process_vm_readv
        self._read.restype = ctypes.c_ssize_t
        self._read.argtypes = (
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_ulong,
            ctypes.c_void_p,
            ctypes.c_ulong,
            ctypes.c_ulong,
        )

    def __call__(self, pieces: Addresses, into: Bytes) -> int:
        """See `Call`. Raises `ProcessLookupError` when the process is gone."""
        local = np.array([into.ctypes.data, len(into)], dtype=np.uint64)
        pieces = np.ascontiguousarray(pieces)
        got = self._read(self._pid, local.ctypes.data, 1, pieces.ctypes.data, len(pieces), 0)
        if got >= 0:
            return int(got)
        number = ctypes.get_errno()
        if number in _NOT_THERE:
            return 0
        raise OSError(number, os.strerror(number))


class FromFile:
    """The same from /proc/PID/mem, slower, where the system call is forbidden."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, pieces: Addresses, into: Bytes) -> int:
        """See `Call`."""
        done = 0
        for address, size in pieces.tolist():
            got = self._piece(address, into[done : done + size])
            done += got
            if got < size:
                break
        return done

    def _piece(self, address: int, into: Bytes) -> int:
        try:
            return os.preadv(self._descriptor, [into.data], address)
        except OverflowError:
            return 0  # beyond what an address can be
        except OSError as error:
            if error.errno in (*_NOT_THERE, errno.EINVAL):
                return 0
            raise
