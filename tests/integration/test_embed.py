"""A service that serves profiles of itself, and lets leakscope in by a door of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leakscope.capture.embedded import door_of, embedded
from leakscope.capture.process import identify
from tests.attaching import has_agent_thread
from tests.integration.leakscope_runs import leakscope, report_of
from tests.report.pprof_format import read
from tests.sampling import ALLOCATORS, ANSWERING, LEAKING, ask
from tests.targets import eventually, read_line, spawn, tell

ROOT = Path(__file__).parents[2]

SERVICE = f"""
import asyncio, ctypes, os, sys, threading
import leakscope.embed
{LEAKING}
async def waits():
    await asyncio.Event().wait()

async def main():
    tasks = [asyncio.ensure_future(waits()) for _ in range(7)]
    await asyncio.sleep(3600)

before = allocators()
endpoint = leakscope.embed.serve(0, sample_bytes=4096)
threading.Thread(target=lambda: asyncio.run(main()), name="loop", daemon=True).start()
print("ready", endpoint.port, flush=True)
{ANSWERING}"""


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    env = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    with spawn(sys.executable, SERVICE, env=env, wait_for=None) as target:
        port = int(read_line(target).split()[1])
        yield target, f"http://127.0.0.1:{port}/debug/pprof"


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def functions_in(content: bytes) -> dict[str, int]:
    """Return the sum of the default values of the stacks that lead through each function."""
    message = read(content)
    text = message.string_table
    names = {each.id: text[each.name] for each in message.function}
    inside = {each.id: names[each.line[0].function_id] for each in message.location}
    types = [text[each.type] for each in message.sample_type]
    default = types.index(text[message.default_sample_type])
    found: dict[str, int] = {}
    for sample in message.sample:
        for name in {inside[at] for at in sample.location_id}:
            found[name] = found.get(name, 0) + sample.value[default]
    return found


def test_a_service_tells_what_it_has_in_use_and_what_it_allocated() -> None:
    with serving() as (target, url):
        ask(target, "leak(2000) or [bytearray(1000) for _ in range(2000)] and None")
        heap, allocs = fetched(f"{url}/heap"), fetched(f"{url}/allocs")
        ask(target, "kept.clear()")
        later = fetched(f"{url}/heap")

    assert 1_700_000 < functions_in(heap)["leak"] < 2_500_000
    assert functions_in(allocs)["<module>"] > 3_400_000
    assert functions_in(later).get("leak", 0) < 100_000


def test_where_threads_and_tasks_are_is_told() -> None:
    with serving() as (_, url):
        eventually(lambda: functions_in(fetched(f"{url}/goroutine")).get("waits") == 7, "tasks")
        found = functions_in(fetched(f"{url}/goroutine"))

    assert found["main"] == 1
    assert found["Event.wait"] >= 7  # Threads may wait for events too.
    assert found["Thread.run"] >= 1


def test_other_paths_say_what_there_is() -> None:
    with serving() as (_, url):
        assert b"/debug/pprof/heap" in fetched(f"{url}/")
        with pytest.raises(urllib.error.HTTPError) as caught:
            fetched(f"{url}/profile")
    assert caught.value.code == 404


def test_it_listens_on_loopback_alone() -> None:
    with serving() as (target, _):
        listens = subprocess.run(
            [sys.executable, "-c", "import psutil, sys\n"
             "for c in psutil.Process(int(sys.argv[1])).net_connections('inet'):\n"
             "    print(c.laddr.ip if c.status == 'LISTEN' else '')", str(target.pid)],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
    assert listens == ["127.0.0.1"]


def test_after_it_is_closed_nothing_is_left() -> None:
    with serving() as (target, _):
        ask(target, "endpoint.close()")
        assert ask(target, f"{ALLOCATORS} == before") is True
        eventually(lambda: not has_agent_thread(target.pid), "the agent is gone")
        assert not door_of(target.pid).exists()


def test_leakscope_comes_in_by_the_door_and_the_profiles_begin_anew_afterwards() -> None:
    with serving() as (target, url):
        ask(target, "leak(500)")
        run = report_of("alloc", str(target.pid), "--for", "1s")
        taken = leakscope("tasks", str(target.pid))
        ask(target, "leak(900)")
        heap = fetched(f"{url}/heap")
        ask(target, "leak(900)")
        later = fetched(f"{url}/heap")

    assert run.code == 0, run.stderr
    assert "invited" in run.stderr
    assert "7 tasks wait" in taken.stdout
    assert functions_in(heap).get("leak", 0) == 0
    assert functions_in(later)["leak"] > 700_000


def test_a_forked_child_serves_nothing_and_lets_the_parent_serve() -> None:
    child = "pid = os.fork()\nif pid == 0: leak(3000); sys.stdin.close(); threading.Event().wait()"
    with serving() as (target, url):
        ask(target, f"exec({child!r})")
        pid = ask(target, "pid")
        assert isinstance(pid, int)
        ask(target, "leak(2000)")
        assert functions_in(fetched(f"{url}/heap"))["leak"] > 1_700_000
        assert not has_agent_thread(pid)
        assert embedded(identify(pid)) is None
        ask(target, "endpoint.close()")
        with pytest.raises(urllib.error.URLError):
            fetched(f"{url}/heap")
        done = leakscope("tasks", str(target.pid))
        assert done.returncode == 0, done.stderr
        ask(target, "os.kill(pid, 9)")


def test_a_door_that_is_not_the_processes_own_is_no_door(tmp_path: Path) -> None:
    with spawn(sys.executable, "print('ready', flush=True); input()") as target:
        door = door_of(target.pid)
        door.write_text("not a socket")
        try:
            assert embedded(identify(target.pid)) is None
        finally:
            door.unlink()
        tell(target, "")
    assert tmp_path


@pytest.mark.skipif(shutil.which("go") is None, reason="needs go for its pprof")
def test_go_tool_pprof_scrapes_it(tmp_path: Path) -> None:
    with serving() as (target, url):
        ask(target, "leak(2000)")
        env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/go/bin"}
        for profile, told in (("heap", "leak"), ("goroutine", "waits")):
            command = ["go", "tool", "pprof", "-top", f"{url}/{profile}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
            assert re.search(rf"\d+%\s+\S*{told}$", done.stdout, re.MULTILINE), done.stdout
