"""A round sends exactly its requests, over few connections, and leaves none of them open."""

from __future__ import annotations

import asyncio
import re

from leakscope.load.interface import Load
from tests.load.servers import OK, Talk, answering, load_of, serving
from tests.targets import DEADLINE


def test_a_round_sends_exactly_its_requests() -> None:
    with serving(answering()) as server:
        load: Load = load_of(server, requests=57)
        served = load.run_round(1)

        assert len(server.seen.asked) == 57
    assert (served.asked, served.landed, served.failures) == (57, 57, ())
    assert served.statuses == ((200, 57),)


def test_connections_are_used_again() -> None:
    with serving(answering()) as server:
        load_of(server, requests=100, concurrency=3).run_round(1)

        assert server.seen.connections <= 3


def test_as_many_requests_are_under_way_as_there_are_connections_and_no_more() -> None:
    under_way = 0
    most = 0
    full = asyncio.Event()

    async def handler(talk: Talk) -> None:
        nonlocal under_way, most
        while await talk.request():
            under_way += 1
            most = max(most, under_way)
            if under_way == 5:
                full.set()
            await asyncio.wait_for(full.wait(), DEADLINE)
            under_way -= 1
            await talk.say(OK)

    with serving(handler) as server:
        served = load_of(server, requests=60, concurrency=5).run_round(1)

        assert server.seen.most_open == 5
    assert most == 5
    assert served.landed == 60


def test_faults_do_not_add_connections_beyond_the_bound() -> None:
    with serving(answering()) as server:
        load = load_of(server, requests=80, concurrency=2, disconnect=0.2, half=0.2)
        served = load.run_round(1)

        assert server.client_sockets() == 0
    assert served.landed == 80


def test_no_connection_is_left_open_after_a_round() -> None:
    with serving(answering()) as server:
        load = load_of(server)
        for number in range(3):
            load.run_round(number)
            assert server.client_sockets() == 0
            server.wait_until_all_are_gone()


def test_a_server_that_never_closes_its_side_does_not_keep_a_round_open() -> None:
    async def handler(talk: Talk) -> None:
        while await talk.request():
            await talk.say(OK)
        await asyncio.Event().wait()

    with serving(handler) as server:
        load_of(server).run_round(1)

        assert server.client_sockets() == 0


def test_requests_are_numbered_over_all_rounds() -> None:
    with serving(answering()) as server:
        load = load_of(server, "/{round}/{n}", requests=10, concurrency=3)
        load.run_round(7)
        load.run_round(8)

        numbers = [re.findall(r"\d+", asked.line)[:2] for asked in server.seen.asked]
    assert sorted((int(r), int(n)) for r, n in numbers) == [
        *((7, n) for n in range(1, 11)),
        *((8, n) for n in range(11, 21)),
    ]


def test_two_loads_with_one_seed_send_the_same_requests() -> None:
    def sent() -> list[str]:
        with serving(answering()) as server:
            load_of(server, "/{rand:1-999999}/{uuid}", concurrency=3).run_round(1)
            return sorted(asked.line for asked in server.seen.asked)

    first = sent()
    assert first == sent()
    assert len(set(first)) == 20


def test_a_round_over_two_servers_keeps_the_bound_over_both() -> None:
    with serving(answering()) as one, serving(answering()) as other:
        load = load_of(one, "/a", f"{other.base}/b", requests=40, concurrency=2)
        served = load.run_round(1)

        assert served.landed == 40
        assert (len(one.seen.asked), len(other.seen.asked)) == (20, 20)
        assert one.client_sockets() == other.client_sockets() == 0


def test_answers_of_every_framing_are_read_to_their_end() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    hinted = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
    for answer in (chunked, empty, hinted):
        with serving(answering(answer)) as server:
            served = load_of(server, requests=30, concurrency=2).run_round(1)

            assert (served.landed, served.failures) == (30, ())
            assert server.seen.connections <= 2


def test_an_answer_may_end_with_its_connection() -> None:
    async def handler(talk: Talk) -> None:
        await talk.request()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\nall there is")

    with serving(handler) as server:
        served = load_of(server).run_round(1)

        assert server.seen.connections == 20
    assert (served.landed, served.failures) == (20, ())


def test_statuses_are_counted_in_ascending_order() -> None:
    async def handler(talk: Talk) -> None:
        while asked := await talk.request():
            status = asked.line.split("/")[1].split()[0]
            await talk.say(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    with serving(handler) as server:
        served = load_of(server, "/503", "/200", "/404", "/200", requests=40).run_round(1)

    assert served.statuses == ((200, 20), (404, 10), (503, 10))
    assert served.landed == 40


def test_with_a_rate_far_above_what_the_server_does_latecomers_are_counted_and_sent() -> None:
    arrived = 0

    async def handler(talk: Talk) -> None:
        nonlocal arrived
        while await talk.request():
            arrived += 1
            if arrived == 1:  # The server hangs a while once, as one that collects garbage does.
                await asyncio.sleep(0.5)
            await talk.say(OK)

    with serving(handler) as server:
        served = load_of(server, requests=10, concurrency=1, rate=1000.0).run_round(1)

        assert len(server.seen.asked) == 10
    assert served.late == 9


def test_with_a_rate_a_round_takes_at_least_as_long_as_the_rate_says() -> None:
    with serving(answering()) as server:
        fast = load_of(server, requests=20).run_round(1)
        paced = load_of(server, requests=20, rate=40.0).run_round(1)

    assert paced.seconds >= 19 / 40
    assert paced.seconds > fast.seconds
