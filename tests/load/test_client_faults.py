"""Clients that leave, stop half way or read slowly: as many as asked for, and as real ones do."""

from __future__ import annotations

import asyncio

from leakscope.load.connection import CRAWL_S
from tests.load.servers import OK, Talk, answering, load_of, serving
from tests.targets import eventually


def test_exactly_the_share_asked_for_leaves_before_its_answer() -> None:
    """Nobody is answered before ten have left."""
    left = 0
    ten_left = asyncio.Event()

    async def handler(talk: Talk) -> None:
        nonlocal left
        await talk.request()
        end = asyncio.ensure_future(talk.reader.read())
        answer = asyncio.ensure_future(ten_left.wait())
        await asyncio.wait([end, answer], return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            left += 1
            if left == 10:
                ten_left.set()
            return
        await talk.say(OK)
        await end

    with serving(handler) as server:
        served = load_of(server, requests=40, concurrency=40, disconnect=0.25).run_round(1)

        server.wait_until_all_are_gone()
        assert len(server.seen.asked) == 40
    assert left == 10
    assert (served.landed, served.statuses, served.failures) == (40, ((200, 30),), ())


def test_a_client_that_stops_half_way_sends_a_part_and_closes() -> None:
    heard: list[bytes] = []

    async def handler(talk: Talk) -> None:
        heard.append(await talk.reader.read())

    with serving(handler) as server:
        served = load_of(server, requests=8, half=1.0).run_round(1)

        eventually(lambda: len(heard) == 8, "the server reads what came of eight requests")
    assert all(part.startswith(b"GET") and b"\r\n\r\n" not in part for part in heard)
    assert (served.landed, served.statuses) == (8, ())


def test_a_client_that_would_leave_a_server_that_refuses_has_not_landed() -> None:
    with serving(answering()) as server:
        pass
    served = load_of(server, requests=4, disconnect=1.0).run_round(1)

    assert served.landed == 0
    assert served.failures == (("connection refused", 4),)


def test_a_slow_client_holds_the_server_up_and_reads_all_in_the_end() -> None:
    body = b"x" * 8_000_000
    waited: list[float] = []

    async def handler(talk: Talk) -> None:
        loop = asyncio.get_running_loop()
        while await talk.request():
            began = loop.time()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            await talk.say(head + body)
            waited.append(loop.time() - began)

    with serving(handler) as server:
        slow = load_of(server, requests=2, slow=1.0).run_round(1)
        held = list(waited)
        waited.clear()
        load_of(server, requests=2).run_round(1)

    assert (slow.landed, slow.statuses) == (2, ((200, 2),))
    assert slow.seconds >= CRAWL_S
    assert min(held) > max(waited)
