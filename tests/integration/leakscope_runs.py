"""Runs of the real command, as tests start and read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.services import FIXTURES

DEADLINE = 150.0
"""Seconds until a run that does not end fails the test."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of `leakscope … --json -`."""

    code: int
    report: dict[str, Any]
    """The JSON report; empty if there was none."""
    stderr: str

    @property
    def finding(self) -> dict[str, Any]:
        """The first finding."""
        assert self.report.get("findings"), self.report or self.stderr
        first: dict[str, Any] = self.report["findings"][0]
        return first


def command(*words: str | Path) -> list[str]:
    """Return the argv that runs leakscope from this interpreter."""
    return [sys.executable, "-m", "leakscope", *map(str, words)]


def leakscope(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run leakscope to its end."""
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def fastest(*words: str | Path, times: int = 3) -> float:
    """Return the seconds that the fastest of some runs of leakscope took; each must end well."""
    taken = []
    for _ in range(times):
        begin = time.monotonic()
        done = leakscope(*words)
        taken.append(time.monotonic() - begin)
        assert done.returncode == 0, done.stderr
    return min(taken)


def assert_refused(done: subprocess.CompletedProcess[str], code: int) -> None:
    """Assert that a run printed no report, ended with `code` and says why in words."""
    assert done.returncode == code, done.stderr
    assert not done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("leakscope: ")


def report_of(*words: str | Path, cwd: Path | None = None) -> Run:
    """Run leakscope with `--json -` added behind the command's name, and read its report."""
    name, *rest = words
    done = leakscope(name, "--json", "-", *rest, cwd=cwd)
    return Run(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)


def watch(pid: int, port: int, *, seconds: float, every: float) -> Run:
    """Watch a service per request."""
    counter = f"http://127.0.0.1:{port}/metrics#http_requests_total"
    return report_of(
        "watch", str(pid), "--for", f"{seconds}s", "--every", f"{every}s", "--work", counter
    )


@contextmanager
def gateway_load(port: int, *shares: str, rate: int = 100, seconds: int = 120) -> Iterator[None]:
    """Drive the gateway fixture until the context ends; `shares` are options of its load client."""
    argv: Sequence[str] = [
        sys.executable,
        str(FIXTURES / "gateway" / "load.py"),
        *("--url", f"http://127.0.0.1:{port}/", "--rate", str(rate), "--seconds", str(seconds)),
        *shares,
    ]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()
