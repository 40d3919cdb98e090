"""`leakscope watch --children`: forked workers that leak, come, go, and lose their master."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from leakscope.storage.files import load
from tests.attaching import has_agent_thread
from tests.integration.families import POOL, watching
from tests.targets import eventually, read_line, spawn, tell

BRISK = ("--every", "400ms", "--for", "6s")


def pids_in(line: str) -> list[int]:
    return [int(word) for word in line.split()[1:]]


def members_of(report: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {member["pid"]: member for member in report["workers"]}


def test_a_leak_in_three_of_four_workers_is_one_finding(tmp_path: Path) -> None:
    report_file, kept = tmp_path / "report.json", tmp_path / "pool.lscope"
    with spawn(sys.executable, ["-c", POOL, "3", "1"], wait_for=None) as pool:
        *leaky, sound = workers = pids_in(read_line(pool))
        with watching(
            str(pool.pid), "--children", *BRISK, "--json", report_file, "-o", kept
        ) as watch:
            code, text = watch.end()
        everybody = [pool.pid, *workers]
        assert not any(map(has_agent_thread, everybody))

    report = json.loads(report_file.read_text())
    assert code == 1, text
    assert "3 of 4 workers share this slope: +" in text
    assert report["schema"] == "leakscope.family/1"
    assert report["verdict"] == "leaking"
    (shared,) = report["findings"]
    assert shared["finding"]["holder"]["path"] == "__main__.ORDERS"
    assert [each["pid"] for each in shared["found_in"]] == leaky
    assert shared["not_in"] == [sound]
    assert [m["role"] for m in report["workers"]] == ["master"] + 4 * ["worker"]
    verdicts = {pid: m["report"]["verdict"] for pid, m in members_of(report).items()}
    assert verdicts == {pool.pid: "clean", **dict.fromkeys(leaky, "leaking"), sound: "clean"}
    assert {m["report"]["capture"]["kind"] for m in report["workers"]} == {"native"}
    assert report["unwatched"] == []
    for pid in everybody:
        assert load(tmp_path / f"pool.{pid}.lscope").target.pid == pid


def test_workers_that_are_replaced_or_live_too_short_are_told(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    with spawn(sys.executable, ["-c", POOL, "2", "0"], wait_for=None) as pool:
        old, other = pids_in(read_line(pool))
        with watching(str(pool.pid), "--children", *BRISK, "--json", report_file) as watch:
            watch.until("sample 1/")
            tell(pool, "start")
            (brief,) = pids_in(read_line(pool))
            watch.until("sample 2/")
            tell(pool, "end")
            assert pids_in(read_line(pool)) == [brief]
            watch.until("sample 3/")
            tell(pool, "replace")
            gone, new = pids_in(read_line(pool))
            code, text = watch.end()
        assert not any(map(has_agent_thread, (pool.pid, other, new)))

    report = json.loads(report_file.read_text())
    members = members_of(report)
    assert code == 1, text
    assert gone == old
    assert set(members) == {pool.pid, old, other, new}
    assert members[old]["exited"]
    assert members[old]["came_after_seconds"] == 0
    assert not members[new]["exited"]
    assert members[new]["came_after_seconds"] > 1
    assert report["unwatched"] == [{"pid": brief, "reason": "lived too short to be watched"}]
    assert [each["pid"] for each in report["findings"][0]["found_in"]] == [other, new]
    assert report["findings"][0]["cannot_tell"] == [old]


def test_workers_are_watched_on_when_their_master_dies(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    with spawn(sys.executable, ["-c", POOL, "1", "1"], wait_for=None) as pool:
        leaky, sound = pids_in(read_line(pool))
        with watching(str(pool.pid), "--children", *BRISK, "--json", report_file) as watch:
            watch.until("sample 3/")
            tell(pool, "die")
            watch.until(f"master {pool.pid} has exited")
            code, text = watch.end()
        assert psutil.pid_exists(leaky)

    members = members_of(json.loads(report_file.read_text()))
    assert code == 1, text
    assert members[pool.pid]["exited"]
    assert members[leaky]["report"]["verdict"] == "leaking"
    assert members[sound]["report"]["verdict"] == "clean"
    assert members[sound]["report"]["capture"]["samples"] == 16


def test_ctrl_c_ends_the_watch_of_a_family_with_what_there_is() -> None:
    with spawn(sys.executable, ["-c", POOL, "2", "0"], wait_for=None) as pool:
        workers = pids_in(read_line(pool))
        with watching(str(pool.pid), "--children", "--every", "300ms", "--for", "10m") as watch:
            watch.until("sample 10/")
            watch.process.send_signal(signal.SIGINT)
            code, text = watch.end()
        assert not any(map(has_agent_thread, (pool.pid, *workers)))

    assert code == 1, text
    assert text.startswith("LEAKING: __main__.ORDERS (Order) grows steadily in 2 of 2 workers")


def test_nobody_keeps_an_agent_when_leakscope_is_killed() -> None:
    with spawn(sys.executable, ["-c", POOL, "2", "0"], wait_for=None) as pool:
        everybody = [pool.pid, *pids_in(read_line(pool))]
        with watching(str(pool.pid), "--children", "--every", "300ms", "--for", "10m") as watch:
            watch.until("sample 3/")
            assert all(map(has_agent_thread, everybody))
            watch.process.kill()
            watch.process.wait()
            eventually(lambda: not any(map(has_agent_thread, everybody)), "all agents are gone")
        assert all(map(psutil.pid_exists, everybody))


def test_a_program_without_workers_is_watched_alone() -> None:
    with (
        spawn(sys.executable, ["-c", POOL, "0", "0"]) as pool,
        watching(str(pool.pid), "--children", "--every", "200ms", "--for", "3s") as watch,
    ):
        code, text = watch.end()

    assert code == 0, text
    assert "No Python process below the master was seen" in text


@pytest.mark.slow
def test_more_workers_than_can_be_watched_are_said(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    with spawn(sys.executable, ["-c", POOL, "0", "18"], wait_for=None) as pool:
        workers = pids_in(read_line(pool))
        with watching(
            str(pool.pid), "--children", "--every", "1s", "--for", "12s", "--json", report_file
        ) as watch:
            code, text = watch.end()

    report = json.loads(report_file.read_text())
    assert code == 0, text
    assert len(report["workers"]) == 17
    assert [each["pid"] for each in report["unwatched"]] == workers[16:]
    assert "at most 16 workers are watched" in text


def test_native_memory_that_grows_in_workers_is_told_in_bytes(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    source = POOL.replace("ORDERS.append(Order())", "ctypes.memset(take(30_000), 1, 30_000)")
    begin = "import ctypes\ntake = ctypes.CDLL(None).malloc; take.restype = ctypes.c_void_p\n"
    with spawn(sys.executable, ["-c", begin + source, "2", "1"], wait_for=None) as pool:
        *leaky, sound = pids_in(read_line(pool))
        with watching(str(pool.pid), "--children", *BRISK, "--json", report_file) as watch:
            code, text = watch.end()

    report = json.loads(report_file.read_text())
    assert code == 1, text
    assert "native memory in use grows steadily in 2 of 3 workers" in text
    assert "2 of 3 workers share this slope: +" in text
    assert re.search(r"[KM]iB per second each", text)
    (shared,) = report["findings"]
    assert [each["pid"] for each in shared["found_in"]] == leaky
    assert shared["not_in"] == [sound]
    assert shared["objects"] == {"slowest": 0, "fastest": 0, "total": 0}
    assert shared["bytes"]["total"] >= shared["bytes"]["fastest"] >= shared["bytes"]["slowest"] > 0
