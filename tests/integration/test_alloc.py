"""`leakscope alloc`, and where `watch` says that a leak was allocated, on real programs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.attaching import assert_no_traces, newest, some_pythons, traces
from tests.integration.leakscope_runs import command, leakscope, report_of
from tests.pythons import Interpreter
from tests.report.pprof_format import read
from tests.sampling import ALLOCATORS, ask, program
from tests.targets import eventually, spawn

LEAKING = """
import time

class Record:
    __slots__ = ("body", *("field%d" % number for number in range(59)))

    def __init__(self, body):
        self.body = body

PENDING = []

def remember(body):
    PENDING.append(Record(body))

def serve():
    body = bytes(2000)
    [str(n) for n in range(200)]
    remember(body)

print("ready", flush=True)
while True:
    serve()
    time.sleep(0.001)
"""
BODY, FREED, RECORD = 16, 17, 13
"""The lines that allocate what is kept: the body, and the record of it, which is large enough to be
among the samples of some seconds for sure. Between them that which is freed at once."""


def test_the_lines_that_allocate_what_stays_are_told(tmp_path: Path) -> None:
    profile = tmp_path / "shop.pb.gz"
    with spawn(sys.executable, LEAKING) as target:
        before = traces(target.pid)
        run = report_of(
            "alloc", str(target.pid), "--for", "3s", "--sample-bytes", "8KiB", "-o", profile
        )
        assert_no_traces(target.pid, before)

    assert run.code == 0, run.stderr
    assert run.report["schema"] == "leakscope.alloc/1"
    lines = [site["calls"][0]["line"] for site in run.report["sites"]]
    assert lines[0] == BODY
    assert RECORD in lines[:3]
    assert run.report["sites"][0]["types"][0]["type"] == "builtins.bytes"
    message = read(profile.read_bytes())
    assert message.string_table[message.default_sample_type] == "inuse_space"
    assert len(message.sample) >= 2


def test_what_is_freed_counts_for_all_that_is_allocated() -> None:
    with spawn(sys.executable, LEAKING) as target:
        options = ("alloc", str(target.pid), "--for", "2s", "--sample-bytes", "4KiB", "--no-types")
        text = leakscope(*options, "--alloc").stdout
        folded = leakscope(*options, "--folded", "-").stdout.splitlines()

    assert "allocated   within 2s" in text
    assert f":{FREED} in serve" in text.split("\n\n")[1]
    assert any(line.split(" (")[-1].startswith(f"<string>:{BODY})") for line in folded)
    assert not any(f"<string>:{FREED})" in line.rsplit(";", 1)[-1] for line in folded)


def test_ctrl_c_ends_it_early_with_what_there_is() -> None:
    with program(newest()) as target:
        allocators = ask(target, ALLOCATORS)
        argv = [*command(), "alloc", str(target.pid), "--for", "1h", "--json", "-"]
        run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(partial(hooked, target, allocators), "the hooks are in")
        ask(target, "leak(4000, 2000)")
        run.send_signal(signal.SIGINT)
        told, _ = run.communicate(timeout=60)
        assert run.returncode == 0
        assert ask(target, ALLOCATORS) == allocators
    assert json.loads(told)["sites"][0]["calls"][0]["function"] == "leak"


def test_a_target_that_exits_leaves_what_was_read_last() -> None:
    with program(newest()) as target:
        argv = [*command(), "alloc", str(target.pid), "--for", "1h", "--json", "-"]
        run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert run.stderr is not None
        assert "sampling allocations for 3600s" in run.stderr.readline()
        target.kill()
        told, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert any("Sampling ended early" in each for each in json.loads(told)["caveats"])


@pytest.mark.parametrize("wrong", ["0", "7", "3 apples", "9999TiB"])
def test_an_absurd_rate_is_wrong_usage(wrong: str) -> None:
    run = leakscope("alloc", "1", "--sample-bytes", wrong)

    assert run.returncode == 2
    assert "Traceback" not in run.stderr


@some_pythons
def test_watch_tells_where_what_leaks_is_allocated(python: Interpreter) -> None:
    with spawn(python.path, LEAKING) as target:
        run = report_of("watch", str(target.pid), "--for", "6s", "--no-longer")

    (finding,) = run.report["findings"]
    assert finding["holder"]["path"] == "__main__.PENDING"
    functions = [call["function"] for call in finding["allocated_at"]]
    assert functions[-3:] == ["remember", "serve", "<module>"]


def test_nothing_is_sampled_where_that_is_not_wanted() -> None:
    with spawn(sys.executable, LEAKING) as target:
        run = report_of("watch", str(target.pid), "--for", "5s", "--no-longer", "--sites", "never")

    assert run.report["findings"][0]["allocated_at"] == []
    assert not any("sampled" in caveat for caveat in run.report["caveats"])


def hooked(target: subprocess.Popen[bytes], before: object) -> bool:
    return ask(target, ALLOCATORS) != before


def test_two_profiles_are_compared(tmp_path: Path) -> None:
    first, second = tmp_path / "first.pb.gz", tmp_path / "second.pb.gz"
    with program(newest()) as target:
        for file, count in ((first, 500), (second, 3000)):
            argv = [*command(), "alloc", str(target.pid), "--for", "1h", "-o", str(file)]
            allocators = ask(target, ALLOCATORS)
            run = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            eventually(partial(hooked, target, allocators), "the hooks are in")
            ask(target, f"leak({count}, 9000)")
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
    told = report_of("diff", first, second)
    text = leakscope("diff", first, second)
    mixed = leakscope("diff", first, tmp_path / "none.lscope")

    assert told.code == 0, told.stderr
    place = told.report["places"][0]
    assert place["calls"][0]["function"] == "leak"
    assert place["growth_bytes"]["low"] < 2500 * 9000 < place["growth_bytes"]["high"]
    assert "in leak" in text.stdout
    assert mixed.returncode == 2
    assert "Traceback" not in mixed.stderr
