"""A round that is told to stop returns soon, whatever the server does."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from leakscope.load.http import RoundTooLong
from leakscope.load.interface import Served
from tests.load.servers import OK, Talk, answering, load_of, serving
from tests.targets import DEADLINE


def test_a_round_ends_when_another_thread_stops_it() -> None:
    arrived = threading.Semaphore(0)

    async def handler(talk: Talk) -> None:
        await talk.request()
        arrived.release()
        await asyncio.Event().wait()

    with serving(handler) as server:
        load = load_of(server, requests=100, concurrency=3, timeout=3600)
        results: list[Served] = []
        thread = threading.Thread(target=lambda: results.append(load.run_round(1)))
        thread.start()
        for _ in range(3):
            assert arrived.acquire(timeout=DEADLINE)
        load.stop()
        thread.join(DEADLINE)

        assert not thread.is_alive()
        assert server.client_sockets() == 0
    assert results[0].failures == (("not sent", 97), ("stopped before the answer", 3))
    assert (results[0].asked, results[0].landed) == (100, 0)


def test_a_round_ends_when_a_signal_handler_stops_it() -> None:
    async def handler(talk: Talk) -> None:
        await talk.request()
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.Event().wait()

    with serving(handler) as server:
        load = load_of(server, requests=100, concurrency=1, timeout=3600)
        before = signal.signal(signal.SIGUSR1, lambda *_: load.stop())
        try:
            served = load.run_round(1)
        finally:
            signal.signal(signal.SIGUSR1, before)

    assert dict(served.failures)["not sent"] == 99


def test_an_interrupted_round_leaves_no_connection() -> None:
    async def handler(talk: Talk) -> None:
        await talk.request()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    with serving(handler) as server:
        load = load_of(server, requests=100, concurrency=1, timeout=3600)
        with pytest.raises(KeyboardInterrupt):
            load.run_round(1)

        assert server.client_sockets() == 0


def test_a_round_that_waits_for_its_rate_ends_too() -> None:
    first = threading.Event()

    async def handler(talk: Talk) -> None:
        while await talk.request():
            first.set()
            await talk.say(OK)

    with serving(handler) as server:
        load = load_of(server, requests=100, concurrency=3, rate=0.001)
        results: list[Served] = []
        thread = threading.Thread(target=lambda: results.append(load.run_round(1)))
        thread.start()
        assert first.wait(DEADLINE)
        load.stop()
        thread.join(DEADLINE)

        assert not thread.is_alive()
    assert sum(count for _, count in results[0].failures) + (results[0].landed or 0) == 100


def test_after_a_stop_nothing_is_sent() -> None:
    with serving(answering()) as server:
        load = load_of(server, requests=10)
        load.stop()
        served = load.run_round(1)

        assert server.seen.connections == 0
    assert served.failures == (("not sent", 10),)


def test_a_round_that_takes_too_long_fails_and_leaves_nothing_open() -> None:
    async def handler(talk: Talk) -> None:
        await talk.request()
        await asyncio.Event().wait()

    with serving(handler) as server:
        load = load_of(server, requests=30, concurrency=2, within=0.2)
        with pytest.raises(RoundTooLong, match="30 requests"):
            load.run_round(1)

        assert server.client_sockets() == 0
