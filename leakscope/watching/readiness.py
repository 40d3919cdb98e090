"""When a server that was just started can be driven: once it listens, answers, or says so."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request

import psutil

from leakscope.capture.process import ProcessIdentity, connections_of
from leakscope.capture.work import CounterUnreachable, PrometheusCounter, WorkMeter, WorkNotRead
from leakscope.errors import LeakscopeError
from leakscope.watching.printed import Printed

_POLL_S = 0.05
_SETTLED_S = 1.0
"""For so long only children of the process must have listened for it not to listen itself."""
_ATTEMPTS = 3
"""How often a page that does not answer is asked for: the server may be busy starting."""


_SERVER_ERROR = 500


class NeverReady(LeakscopeError):
    """The server did not become ready in time."""

    hint = (
        "Look at its output above; give it longer with --ready-timeout. A program that listens on "
        "no port has --ready-after."
    )


def wait_for(identity: ProcessIdentity, seconds: float) -> tuple[int, ...]:
    """Return the TCP ports the process and its children listen on after so many seconds, if any.

    Raises `TargetGone` if the process exits before.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        identity.verify()
        time.sleep(min(left, _POLL_S))
    identity.verify()
    return _listening(identity.pid)[1]


def wait_until_listening(identity: ProcessIdentity, timeout: float) -> tuple[int, ...]:
    """Return the TCP ports the process and its children listen on, once it serves.

    That is as soon as the process itself listens. One that leaves that to its children (a wrapper,
    a shell) serves when they have listened on the same ports for a while; a child alone may be
    what the server needs to start. Its own ports come first, each group ascending. Raises
    `NeverReady` after `timeout` seconds, and `TargetGone` if the process exits before.
    """
    deadline = time.monotonic() + timeout
    seen: tuple[int, ...] = ()
    since = time.monotonic()
    while True:
        identity.verify()
        own, ports = _listening(identity.pid)
        now = time.monotonic()
        if ports != seen:
            seen, since = ports, now
        if own or (ports and now - since >= _SETTLED_S):
            return ports
        if now > deadline:
            raise NeverReady(f"the server opened no TCP port within {timeout:g} seconds")
        time.sleep(_POLL_S)


def wait_until_answering(identity: ProcessIdentity, url: str, timeout: float) -> None:
    """Return once `url` is answered with anything but a server's error (5xx).

    Raises `NeverReady` after `timeout` seconds, and `TargetGone` if the process exits before.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + timeout
    while True:
        identity.verify()
        answer = _answer(opener, url, max(0.1, deadline - time.monotonic()))
        if answer == "":
            return
        if time.monotonic() > deadline:
            raise NeverReady(f"{url} was not served within {timeout:g} seconds: {answer}")
        time.sleep(_POLL_S)


def wait_until_said(identity: ProcessIdentity, output: Printed, timeout: float) -> None:
    """Return once the server has printed the line that `output` looks for.

    Raises `NeverReady` after `timeout` seconds, and `TargetGone` if the process exits before.
    """
    deadline = time.monotonic() + timeout
    while not output.seen.wait(_POLL_S):
        identity.verify()
        if time.monotonic() > deadline:
            raise NeverReady(f"the server printed no such line within {timeout:g} seconds")
    if not output.matched:
        identity.verify()
        raise NeverReady("the server closed its output without such a line")


def _answer(opener: urllib.request.OpenerDirector, url: str, timeout: float) -> str:
    """Return what is wrong with the answer at `url`; empty if nothing is."""
    try:
        opener.open(url, timeout=timeout).close()
    except urllib.error.HTTPError as answer:
        answer.close()
        return f"it answered {answer.code}" if answer.code >= _SERVER_ERROR else ""
    except urllib.error.URLError as problem:
        return str(problem.reason)
    except (OSError, http.client.HTTPException) as problem:
        return str(problem) or type(problem).__name__
    return ""


def find_meter(ports: tuple[int, ...]) -> WorkMeter | None:
    """Return a meter for the first of these ports that serves a request counter at /metrics."""
    for port in ports:
        meter = WorkMeter(PrometheusCounter(f"http://127.0.0.1:{port}/metrics"))
        for _ in range(_ATTEMPTS):
            try:
                meter.read()
            except CounterUnreachable:
                continue
            except WorkNotRead:
                break
            return meter
    return None


def _listening(pid: int) -> tuple[bool, tuple[int, ...]]:
    """Return whether a process listens itself, and the ports: its own, then its children's."""
    try:
        server = psutil.Process(pid)
        family = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False, ()
    own = set(_ports(server))
    others = set().union(*map(_ports, family[1:])) - own
    return bool(own), (*sorted(own), *sorted(others))


def _ports(process: psutil.Process) -> list[int]:
    try:
        connections = connections_of(process, "tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
    return [c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN]
