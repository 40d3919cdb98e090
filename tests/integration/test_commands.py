"""The other commands on real processes, and what a user may do to them on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.leakscope_runs import command, leakscope, report_of
from tests.integration.services import FIXTURES, Service, service
from tests.targets import spawn

SESSIONS = FIXTURES / "programs" / "dict_of_sessions.py"
WAITS = "import threading; print('ready', flush=True); threading.Event().wait()"


def counter(program: Service) -> str:
    return f"http://127.0.0.1:{program.port}/metrics"


def test_snapshots_are_compared_and_explained(tmp_path: Path) -> None:
    before, after = tmp_path / "before.lscope", tmp_path / "after.lscope"
    with service(SESSIONS, "--rate", "500") as program:
        first = leakscope("snapshot", str(program.pid), "-o", before)
        second = leakscope("snapshot", str(program.pid), "-o", after)
        why = report_of("why", str(program.pid), "Session")
        unknown = leakscope("why", str(program.pid), "no.such.Type")
    diff = leakscope("diff", before, after, "--json", "-")
    top = leakscope("top", after, "--by", "retained", "--json", "-")
    later = leakscope("why", after, "Session", "--json", "-")

    heap = json.loads(diff.stdout)["heap"]
    assert heap["places"][0]["path"] == "__main__.SESSIONS"
    holder = next(o for o in json.loads(top.stdout)["objects"] if o["path"] == "__main__.SESSIONS")
    address = leakscope("why", after, f"@{holder['address']:#x}")
    assert ".SESSIONS" in address.stdout
    assert [step["edge"] for step in json.loads(later.stdout)["chains"][0]["chain"]][:2] == [
        "module __main__",
        ".SESSIONS",
    ]
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    changes = {change["type"]: change for change in json.loads(diff.stdout)["changes"]}
    assert changes["__main__.Session"]["objects"]["gained"] > 0
    assert [step["edge"] for step in why.report["chains"][0]["chain"]][:2] == [
        "module __main__",
        ".SESSIONS",
    ]
    assert unknown.returncode == 2
    assert len(unknown.stderr.splitlines()) == 2


def test_a_recording_can_be_asked_later_and_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "sessions.lscope"
    with service(SESSIONS, "--rate", "200") as program:
        watched = leakscope("watch", str(program.pid), "--for", "13s", "-o", file)
    why = leakscope("why", file, "Session")
    diff = leakscope("diff", file)

    assert watched.returncode == 1, watched.stderr
    assert "SESSIONS" in watched.stdout
    assert why.returncode == 0, why.stderr
    assert "SESSIONS" in why.stdout
    assert "Session" in diff.stdout


def test_a_target_that_exits_is_reported_with_what_was_seen() -> None:
    with service(SESSIONS, "--rate", "200") as program:
        watching = subprocess.Popen(
            command("watch", "--json", "-", str(program.pid), "--for", "60s", "--every", "300ms"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watching.stderr is not None
        for line in watching.stderr:
            if line.startswith("sample 20/"):
                break
        program.process.kill()
        out, _ = watching.communicate(timeout=60)

    report = json.loads(out)
    assert report["capture"]["samples"] >= 20
    assert any("exited" in caveat for caveat in report["caveats"])


def test_ctrl_c_ends_early_with_a_verdict() -> None:
    with service(SESSIONS, "--rate", "200") as program:
        watching = subprocess.Popen(
            command("watch", "--json", "-", str(program.pid), "--for", "10m", "--every", "300ms"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watching.stderr is not None
        for line in watching.stderr:
            if line.startswith("sample 20/"):
                break
        watching.send_signal(signal.SIGINT)
        out, _ = watching.communicate(timeout=60)

    assert watching.returncode == 1
    assert json.loads(out)["findings"][0]["holder"]["path"] == "__main__.SESSIONS"


def test_a_command_is_started_watched_and_ended() -> None:
    argv = [sys.executable, str(SESSIONS), "--rate", "200"]

    run = report_of("watch", "--for", "13s", "--", *argv)

    assert run.code == 1, run.stderr
    assert run.finding["holder"]["path"] == "__main__.SESSIONS"
    with pytest.raises(ProcessLookupError):
        os.kill(run.report["target"]["pid"], 0)


def test_a_command_that_fails_by_itself_passes_its_status_on() -> None:
    source = (
        "import sys, threading; threading.Timer(2.0, lambda: None).start(); "
        "threading.enumerate()[-1].join(); sys.exit(7)"
    )

    run = report_of("watch", "--for", "60s", "--every", "200ms", "--", sys.executable, "-c", source)

    assert run.code == 7, run.stderr


def test_an_idle_process_is_clean() -> None:
    with spawn(sys.executable, WAITS) as process:
        run = report_of("watch", str(process.pid), "--for", "6s", "--every", "300ms")

    assert run.code == 0, run.report or run.stderr
    assert run.report["findings"] == []


def test_no_work_landing_is_not_a_pass() -> None:
    with service(SESSIONS, "--rate", "0.001") as program:
        run = report_of("watch", str(program.pid), "--for", "5s", "--work", counter(program))

    assert run.code == 3, run.report or run.stderr
    assert run.report["verdict"] == "not-measured"


def test_what_is_not_python_is_refused_in_one_line_and_a_hint() -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        done = leakscope("watch", str(sleeper.pid))
    finally:
        sleeper.kill()
        sleeper.wait()

    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_nothing_wrong_with_a_plain_process() -> None:
    with spawn(sys.executable, WAITS) as process:
        done = leakscope("doctor", str(process.pid))

    assert done.returncode == 0, done.stdout


def test_the_demo_names_the_leak_it_planted() -> None:
    done = leakscope("demo")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "shop.audit.PENDING" in done.stdout
