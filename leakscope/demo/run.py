"""The demo's two processes: the proxy that leaks, and the load on it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from leakscope.errors import LeakscopeError

_HERE = Path(__file__).parent
_START_DEADLINE = 20.0
"""Seconds until a proxy that is not ready is given up."""
_END_DEADLINE = 5.0
"""Seconds that a process has to end before it is killed."""


class DemoNotStarted(LeakscopeError):
    """The demo's proxy ended, or said nothing, before it was ready."""

    hint = "See what it says: `python -m leakscope.demo.shop`."


class RunningProxy(NamedTuple):
    """Where the proxy is."""

    pid: int
    port: int


@contextlib.contextmanager
def start_proxy(*, fixed: bool = False, python: Path | str | None = None) -> Iterator[RunningProxy]:
    """Run the proxy on a free port until the context ends; `fixed` runs it without its leak.

    It runs on `python`, by default on the interpreter that runs this, and ends by itself when this
    process is killed. Raises `DemoNotStarted`.
    """
    command: list[str | Path] = [
        python or sys.executable,
        _HERE / "shop",
        "--port",
        "0",
        "--until-stdin-closes",
    ]
    if fixed:
        command.append("--fixed")
    with _process(command) as process:
        yield _await_ready(process)


@contextlib.contextmanager
def start_load(port: int, rate: float, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Run `drive.py` against `port` until the context ends, or as long as it takes by itself.

    When it has ended, its stdout holds one line, `answered N`.
    """
    command: list[str | Path] = [
        sys.executable,
        _HERE / "drive.py",
        str(port),
        str(rate),
        str(seconds),
    ]
    with _process(command) as process:
        yield process


@contextlib.contextmanager
def _process(command: list[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """Run `command` with pipes as stdin and stdout; it has ended when the context has.

    Ctrl-C in the terminal does not reach it: whoever runs the demo ends it.
    """
    try:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise DemoNotStarted(f"cannot run {command[0]}: {error.strerror}") from error
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_END_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_ready(process: subprocess.Popen[str]) -> RunningProxy:
    assert process.stdout is not None
    giving_up = threading.Timer(_START_DEADLINE, process.kill)
    giving_up.start()
    try:
        listening, _, port = process.stdout.readline().partition(" ")
        ready, _, pid = process.stdout.readline().partition(" ")
    finally:
        giving_up.cancel()
    if (listening, ready) != ("listening", "ready"):
        raise DemoNotStarted("the demo's proxy did not start")
    return RunningProxy(int(pid), int(port))
