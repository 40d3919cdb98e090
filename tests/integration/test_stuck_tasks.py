"""Which tasks of real event loops are said never to finish: those, and never another one.

A claim that is wrong costs more trust than one that is missing, so most of this are tasks that do
finish, in all the ways that asyncio has.
"""

from __future__ import annotations

import sys

import pytest

from leakscope.watching.tasks import tasks_from_process
from tests.pythons import Interpreter, interpreters
from tests.targets import spawn

PROGRAM = """
import asyncio, queue, socket, subprocess, sys, threading

KEPT = set()

def start(coroutine):
    task = asyncio.ensure_future(coroutine)
    KEPT.add(task)
    return task

# ---- nothing wakes these

async def lost_event():
    await asyncio.Event().wait()

async def lost_queue():
    await asyncio.Queue().get()

async def lost_future():
    await asyncio.get_running_loop().create_future()

async def lost_circle(others, place):
    await asyncio.sleep(0)
    await others[1 - place]

async def lost_lock_owner(lock, taken):
    async with lock:
        taken.set()
        await asyncio.Event().wait()

async def lost_lock_waiter(lock):
    async with lock:
        pass

async def lost_gather():
    await asyncio.gather(lost_child(), lost_child())

async def lost_child():
    await asyncio.Event().wait()

async def lost_join():
    await start(lost_joined())

async def lost_joined():
    await asyncio.Event().wait()

# ---- these go on

async def relay_first(out):
    await asyncio.sleep(3600)
    out.set_result(None)

async def relay(into, out):
    await into
    out.set_result(None)

async def timed():
    async with asyncio.timeout(3600):
        await asyncio.Event().wait()

async def waited_for():
    await asyncio.wait_for(inner_of_wait_for(), 3600)

async def inner_of_wait_for():
    await asyncio.Event().wait()

async def called_later():
    asyncio.get_running_loop().call_later(3600, asyncio.current_task().cancel)
    await asyncio.Event().wait()

async def grouped():
    async with asyncio.TaskGroup() as group:
        group.create_task(group_sleeper())
        group.create_task(group_waiter())

async def group_sleeper():
    await asyncio.sleep(3600)

async def group_waiter():
    await asyncio.Event().wait()

async def timed_gather():
    await asyncio.wait_for(asyncio.gather(gathered(), gathered()), 3600)

async def gathered():
    await asyncio.Event().wait()

async def half_gather():
    await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(3600))

async def shielding(task):
    await asyncio.shield(task)

async def first_of():
    await asyncio.wait([start(sleeper()), start(sleeper())], return_when="FIRST_COMPLETED")

async def sleeper():
    await asyncio.sleep(3600)

async def consumer(jobs):
    await jobs.get()

async def producer(jobs):
    await asyncio.sleep(3600)
    jobs.put_nowait(1)

async def named_waiter():
    await NAMED.wait()

async def lock_owner(lock):
    async with lock:
        await asyncio.sleep(3600)

async def lock_waiter(lock):
    await asyncio.sleep(0)
    async with lock:
        pass

async def executed():
    await asyncio.get_running_loop().run_in_executor(None, BLOCKER.get)

async def reading(reader):
    await reader.read(1)

async def running_process():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; sys.stdin.read()", stdin=subprocess.PIPE
    )
    KEPT.add(process)
    await process.wait()

async def from_thread(ready):
    loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    def work():
        ready.set()
        BLOCKER.get()
        loop.call_soon_threadsafe(future.set_result, None)
    threading.Thread(target=work, daemon=True).start()
    await future

async def condition_waiter(condition):
    async with condition:
        await condition.wait()

async def notifier(condition):
    await asyncio.sleep(3600)
    async with condition:
        condition.notify_all()

async def generating(source):
    async for _ in source:
        pass

async def slowly():
    yield 1
    await asyncio.sleep(3600)

async def main():
    global NAMED, BLOCKER
    NAMED, BLOCKER = asyncio.Event(), queue.Queue()
    for lost in (lost_event, lost_queue, lost_future, lost_gather, lost_join):
        start(lost())
    others = []
    others += [start(lost_circle(others, 0)), start(lost_circle(others, 1))]
    dead, taken = asyncio.Lock(), asyncio.Event()
    start(lost_lock_owner(dead, taken))
    await taken.wait()
    start(lost_lock_waiter(dead))

    futures = [asyncio.get_running_loop().create_future() for _ in range(10)]
    start(relay_first(futures[0]))
    for into, out in zip(futures, futures[1:]):
        start(relay(into, out))
    if sys.version_info >= (3, 11):
        start(timed())
        start(grouped())
    for going in (waited_for, called_later, timed_gather, half_gather, first_of, named_waiter,
                  executed):
        start(going())
    start(shielding(start(sleeper())))
    jobs = asyncio.Queue()
    start(consumer(jobs)), start(producer(jobs))
    lock = asyncio.Lock()
    start(lock_owner(lock)), start(lock_waiter(lock))
    here, there = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=here)
    KEPT.update([there, writer])
    start(reading(reader))
    ready = threading.Event()
    start(from_thread(ready))
    condition = asyncio.Condition()
    start(condition_waiter(condition)), start(notifier(condition))
    start(generating(slowly()))
    start(running_process())
    del futures, others, dead, taken, jobs, lock, condition, reader, writer, into, out
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    await asyncio.sleep(3600)

if len(sys.argv) > 1:
    import uvloop
    uvloop.install()
asyncio.run(main())
"""

LOST = {
    "lost_event": 1,
    "lost_queue": 1,
    "lost_future": 1,
    "lost_circle": 2,
    "lost_lock_owner": 1,
    "lost_lock_waiter": 1,
    "lost_gather": 1,
    "lost_child": 2,
    "lost_join": 1,
    "lost_joined": 1,
}


def never_finish(pid: int) -> dict[str, int]:
    picture = tasks_from_process(pid, groups=100)
    assert picture.more_groups == 0
    assert picture.tasks > 35
    found: dict[str, int] = {}
    for group in picture.groups:
        if group.stranded:
            name = group.calls[0].function
            found[name] = found.get(name, 0) + group.stranded
    return found


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.version)
def test_those_that_nothing_wakes_never_finish_and_no_others(python: Interpreter) -> None:
    with spawn(python.path, PROGRAM) as target:
        assert never_finish(target.pid) == LOST


def test_the_same_under_uvloop() -> None:
    pytest.importorskip("uvloop")
    with spawn(sys.executable, ["-W", "ignore", "-c", PROGRAM, "uvloop"]) as target:
        assert never_finish(target.pid) == LOST
