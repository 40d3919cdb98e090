"""Run as a program: what requests add to the heap of the gateway in fixtures/.

`python gateway_census.py LEAK [--fixed]` serves the gateway and its upstream in this process and
asks it 1000 requests to warm up and 1000 more. It prints one JSON object: by how many the objects
of each type grew with the second thousand, after gc, types that did not change left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures"))

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from gateway import upstream  # type: ignore[import-not-found]
from gateway.app import make_app  # type: ignore[import-not-found]
from gateway.load import Address, Load  # type: ignore[import-not-found]

REQUESTS = 1000
"""Per round: whole batches of everything that the gateway batches."""


async def main(leak: str, *, fixed: bool) -> None:
    behind = web.Application()
    behind.router.add_route("*", "/{path:.*}", upstream.answer)
    async with TestServer(behind) as service:
        app = make_app(str(service.make_url("/")), leak=leak, fixed=fixed)
        async with TestClient(TestServer(app)) as client:
            load = Load(Address("127.0.0.1", client.port, ""))
            await _ask(client, load, range(REQUESTS))
            _census()
            before = _census()
            await _ask(client, load, range(REQUESTS, 2 * REQUESTS))
            after = _census()
            load.close()
    after.subtract(before)
    print(json.dumps({name: added for name, added in after.items() if added}))


async def _ask(client: TestClient, load: Load, numbers: range) -> None:
    """Send these requests one after the other, and return when the gateway has counted them."""
    for number in numbers:
        await load.send(number)
    if load.failed:
        raise SystemExit(f"{load.failed} requests failed")
    for _ in range(1000):
        text = await (await client.get("/metrics")).text()
        counted = re.findall(r"(?m)^http_requests_total\{.*\} (\d+)$", text)
        if sum(map(int, counted)) == numbers.stop:
            return
    raise SystemExit(f"after {numbers.stop} requests /metrics says\n{text}")


def _census() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("leak")
    parser.add_argument("--fixed", action="store_true")
    options = parser.parse_args()
    asyncio.run(main(options.leak, fixed=options.fixed))
