"""On a terminal a watch shows a table, and it copes with one that is too narrow for that."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.integration.leakscope_runs import command
from tests.integration.services import FIXTURES, service


def watched_on_a_terminal(columns: int) -> tuple[int, str, str]:
    """Watch a leaking program with stderr on a terminal; return the code, stdout and stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    leaky = FIXTURES / "programs" / "dict_of_sessions.py"
    with service(leaky, "--rate", "200") as program:
        watching = subprocess.Popen(
            command("watch", str(program.pid), "--for", "4s", "--every", "300ms"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        shown = bytearray()
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:
                break  # Linux says so when the other side is closed.
            if not read:
                break
            shown += read
        assert watching.stdout is not None
        report = watching.stdout.read().decode()
        code = watching.wait(timeout=30)
    os.close(ours)
    return code, report, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a Linux terminal")
def test_a_wide_terminal_shows_a_table_of_what_grows() -> None:
    code, report, shown = watched_on_a_terminal(120)

    assert code == 1
    assert "LEAK" in report
    assert "per second" in shown
    assert "__main__.Session" in shown
    assert "Ctrl-C ends early" in shown


@pytest.mark.parametrize("columns", [1, 20, 59])
def test_a_narrow_terminal_gets_plain_lines_and_the_same_report(columns: int) -> None:
    code, report, shown = watched_on_a_terminal(columns)

    assert code == 1
    assert "LEAK" in report
    assert "sample 5/" in shown
    assert "Traceback" not in shown
