"""Runs of real services before a fix and after it are told apart."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.leakscope_runs import leakscope
from tests.integration.services import FIXTURES

GATEWAY = FIXTURES / "gateway"


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    yield number


def check(directory: Path, name: str, port: int, *flags: str) -> None:
    """Check the gateway with its leak in rounds; keep the recording and the report."""
    load = f"{sys.executable} {GATEWAY / 'load.py'} --url http://127.0.0.1:{port}/ --rate 400"
    done = leakscope(
        *("check", "-o", f"{name}.lscope", "--json", f"{name}.json"),
        *("--load", f"{load} --seconds 0.5", "--rounds", "6", "--no-longer", "--"),
        *(sys.executable, str(GATEWAY), "--port", str(port), "--leak", "fractional", *flags),
        cwd=directory,
    )
    assert done.returncode in (0, 1), done.stderr


@pytest.mark.slow
def test_a_fix_is_seen_from_recordings_and_from_reports(tmp_path: Path, port: int) -> None:
    check(tmp_path, "before", port)
    check(tmp_path, "after", port, "--fixed")

    for before in ("before.lscope", "before.json"):
        for after in ("after.lscope", "after.json"):
            done = leakscope("compare", before, after, "--json", "-", cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
            (row,) = json.loads(done.stdout)["rows"]
            assert row["verdict"] == "fixed"
            assert row["type"] == "gateway.sampling.TraceSample"
            assert row["before"]["holder"] == "gateway.sampling.SAMPLES"
            assert row["before"]["rate"]["slope"]["estimate"] == pytest.approx(0.2, rel=0.02)
            assert row["after"]["rate"]["slope"]["high"] < 0.02

    back = leakscope("compare", "after.json", "before.lscope", "--json", "-", cwd=tmp_path)
    assert back.returncode == 1
    assert json.loads(back.stdout)["verdict"] == "new"


PROGRAM = """
import sys, time
class Session:
    pass
KEPT, SEEN = [], [0]
until, leaks = time.monotonic() + 120, sys.argv[1] == "leaks"
while time.monotonic() < until:
    session = Session()
    if leaks:
        KEPT.append(session)
    time.sleep(0.005)
"""


def test_watches_of_a_program_before_and_after_a_fix(tmp_path: Path) -> None:
    for name in ("leaks", "leaks-still", "mended"):
        watched = leakscope(
            *("watch", "-o", f"{name}.lscope", "--for", "8s", "--every", "500ms", "--no-longer"),
            *("--", sys.executable, "-c", PROGRAM, name.partition("-")[0]),
            cwd=tmp_path,
        )
        assert watched.returncode in (0, 1), watched.stderr

    fixed = leakscope("compare", "leaks.lscope", "mended.lscope", cwd=tmp_path)
    same = leakscope("compare", "leaks.lscope", "leaks-still.lscope", "--json", "-", cwd=tmp_path)

    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    assert fixed.stdout.startswith("fixed: the rate of __main__.Session in __main__.KEPT went from")
    assert "rates are per second" in " ".join(fixed.stdout.split())
    assert same.returncode == 1
    (row,) = json.loads(same.stdout)["rows"]
    assert row["matched_by"] == "fingerprint"
