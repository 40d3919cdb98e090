"""When a server that was just started can be driven: once it listens."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil

from leakscope.capture.process import ProcessIdentity
from leakscope.capture.work import PrometheusCounter, WorkMeter, WorkNotRead
from leakscope.errors import LeakscopeError

_POLL_S = 0.05


class NeverReady(LeakscopeError):
    """The server did not open a port."""

    hint = "Look at its output above; give it longer with --ready-timeout."


def wait_until_listening(identity: ProcessIdentity, timeout: float) -> tuple[int, ...]:
    """Return the TCP ports the process and its children listen on, as soon as there are any.

    Ports are in ascending order. Raises `NeverReady` after `timeout` seconds, and `TargetGone`
    if the process exits before.
    """
    deadline = time.monotonic() + timeout
    while True:
        identity.verify()
        ports = tuple(sorted(set(_listening(identity.pid))))
        if ports:
            return ports
        if time.monotonic() > deadline:
            raise NeverReady(f"the server opened no TCP port within {timeout:g} seconds")
        time.sleep(_POLL_S)


def find_meter(ports: tuple[int, ...]) -> WorkMeter | None:
    """Return a meter for the first of these ports that serves a request counter at /metrics."""
    for port in ports:
        meter = WorkMeter(PrometheusCounter(f"http://127.0.0.1:{port}/metrics"))
        try:
            meter.read()
        except WorkNotRead:
            continue
        return meter
    return None


def _listening(pid: int) -> Iterator[int]:
    try:
        server = psutil.Process(pid)
        family = [server, *server.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            connections = process.net_connections(kind="tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        yield from (c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN)
