"""What goes wrong is counted in plain words, and nothing a server does holds a round up."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from pathlib import Path

import pytest

from leakscope.load.http import HttpLoad
from leakscope.load.plan import ClientPlan
from tests.load.servers import OK, Handler, Talk, answering, load_of, serving


def saying(answer: bytes) -> Handler:
    """Return what answers the first request of a connection like this and ends it."""

    async def handler(talk: Talk) -> None:
        if await talk.request():
            await talk.say(answer)

    return handler


async def resetting(talk: Talk) -> None:
    await talk.request()
    talk.reset()


async def never(talk: Talk) -> None:
    await talk.request()
    await asyncio.Event().wait()


def test_a_port_that_nobody_listens_on_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        load = HttpLoad(ClientPlan(urls=(url,), requests_per_round=12))
        served = load.run_round(1)

    assert (served.asked, served.landed) == (12, 0)
    assert served.failures == (("connection refused", 12),)


def test_a_host_that_does_not_exist_is_said_to_be_not_found() -> None:
    load = HttpLoad(ClientPlan(urls=("http://nowhere.invalid/",), requests_per_round=3))

    assert load.run_round(1).failures == (("host name not found", 3),)


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (resetting, "connection reset"),
        (saying(b""), "closed without an answer"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "answer cut short"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Le"), "answer cut short"),
        (
            saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "the answer is no HTTP/1",
        ),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "the answer is no HTTP/1"),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600_000), "the head of the answer is too long"),
        (saying(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "the answer is no HTTP/1"),
    ],
)
def test_each_way_to_fail_has_its_words(handler: Handler, words: str) -> None:
    with serving(handler) as server:
        served = load_of(server, requests=6).run_round(1)

        assert server.client_sockets() == 0
    assert served.failures == ((words, 6),)
    assert served.landed == 0


def test_a_request_without_an_answer_is_given_up_in_time() -> None:
    with serving(never) as server:
        served = load_of(server, requests=4, timeout=0.2).run_round(1)

        assert server.client_sockets() == 0
    assert served.failures == (("no answer within 0.2 s", 4),)


def test_a_server_that_stopped_answering_is_not_asked_for_hours() -> None:
    with serving(never) as server:
        served = load_of(server, requests=5000, concurrency=2, timeout=0.05).run_round(1)

        assert len(server.seen.asked) < 10
    failures = dict(served.failures)
    assert failures["not sent"] > 4990
    assert sum(failures.values()) == 5000


def test_an_endless_body_ends_with_the_time_of_its_request() -> None:
    async def handler(talk: Talk) -> None:
        await talk.request()
        talk.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not talk.writer.is_closing():
            await talk.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await asyncio.sleep(0)

    with serving(handler) as server:
        served = load_of(server, requests=2, concurrency=2, timeout=0.3).run_round(1)

    assert served.failures == (("no answer within 0.3 s", 2),)


def test_endless_news_before_an_answer_end_with_the_time_of_their_request() -> None:
    async def handler(talk: Talk) -> None:
        await talk.request()
        while not talk.writer.is_closing():
            await talk.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)
            await asyncio.sleep(0)

    with serving(handler) as server:
        served = load_of(server, requests=1, timeout=0.3).run_round(1)

    assert served.failures == (("no answer within 0.3 s", 1),)


def test_a_kept_connection_that_the_server_closes_is_no_failure() -> None:
    async def handler(talk: Talk) -> None:
        for _ in range(3):
            if await talk.request():
                await talk.say(OK)

    with serving(handler) as server:
        served = load_of(server, requests=50, concurrency=2).run_round(1)

    assert (served.landed, served.failures) == (50, ())


def test_a_kept_connection_that_dies_of_the_next_request_is_replaced_once() -> None:
    """The server reads the request and only then closes: the client can not have known."""

    async def handler(talk: Talk) -> None:
        if await talk.request():
            await talk.say(OK)
        await talk.request()

    with serving(handler) as server:
        served = load_of(server, requests=10, concurrency=1).run_round(1)

        assert server.seen.connections == 10
        assert len(server.seen.asked) == 19
    assert (served.asked, served.landed, served.failures) == (10, 10, ())


def test_a_server_that_closes_every_connection_unanswered_is_not_asked_for_ever() -> None:
    answers = itertools.chain([OK], itertools.repeat(b""))

    async def handler(talk: Talk) -> None:
        while await talk.request():
            answer = next(answers)
            if not answer:
                return
            await talk.say(answer)

    with serving(handler) as server:
        served = load_of(server, requests=10, concurrency=1).run_round(1)

        assert len(server.seen.asked) == 11
    assert served.landed == 1
    assert served.failures == (("closed without an answer", 9),)


def test_a_second_answer_to_one_request_is_not_taken_for_the_next_ones() -> None:
    with serving(answering(OK + b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n")) as server:
        served = load_of(server, requests=20, concurrency=2).run_round(1)

    assert served.statuses == ((200, 20),)


def test_an_answer_before_the_whole_request_was_read_counts(tmp_path: Path) -> None:
    """The server reads the head alone; the body is more than the system takes in between."""
    requests = tmp_path / "requests.txt"
    requests.write_text(json.dumps({"url": "/", "body": "x" * 20_000_000}), encoding="utf-8")

    async def handler(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    with serving(handler) as server:
        plan = ClientPlan(requests=requests, requests_per_round=2)
        served = HttpLoad(plan, base=server.base).run_round(1)

        assert server.client_sockets() == 0
    assert served.statuses == ((413, 2),)


def test_failures_of_one_round_do_not_reach_into_the_next() -> None:
    good = False

    async def handler(talk: Talk) -> None:
        while await talk.request():
            if not good:
                talk.reset()
                return
            await talk.say(OK)

    with serving(handler) as server:
        load = load_of(server)
        assert load.run_round(1).landed == 0
        good = True
        served = load.run_round(2)
        server.wait_until_all_are_gone()

    assert (served.landed, served.failures) == (20, ())
