"""What people see while they wait."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TOLD = """
import threading
from leakscope.cli import console

class AtOnce(threading.Timer):
    def start(self):
        self.function()
    def join(self):
        pass

console.Timer = AtOnce
with console.progress(2) as told:
    told("objects and references")
    told("what is alive")
"""


def run(stderr: int) -> None:
    subprocess.run(
        [sys.executable, "-c", TOLD],
        stderr=stderr,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100"},
    )


def test_a_terminal_shows_which_step_is_at_work() -> None:
    ours, theirs = pty.openpty()
    run(theirs)
    os.close(theirs)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(ours, 65536).decode())
    os.close(ours)

    assert "what is alive" in shown


def test_a_pipe_shows_nothing() -> None:
    read, write = os.pipe()
    run(write)
    os.close(write)

    assert os.read(read, 100) == b""
    os.close(read)
