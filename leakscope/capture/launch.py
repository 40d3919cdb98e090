"""Start a command as it is, and find the Python process that it becomes or starts.

Nothing about the command is changed: no environment variable, argument or path. Being its parent
is all that is needed to attach.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import psutil

from leakscope.capture.process import PidReused, ProcessIdentity, TargetGone
from leakscope.capture.process_tree import closest_interpreter
from leakscope.capture.signals import KEYBOARD, held_back, passed_on, terminal_signals_group
from leakscope.errors import LeakscopeError, UsageError

_POLL_S = 0.02
_SETTLED_S = 0.5
"""How long a Python that is not the command itself must live: launchers ask interpreters things."""
_STDERR = 2


class CommandNotRun(UsageError):
    """The command could not be started at all."""

    hint = "Write the command behind -- as you would type it in a shell."


class ExitedBeforeReady(LeakscopeError):
    """The command ended before a Python interpreter was up, or before that was ready to serve."""

    hint = "If it went into the background, give `leakscope watch` the pid of the service instead."


class NoInterpreterUp(LeakscopeError):
    """The command runs, but no Python interpreter has come up in it."""

    hint = "Give a command that runs Python, or the pid of the Python process it starts."


class Launched:
    """A command that was started, and the Python process in it."""

    def __init__(
        self, argv: Sequence[str], popen: subprocess.Popen[bytes], identity: ProcessIdentity
    ) -> None:
        self.argv = argv
        self.popen = popen
        self.identity = identity
        """The Python process: the command itself, or what it started."""

    @property
    def returncode(self) -> int | None:
        """Exit status of the command, 128 + n if signal n ended it, None while it runs."""
        return _status(self.popen.poll())

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Tell of a command that ends meanwhile, before it is ready, as of any that ends early.

        Raises `ExitedBeforeReady` for a `TargetGone`, unless the command itself still runs.
        """
        try:
            yield
        except TargetGone as gone:
            if self.returncode is None:
                raise
            raise ExitedBeforeReady(
                f"{_shown(self.argv)} ended with status {self.returncode} before it was ready"
            ) from gone

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the command's end and return its exit status as `returncode` gives it.

        Raises `subprocess.TimeoutExpired` after `timeout` seconds.
        """
        status = _status(self.popen.wait(timeout))
        assert status is not None
        return status


@contextmanager
def launch(
    argv: Sequence[str],
    *,
    stop: Literal["wait", "terminate"] = "terminate",
    stdout_to_stderr: bool = True,
    output: int | None = None,
    ready_within: float = 30.0,
    stop_within: float = 10.0,
) -> Iterator[Launched]:
    """Start `argv` and yield it as soon as a Python interpreter is initialised in it.

    The interpreter may be the command itself, also after any number of execs, or a descendant of
    it (`uv run`, a shell): the one closest to the command is taken. Signals are passed on to the
    command until the context is left. On leaving, `stop="wait"` lets it finish; `"terminate"`
    sends it SIGTERM. Whatever is left of it `stop_within` seconds after the SIGTERM is killed, and
    so it is when the context is left by an exception. `stdout_to_stderr` keeps its output out of
    this process's stdout; a descriptor given as `output` takes all that it prints.

    Raises `CommandNotRun`, `ExitedBeforeReady`, or `NoInterpreterUp` after `ready_within` seconds.
    """
    started: list[subprocess.Popen[bytes]] = []
    python: list[psutil.Process] = []
    with passed_on(lambda number: _pass_on(started, number)):
        try:
            with held_back():
                started.append(_spawn(argv, _STDERR if stdout_to_stderr else None, output))
            identity = _await_interpreter(started[0], argv, ready_within)
            python += _process(identity)
            yield Launched(argv, started[0], identity)
            if stop == "wait":
                started[0].wait()
        except BaseException:
            _end(started, python, stop_within)
            raise
        if stop == "terminate":
            _end(started, python, stop_within)


def _spawn(argv: Sequence[str], stdout: int | None, output: int | None) -> subprocess.Popen[bytes]:
    if not argv or not argv[0]:
        raise CommandNotRun("there is no command to start")
    try:
        if output is not None:
            return subprocess.Popen(list(argv), stdout=output, stderr=output)
        return subprocess.Popen(list(argv), stdout=stdout)
    except FileNotFoundError as error:
        if Path(argv[0]).exists():
            raise CommandNotRun(f"{argv[0]!r} names an interpreter that is not there") from error
        raise CommandNotRun(f"command not found: {argv[0]!r}") from error
    except PermissionError as error:
        raise CommandNotRun(f"not permitted to run {argv[0]!r}: is it executable?") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CommandNotRun(f"cannot run {argv[0]!r}: {reason}") from error


def _await_interpreter(
    popen: subprocess.Popen[bytes], argv: Sequence[str], within: float
) -> ProcessIdentity:
    deadline = time.monotonic() + within
    seen: ProcessIdentity | None = None
    seen_at = 0.0
    while True:
        search = closest_interpreter(popen.pid)
        found = search.found
        status = _status(popen.poll())
        if status is not None:
            raise ExitedBeforeReady(
                f"{_shown(argv)} ended with status {status} before a Python interpreter was up"
            )
        now = time.monotonic()
        if found is not None and found != seen:
            seen, seen_at = found, now
        if found is not None and (found.pid == popen.pid or now - seen_at >= _SETTLED_S):
            return found
        if now > deadline:
            raise search.refused or NoInterpreterUp(
                f"no Python came up in {_shown(argv)} within {within:g} s"
            )
        time.sleep(_POLL_S)


def _pass_on(started: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Send the command a signal that was sent to us, unless the terminal has sent it already."""
    for popen in started:
        try:
            group = os.getpgid(popen.pid)
        except ProcessLookupError:
            continue
        if number in KEYBOARD and group == os.getpgrp() and terminal_signals_group(group):
            continue
        popen.send_signal(number)


def _end(
    started: Sequence[subprocess.Popen[bytes]], python: Sequence[psutil.Process], within: float
) -> None:
    """End the command and all it started: first SIGTERM, then SIGKILL for what stays.

    An interruption on the way kills at once.
    """
    tree = dict.fromkeys(python)
    try:
        for popen in started:
            deadline = time.monotonic() + within
            tree.update(_descendants(popen))
            popen.terminate()
            while popen.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
                tree.update(_descendants(popen))
            _signal(tree, signal.SIGTERM)
            while any(map(_runs, tree)) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
    finally:
        for popen in started:
            tree.update(_descendants(popen))
            popen.kill()
            popen.wait()
        _signal(tree, signal.SIGKILL)


def _process(identity: ProcessIdentity) -> list[psutil.Process]:
    """Return the process with a handle that tells it from a later one, [] if it is gone."""
    try:
        process = psutil.Process(identity.pid)
        identity.verify()
    except (psutil.Error, TargetGone, PidReused):
        return []
    return [process]


def _descendants(popen: subprocess.Popen[bytes]) -> dict[psutil.Process, None]:
    """Return what the command started and is still below it, in order, as keys."""
    if popen.poll() is not None:
        return {}  # its pid may be somebody else's by now
    try:
        return dict.fromkeys(psutil.Process(popen.pid).children(recursive=True))
    except psutil.Error:
        return {}


def _runs(process: psutil.Process) -> bool:
    """Return whether it still runs: a zombie, which its new parent has yet to collect, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those that still are the same processes."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def _status(returncode: int | None) -> int | None:
    return 128 - returncode if returncode is not None and returncode < 0 else returncode


def _shown(argv: Sequence[str]) -> str:
    text = shlex.join(argv)
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"
