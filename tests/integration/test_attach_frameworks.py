"""Services on gevent and uvloop: busy and idle, patched or not."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from tests.attaching import AGENT_KINDS, assert_no_traces, attached, still_runs, traces
from tests.targets import spawn

GEVENT = "from gevent import monkey; monkey.patch_all()\nimport gevent, threading, time\n"
SERVICES = {
    "gevent, idle": GEVENT + "gevent.sleep(0.01)\nprint('ready', flush=True)\ngevent.sleep(1000)",
    "gevent, busy": GEVENT
    + """
def work():
    while True:
        sum(range(300))
        gevent.sleep(0)
gevent.spawn(work)
gevent.sleep(0.01)
print("ready", flush=True)
while True:
    gevent.sleep(0)
""",
    "gevent, in a patched lock": GEVENT
    + """
lock = threading.Lock()
lock.acquire()
gevent.spawn_later(1000, lock.release)
gevent.sleep(0.01)  # its loop is there before we look
print("ready", flush=True)
lock.acquire()
""",
    "uvloop, idle": """
import asyncio, uvloop
async def main():
    print("ready", flush=True)
    await asyncio.sleep(1000)
uvloop.run(main())
""",
    "uvloop, busy": """
import asyncio, uvloop
async def main():
    print("ready", flush=True)
    while True:
        await asyncio.sleep(0)
        sum(range(300))
uvloop.run(main())
""",
}


@pytest.mark.parametrize("kind", AGENT_KINDS)
@pytest.mark.parametrize("service", SERVICES)
def test_the_agent_comes_and_goes(service: str, kind: str) -> None:
    library = service.partition(",")[0]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    with spawn(sys.executable, SERVICES[service]) as target:
        before = traces(target.pid)
        for _ in range(3):
            with attached(target, kind) as session:
                assert still_runs(target, session)
            assert_no_traces(target.pid, before)
