"""`leakscope tasks` on real event loops: where tasks wait, and which nothing can wake."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from leakscope.model.evidence import Site
from leakscope.model.tasks import Earlier, Maker, Numbers, TaskPicture
from leakscope.watching.tasks import tasks_from_process
from tests.integration.leakscope_runs import assert_refused, fastest, leakscope, report_of
from tests.pythons import Interpreter, interpreters
from tests.targets import read_line, spawn, tell

PROGRAM = """
import asyncio, socket, threading

KEPT = set()

async def lost():
    kept = bytearray(1000)
    await forgotten(asyncio.Event())

async def forgotten(event):
    await event.wait()

async def named(event):
    await event.wait()

async def sleeping():
    await asyncio.sleep(3600)

async def reading(reader):
    await reader.read(1)

async def joining(task):
    await asyncio.shield(task)

async def gathering(tasks):
    await asyncio.gather(*tasks)

async def soon():
    pass

async def other_loop(running):
    KEPT.add(asyncio.ensure_future(elsewhere()))
    await asyncio.sleep(0)
    running.set()
    await asyncio.sleep(3600)

async def elsewhere():
    await asyncio.sleep(3600)

async def main():
    global EVENT
    EVENT = asyncio.Event()
    start = lambda coroutine: KEPT.add(asyncio.ensure_future(coroutine))
    for _ in range(200):
        start(lost())
    for _ in range(7):
        start(named(EVENT))
    [task.get_name() for task in KEPT if task.get_coro().__name__ == "named"]
    sleepers = [asyncio.ensure_future(sleeping()) for _ in range(50)]
    KEPT.update(sleepers)
    for _ in range(20):
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        KEPT.update([there, writer])
        start(reading(reader))
    joined = asyncio.ensure_future(joining(sleepers[0]))
    joined.set_name("Task-of-its-own")
    KEPT.add(joined)
    start(gathering(sleepers[:3]))
    start(soon())
    running = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(other_loop(running)), daemon=True)
    thread.start()
    while not running.is_set():
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""

STRANDED = {"lost": 200}
WAITING = {
    **STRANDED,
    "named": 7,
    "sleeping": 50,
    "reading": 20,
    "joining": 1,
    "gathering": 1,
    "main": 1,
    "other_loop": 1,
    "elsewhere": 1,
}
"""How many tasks of each function wait."""


def by_function(picture: TaskPicture) -> dict[str, int]:
    return {group.calls[0].function: group.count for group in picture.groups}


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_tasks_are_told_where_they_wait_and_which_nothing_can_wake(python: Interpreter) -> None:
    with spawn(python.path, PROGRAM) as target:
        picture = tasks_from_process(target.pid)

    assert by_function(picture) == WAITING
    assert (picture.tasks, picture.finished, picture.unknown) == (sum(WAITING.values()), 1, 0)
    never = {group.calls[0].function: group.stranded for group in picture.groups if group.stranded}
    assert never == STRANDED
    lost = picture.groups[0]
    assert lost.calls[1].function == "forgotten"
    assert lost.calls[-1].function.endswith("wait")
    assert [step.edge for step in lost.chain] == ["module __main__", ".KEPT", "<element>"]
    assert lost.retained_bytes >= 200 * 1000
    assert all(group.waits_for for group in picture.groups)
    numbers = {group.calls[0].function: group.numbers for group in picture.groups}
    assert numbers["main"] == Numbers(1, 1, 1)
    assert numbers["lost"] == Numbers(2, 101, 201)
    assert numbers["named"] == Numbers(202, 205, 208)
    assert numbers["joining"] is None
    elsewhere = numbers["elsewhere"]
    assert elsewhere is not None
    assert elsewhere.newest == picture.newest


def test_a_process_and_a_file_tell_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tasks.lscope"
    with spawn(sys.executable, PROGRAM) as target:
        run = report_of("tasks", str(target.pid))
        text = leakscope("tasks", str(target.pid), "--limit", "1")
        taken = leakscope("snapshot", str(target.pid), "-o", file)
    assert run.code == 0, run.stderr
    assert taken.returncode == 0, taken.stderr
    later = json.loads(leakscope("tasks", file, "--json", "-").stdout)

    assert run.report["schema"] == "leakscope.tasks/1"

    def told(report: dict[str, object]) -> list[tuple[object, ...]]:
        groups = report["groups"]
        assert isinstance(groups, list)
        return [(g["calls"], g["tasks"], g["waits_for"], g["never_finish"]) for g in groups]

    assert told(later) == told(run.report)
    assert later["groups"][0]["chain"] == run.report["groups"][0]["chain"]
    assert "200 tasks wait" in text.stdout
    assert "all can never finish" in text.stdout
    assert "and in 8 more places" in text.stdout
    assert "made          as tasks 2 to 201, half of them by 101" in text.stdout
    assert later["groups"][0]["numbers"] is None


def test_a_program_without_tasks_has_none() -> None:
    source = "import threading; print('ready', flush=True); threading.Event().wait()"
    with spawn(sys.executable, source) as target:
        done = leakscope("tasks", str(target.pid))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no task waits")


def test_what_cannot_tell_tasks_says_so_in_one_line() -> None:
    source = "import threading; print('ready', flush=True); threading.Event().wait()"
    with spawn(sys.executable, source) as target:
        portable = leakscope("tasks", str(target.pid), "--capture", "portable")
        outside = leakscope("tasks", str(target.pid), "--capture", "readonly")
    missing = leakscope("tasks", "no-such-file.lscope")

    for done, code in ((portable, 3), (outside, 2), (missing, 2)):
        assert_refused(done, code)


