"""Processes that tests attach to: they say `ready`, and they never outlive the test."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

DEADLINE = 30.0
"""Seconds until a target that does not answer fails the test."""
ASLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(1000)"
"""A target that does nothing, for longer than any test."""


class NoAnswerError(AssertionError):
    """A target ended, or said nothing, before its deadline."""


@contextmanager
def spawn(
    interpreter_path: Path | str,
    source_or_argv: str | Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    wait_for: str | None = "ready",
    cwd: Path | None = None,
    deadline: float = DEADLINE,
    stderr: int | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a target and yield it once it has printed a line that starts with `wait_for`.

    A `str` is Python source given to `-c`; a sequence is the arguments after the interpreter.
    `env` is added to this process's environment; `prefix` is put before the command. stdin and
    stdout are pipes, without buffering, so `read_line` loses nothing. The target and its process
    group are killed at the end, whatever happened.

    Raises `NoAnswerError` when the line did not come in time.
    """
    arguments = ["-c", source_or_argv] if isinstance(source_or_argv, str) else source_or_argv
    process = subprocess.Popen(
        [*prefix, str(interpreter_path), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        cwd=cwd,
        bufsize=0,
        start_new_session=True,
    )
    try:
        if wait_for is not None:
            while not read_line(process, deadline=deadline).startswith(wait_for):
                pass
        yield process
    finally:
        _end(process)


def read_line(process: subprocess.Popen[bytes], *, deadline: float = DEADLINE) -> str:
    """Return the next line of the target's stdout, without its end.

    Raises `NoAnswerError` at the end of the stream and when the deadline (seconds) passes.
    """
    assert process.stdout is not None
    fd = process.stdout.fileno()
    line = bytearray()
    end = time.monotonic() + deadline
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, end - time.monotonic())):
                raise NoAnswerError(f"no line within {deadline} s, only {bytes(line)!r}")
            byte = os.read(fd, 1)
            if not byte:
                raise NoAnswerError(f"ended with {process.poll()} after {bytes(line)!r}")
            line += byte
    return line.decode("utf-8", "replace").rstrip("\n")


def tell(process: subprocess.Popen[bytes], line: str) -> None:
    """Write one line to the target's stdin."""
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def eventually(claim: Callable[[], bool], what: str, *, deadline: float = DEADLINE) -> None:
    """Return as soon as `claim()` is true; fail with `what` when it is not within `deadline` s."""
    end = time.monotonic() + deadline
    while not claim():
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the target's process group, which it leads, and reap it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
