"""`--capture readonly` on the command line: what it answers, and what it refuses in one line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.attaching import has_agent_thread, traces
from tests.integration.leakscope_runs import leakscope, report_of
from tests.integration.services import FIXTURES, service
from tests.integration.test_attach_refused import traced
from tests.targets import read_line, spawn

PROGRAMS = FIXTURES / "programs"
WAITS = "import threading; print('ready', flush=True); threading.Event().wait()"

LEAKY = {
    "bytes_in_dict": ("builtins.dict", "builtins.dict"),
    "closure_list": ("__main__.", "builtins.list"),
    "deque_backlog": ("__main__.", "collections.deque"),
    "dict_of_sessions": ("__main__.Session", "builtins.dict"),
    "list_on_instance": ("__main__.", "builtins.list"),
}
"""By program: how the type begins of what accumulates, and the type of what it accumulates in."""

QUICK = ("bytes_in_dict", "dict_of_sessions")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in LEAKY]
)
def test_a_leak_is_found_by_type_with_the_container_that_grows(name: str) -> None:
    with service(PROGRAMS / f"{name}.py", "--rate", "200") as program:
        before = traces(program.pid)
        run = report_of(
            "watch", str(program.pid), "--capture", "readonly", "--for", "13s", "--every", "1s"
        )
        assert traces(program.pid) == before

    kind, holder = LEAKY[name]
    assert run.code == 1, run.report or run.stderr
    assert run.report["capture"]["kind"] == "readonly"
    assert run.report["capture"]["pause_ms"] == {"median": 0.0, "max": 0.0}
    assert len(run.report["findings"]) == 1, run.report["findings"]
    assert run.finding["type"].startswith(kind)
    assert run.finding["growth"]["unit"] == "second"
    assert run.finding["growth"]["objects"]["estimate"] == pytest.approx(200, rel=0.1)
    assert run.finding["holder"]["type"] == holder
    assert run.finding["holder"]["path"] == f"an unnamed {holder.rpartition('.')[2]}"
    assert run.finding["holder"]["last_length"] > run.finding["holder"]["first_length"] + 1000
    assert f"leakscope why {program.pid}" in run.finding["why"]
    assert "reading the memory of pid" in run.stderr


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) for n in ("bursts", "lru_filling", "sawtooth")]
)
def test_what_only_looks_like_a_leak_is_not_called_one(name: str) -> None:
    with service(PROGRAMS / f"{name}.py", "--rate", "200") as program:
        run = report_of(
            "watch", str(program.pid), "--capture", "readonly", "--for", "40s", "--every", "2s"
        )

    assert run.code == 0, run.report or run.stderr


def test_a_process_that_does_nothing_leaks_nothing() -> None:
    with spawn(sys.executable, WAITS) as target:
        run = report_of(
            "watch", str(target.pid), "--capture", "readonly", "--for", "2s", "--every", "100ms"
        )

    assert run.code == 0, run.report or run.stderr
    assert run.report["findings"] == []


def test_snapshots_are_compared_with_each_other_and_with_others(tmp_path: Path) -> None:
    first, second, native = (tmp_path / f"{name}.lscope" for name in ("first", "second", "native"))
    with service(PROGRAMS / "dict_of_sessions.py", "--rate", "500") as program:
        pid = str(program.pid)
        for file, kind in ((first, "readonly"), (second, "readonly"), (native, "native")):
            done = leakscope("snapshot", pid, "--capture", kind, "-o", file)
            assert done.returncode == 0, done.stderr
    alike = report_of("diff", first, second)
    mixed = leakscope("diff", first, native)
    mixed_json = report_of("diff", first, native)

    gained = {change["type"]: change["objects"]["gained"] for change in alike.report["changes"]}
    assert gained["__main__.Session"] > 0
    assert not alike.report["counts_differ"]
    assert mixed.returncode == 0
    assert "some only those that gc tracks" in " ".join(mixed.stdout.split())
    types = {change["type"] for change in mixed_json.report["changes"]}
    assert "__main__.Session" in types
    assert "builtins.str" not in types


def test_what_takes_code_in_the_target_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "counted.lscope"
    with spawn(sys.executable, WAITS) as target:
        pid = str(target.pid)
        why = leakscope("why", pid, "dict", "--capture", "readonly")
        sites = leakscope(
            "watch", pid, "--capture", "readonly", "--sites", "tracemalloc", "--for", "1s"
        )
        assert leakscope("snapshot", pid, "--capture", "readonly", "-o", file).returncode == 0
        assert not has_agent_thread(target.pid)
    of_file = leakscope("why", file, "dict")

    assert (why.returncode, sites.returncode, of_file.returncode) == (2, 2, 3)
    assert "who holds dict cannot be read from outside" in why.stderr
    assert "--sites tracemalloc cannot be read from outside" in sites.stderr
    assert "made read-only" in of_file.stderr
    for refused in (why, sites, of_file):
        assert len(refused.stderr.splitlines()) == 2, refused.stderr


def test_a_process_under_a_debugger_can_be_counted() -> None:
    with spawn(sys.executable, WAITS) as target, traced(target.pid):
        run = report_of(
            "watch", str(target.pid), "--capture", "readonly", "--for", "1s", "--every", "200ms"
        )

    assert run.report["capture"]["kind"] == "readonly"
    assert run.report["capture"]["samples"] == 6


@pytest.mark.needs_root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_users_process_cannot_be_read() -> None:
    # Everything is imported first: another user may not see this installation.
    as_nobody = """
import os, sys
from leakscope.capture.process import identify
from leakscope.errors import LeakscopeError
from leakscope.watching.opening import CaptureChoice, connect_to
identity = identify(int(sys.argv[1]))
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with connect_to(identity, CaptureChoice.READONLY):
        print("in")
except LeakscopeError as error:
    print(error, "|", error.remedy, flush=True)
"""
    with (
        spawn(sys.executable, WAITS) as target,
        spawn(sys.executable, ["-c", as_nobody, str(target.pid)], wait_for=None) as other,
    ):
        said = read_line(other)

    assert "not permitted: it belongs to user id 0, this is user id 65534" in said
    assert not said.endswith("| ")


def test_a_server_is_checked_without_code_in_it() -> None:
    with service(PROGRAMS / "dict_of_sessions.py", "--rate", "200") as program:
        done = leakscope(
            *("check", "--pid", str(program.pid), "--capture", "readonly", "--for", "5s"),
            *("--every", "400ms", "--load", "sleep 1", "--max-growth", "nothing.*=0/second"),
            *("--json", "-"),
        )

    report = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert report["capture"]["kind"] == "readonly"
