"""The client drives real aiohttp services, and they see what it claims to have sent."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from aiohttp import web

from leakscope.load.faults import Shares
from leakscope.load.http import HttpLoad
from leakscope.load.plan import ClientPlan
from tests.integration.services import FIXTURES, service
from tests.targets import DEADLINE

_REQUESTS = """\
GET /api/items/{rand:1-1000}?page={n}
{"url": "/echo", "headers": {"X-Client": "client-{rand:1-50}"}, "body": {"id": "{uuid}"}}
"""


def test_the_gateway_serves_what_a_file_of_requests_says(tmp_path: Path) -> None:
    file = tmp_path / "requests.txt"
    file.write_text(_REQUESTS, encoding="utf-8")
    with service(FIXTURES / "gateway", "--port", "0") as gateway:
        plan = ClientPlan(requests=file, requests_per_round=120, concurrency=6)
        load = HttpLoad(plan, base=f"http://127.0.0.1:{gateway.port}")
        before = sum(gateway.counted().values())
        rounds = [load.run_round(number) for number in range(3)]
        counted = sum(gateway.counted().values()) - before

    assert [(served.asked, served.landed, served.failures) for served in rounds] == [
        (120, 120, ())
    ] * 3
    assert sum((dict(served.statuses)[200] for served in rounds), 0) == 360
    assert counted == 360


def test_handlers_of_a_framework_are_cancelled_when_their_clients_leave() -> None:
    """Nobody is answered before eight have left; every one of them had reached its handler."""
    started = cancelled = 0
    eight_left = asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        nonlocal started, cancelled
        started += 1
        try:
            await eight_left.wait()
        except asyncio.CancelledError:
            cancelled += 1
            if cancelled == 8:
                eight_left.set()
            raise
        return web.Response(text="served")

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application, handler_cancellation=True)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        plan = ClientPlan(
            urls=("/",), requests_per_round=40, concurrency=40, shares=Shares(disconnect=0.2)
        )
        served = HttpLoad(plan, base=base).run_round(1)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()

    assert (started, cancelled) == (40, 8)
    assert (served.landed, served.statuses, served.failures) == (40, ((200, 32),), ())