MANY = """
import asyncio

async def lost():
    await asyncio.Event().wait()

async def together(future):
    await future

async def main():
    future = asyncio.get_running_loop().create_future()
    tasks = [asyncio.ensure_future(lost()) for _ in range(50_000)]
    tasks += [asyncio.ensure_future(together(future)) for _ in range(50_000)]
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_hundred_thousand_tasks_take_no_longer_than_a_snapshot_of_them(tmp_path: Path) -> None:
    with spawn(sys.executable, MANY) as target:
        pid = str(target.pid)
        run = report_of("tasks", pid)
        told = fastest("tasks", pid)
        taken = fastest("snapshot", pid, "--force", "-o", tmp_path / "many.lscope")

    assert run.code == 0, run.stderr
    assert [(g["tasks"], g["never_finish"]) for g in run.report["groups"]] == [
        (50_000, 50_000),
        (50_000, 0),
        (1, 0),
    ]
    assert told <= 1.5 * taken


TRIO = """
import trio

async def worker(event):
    await event.wait()

async def main():
    event = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(worker, event)
        await trio.sleep(0.01)
        print("ready", flush=True)
        await trio.sleep(1000)

trio.run(main)
"""


def test_tasks_of_trio_are_told_by_where_they_wait() -> None:
    with spawn(sys.executable, TRIO) as target:
        picture = tasks_from_process(target.pid)
        text = leakscope("tasks", str(target.pid)).stdout

    (workers,) = [g for g in picture.groups if g.calls[0].function == "worker"]
    assert workers is picture.groups[0]
    assert (workers.count, workers.calls[0].line) == (5, 5)
    assert workers.calls[1].function == "Event.wait"
    assert {(group.waits_for, group.stranded) for group in picture.groups} == {(None, 0)}
    assert "5 tasks wait" in text
    assert "about to run" not in text


MADE = """
import asyncio, sys

KEPT = set()

async def waiting():
    await asyncio.Event().wait()

async def waiting_in_python():
    await asyncio.Event().wait()

def first():
    for _ in range(30):
        KEPT.add(asyncio.ensure_future(waiting()))

def second():
    for _ in range(20):
        KEPT.add(asyncio.get_running_loop().create_task(waiting()))

async def main():
    first()
    second()
    if sys.argv[-1] == "python tasks":
        loop = asyncio.get_running_loop()
        KEPT.add(asyncio.tasks._PyTask(waiting_in_python(), loop=loop))
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main(), debug=sys.argv[-1] != "silent")
"""


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_who_made_tasks_is_told_in_the_debug_mode_of_asyncio(python: Interpreter) -> None:
    with spawn(python.path, ["-c", MADE]) as target:
        picture = tasks_from_process(target.pid)

    made = {group.calls[0].function: group.made_by for group in picture.groups}
    assert made["waiting"] == Maker(Site("<string>", 14, "first"), 30)
    maker = made["main"]
    assert maker is not None
    assert (maker.site.function, maker.tasks) == ("<module>", 1)


def test_who_made_a_task_in_python_is_told_and_in_words() -> None:
    with spawn(sys.executable, ["-c", MADE, "python tasks"]) as target:
        run = report_of("tasks", str(target.pid))
        text = leakscope("tasks", str(target.pid))

    groups = run.report["groups"]
    assert isinstance(groups, list)
    made = {group["calls"][0]["function"]: group["made_by"] for group in groups}
    assert made["waiting"]["tasks"] == 30
    assert made["waiting_in_python"]["call"]["function"] == "main"
    assert re.search(r"made by +first \(<string>:14\), 30 of them", text.stdout)


def test_who_made_tasks_is_not_told_where_nobody_kept_it() -> None:
    with spawn(sys.executable, ["-c", MADE, "silent"]) as target:
        picture = tasks_from_process(target.pid)

    assert [group.made_by for group in picture.groups] == [None] * len(picture.groups)


AGEING = """
import asyncio, sys

async def waiting():
    await asyncio.Event().wait()

async def renewed():
    await asyncio.Event().wait()

async def main():
    loop = asyncio.get_running_loop()
    kept = {loop.create_task(waiting()) for _ in range(5)}
    one = loop.create_task(renewed())
    named = loop.create_task(waiting(), name="the sixth")
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    one.cancel()
    one = loop.create_task(renewed())
    kept |= {loop.create_task(waiting()) for _ in range(7)}
    print("more", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
"""


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_tasks_that_are_older_than_the_time_between_two_looks_are_told(python: Interpreter) -> None:
    with spawn(python.path, AGEING) as target:
        once = tasks_from_process(target.pid)

        def between(stage: str) -> None:
            if "older" in stage:
                tell(target, "go on")
                assert read_line(target) == "more"

        picture = tasks_from_process(target.pid, told=between, over=0.1)

    assert once.earlier is None
    assert {group.older for group in once.groups} == {None}
    assert picture.earlier == Earlier(0.1, 7)
    ages = {g.calls[0].function: (g.count, g.older, g.younger) for g in picture.groups}
    assert ages == {"main": (1, 1, 0), "waiting": (13, 5, 7), "renewed": (1, 0, 1)}


def test_only_a_process_can_be_looked_at_twice(tmp_path: Path) -> None:
    run = leakscope("tasks", tmp_path / "any.lscope", "--over", "5s")

    assert run.returncode == 2
    assert "--over needs a process to look at, not a file." in run.stderr
