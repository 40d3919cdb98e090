"""How a request can fail, in plain words that hold no text of the server."""

from __future__ import annotations

import errno
import os

NOT_SENT = "not sent"
STOPPED = "stopped before the answer"


class RequestFailed(Exception):
    """One request has no complete answer; `str()` says why. Never leaves the client."""


class Unanswered(RequestFailed):
    """The connection ended before a byte of the answer came.

    On a connection that was used before, the server may have closed it just then, as it may.
    """


class TimedOut(RequestFailed):
    """The answer was not complete in time."""


def words_for(problem: OSError) -> str:
    """Return what an error of the operating system or of TLS means for a request."""
    import ssl

    if isinstance(problem, ssl.SSLCertVerificationError):
        return "certificate not trusted"
    if isinstance(problem, ssl.SSLError):
        return "no TLS connection"
    if isinstance(problem, ConnectionRefusedError):
        return "connection refused"
    if isinstance(problem, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return "connection reset"
    if problem.errno in (errno.EMFILE, errno.ENFILE):
        return "no file descriptor left on the client's side"
    known = problem.errno is not None and problem.errno in errno.errorcode
    return os.strerror(problem.errno or 0).lower() if known else "no connection"
