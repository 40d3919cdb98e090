"""A target that exits while it is watched, and what a supervisor starts in its place."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.attaching import has_agent_thread
from tests.integration.families import SERVICE, SUPERVISOR, Watching, watching
from tests.targets import read_line, spawn, tell

BRISK = ("--every", "300ms", "--for", "9s", "--no-longer")


def supervised(times: int, kind: str) -> list[str]:
    """Return the arguments of a supervisor that starts the service again so often at each line."""
    return ["-c", SUPERVISOR, str(times), "-c", SERVICE, kind]


def pid_in(line: str) -> int:
    return int(line.split()[1])


def report_in(file: Path, watch: Watching) -> tuple[int, dict[str, Any]]:
    code, _ = watch.end()
    report: dict[str, Any] = json.loads(file.read_text())
    return code, report


def test_a_service_that_is_started_again_is_watched_on(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with spawn(sys.executable, supervised(1, "leaks"), wait_for=None, cwd=tmp_path) as supervisor:
        first = pid_in(read_line(supervisor))
        with watching(str(first), *BRISK, "--json", file) as watch:
            watch.until("sample 3/")
            tell(supervisor, "again")
            second = pid_in(read_line(supervisor))
            watch.until(f"as pid {second}, by")
            watch.until("sample 1/")
            assert has_agent_thread(second)
            code, report = report_in(file, watch)
        assert not has_agent_thread(second)

    assert second != first
    assert code == 1, report
    assert report["target"]["pid"] == second
    assert any(
        f"and came back as pid {second}, by the same command line and parent process" in caveat
        for caveat in report["caveats"]
    )


def test_what_leaked_before_it_exited_is_the_report(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with spawn(sys.executable, supervised(1, "leaks"), wait_for=None, cwd=tmp_path) as supervisor:
        first = pid_in(read_line(supervisor))
        with watching(str(first), *BRISK, "--json", file) as watch:
            watch.until("sample 20/")
            tell(supervisor, "again")
            second = pid_in(read_line(supervisor))
            code, report = report_in(file, watch)
        assert not has_agent_thread(second)

    assert code == 1, report
    assert report["target"]["pid"] == first
    assert any(f"and came back as pid {second}" in c for c in report["caveats"])


@pytest.mark.parametrize(
    ("times", "options", "caveat"),
    [
        (2, (), "is not sure"),
        pytest.param(0, (), "No successor of pid", marks=pytest.mark.slow),
        (1, ("--no-follow",), "The target exited while it was watched"),
    ],
    ids=["two are started", "none is started", "it is forbidden"],
)
def test_nobody_is_followed_who_is_not_surely_the_successor(
    times: int, options: tuple[str, ...], caveat: str, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    with spawn(
        sys.executable, supervised(times, "sound"), wait_for=None, cwd=tmp_path
    ) as supervisor:
        first = pid_in(read_line(supervisor))
        with watching(str(first), *BRISK, *options, "--json", file) as watch:
            watch.until("sample 3/")
            tell(supervisor, "again")
            code, report = report_in(file, watch)
        others = [pid_in(read_line(supervisor)) for _ in range(times)]
        assert not any(map(has_agent_thread, others))

    assert code == 4, report
    assert report["target"]["pid"] == first
    assert any(caveat in text for text in report["caveats"])
