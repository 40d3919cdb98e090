"""Start real processes for a test and end every one of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 30.0
READY_AND_WAIT = "import sys; sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()"


@contextmanager
def spawned(argv: Sequence[str | Path], *, ready: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run `argv` with pipes for stdin and stdout; with `ready` wait for the line `ready`."""
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if ready:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds; fail if it does not within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def state(pid: int) -> str:
    """Return the state letter of a process, as in /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
