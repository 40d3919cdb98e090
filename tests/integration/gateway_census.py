"""Run as a program: what requests add to the process of the gateway in fixtures/.

`python gateway_census.py LEAK [--fixed] [--traffic KIND]` serves the gateway in this process and
its upstream in another. It asks a round of requests to warm up, and a second round. It prints one
JSON object that says what the second round added; what it did not change is left out:
`kept`, objects by type after gc; `garbage`, objects by type that this gc freed, less those that the
one before the round did; `lengths` of the containers that the gateway's modules name; `process`,
its `fds`, `threads`, and `rss` in bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fixtures"))

import psutil
from aiohttp.test_utils import TestClient, TestServer
from gateway import upstream_process  # type: ignore[import-not-found]
from gateway.app import make_app  # type: ignore[import-not-found]
from gateway.load import FAILING, Address, Load, Mix  # type: ignore[import-not-found]

from tests.integration.rough_clients import RoughClients

TRAFFIC = {
    "ordinary": (1000, Mix()),
    "few": (200, Mix()),
    "failing": (200, Mix(failing=1.0)),
    "aborted": (200, Mix(aborting=1.0)),
    "new-clients": (200, Mix(new_clients=1.0)),
    "mixed": (1000, Mix(failing=0.2, aborting=0.2, new_clients=0.2)),
    "rough": (1000, None),
}
"""Requests per round, whole batches of everything that the gateway batches, and of what sort: those
of `RoughClients`, where it is None."""


@dataclass(frozen=True, slots=True)
class Census:
    """What is in this process at one moment."""

    kept: Counter[str]
    garbage: Counter[str]
    lengths: Counter[str]
    process: Counter[str]

    @classmethod
    def taken(cls) -> Census:
        process = psutil.Process()
        all_objects = _objects()
        gc.collect()
        kept = _objects()
        numbers = {
            "fds": process.num_fds(),
            "threads": process.num_threads(),
            "rss": process.memory_info().rss,
        }
        return cls(kept, all_objects - kept, Counter(dict(_lengths())), Counter(numbers))

    def minus(self, other: Census) -> dict[str, dict[str, int]]:
        return {
            "kept": _changes(self.kept, other.kept),
            "garbage": _changes(self.garbage, other.garbage),
            "lengths": _changes(self.lengths, other.lengths),
            "process": _changes(self.process, other.process),
        }


async def main(leak: str, traffic: str, *, fixed: bool) -> None:
    requests, mix = TRAFFIC[traffic]
    with upstream_process.started(None) as url:
        app = make_app(url, leak=leak, fixed=fixed)
        async with TestClient(TestServer(app)) as client:
            load = Load(Address("127.0.0.1", client.port, ""), mix or Mix())
            senders = load if mix else RoughClients(client.port)
            await _ask(client, senders, range(requests))
            Census.taken()
            before = Census.taken()
            await _ask(client, senders, range(requests, 2 * requests))
            after = Census.taken()
            load.close()
    failing = sum(load.mix.asks_for(number) == FAILING for number in range(2 * requests))
    if load.failed != failing:
        raise SystemExit(f"{load.failed} requests failed, not {failing}")
    print(json.dumps(after.minus(before)))


async def _ask(client: TestClient, senders: Load | RoughClients, numbers: range) -> None:
    """Send these requests one after the other, and return when the gateway has counted them."""
    for number in numbers:
        await senders.send(number)
    for _ in range(1000):
        text = await (await client.get("/metrics")).text()
        counted = re.findall(r"(?m)^http_requests_total\{.*\} (\d+)$", text)
        if sum(map(int, counted)) == numbers.stop:
            return
    raise SystemExit(f"after {numbers.stop} requests /metrics says\n{text}")


def _objects() -> Counter[str]:
    return Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())


def _lengths() -> Iterator[tuple[str, int]]:
    """Yield the name and length of the modules' containers, and of those on their objects."""
    for module in [m for name, m in sys.modules.items() if name.startswith("gateway.")]:
        for name, value in vars(module).items():
            named = {name: value}
            if type(value).__module__ == module.__name__:
                named |= {f"{name}.{key}": inner for key, inner in vars(value).items()}
            for path, holder in named.items():
                if isinstance(holder, Collection):
                    yield f"{module.__name__}.{path}", len(holder)


def _changes(after: Counter[str], before: Counter[str]) -> dict[str, int]:
    changes = Counter(after)
    changes.subtract(before)
    return {name: change for name, change in changes.items() if change}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("leak")
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--traffic", choices=list(TRAFFIC), default="ordinary")
    options = parser.parse_args()
    asyncio.run(main(options.leak, options.traffic, fixed=options.fixed))
