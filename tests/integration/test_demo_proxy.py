"""The proxy that `leakscope demo` watches works, leaks one context per request, and goes away."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from leakscope.demo import drive as drive_program
from leakscope.demo.drive import drive
from leakscope.demo.run import DemoNotStarted, RunningProxy, start_load, start_proxy
from leakscope.demo.shop import audit, catalogue
from leakscope.demo.shop.messages import answer
from leakscope.demo.shop.proxy import Proxy
from tests.pythons import Interpreter, interpreters
from tests.targets import eventually, read_line, spawn


@pytest.fixture
def proxy() -> Iterator[RunningProxy]:
    with start_proxy() as running:
        yield running


def test_a_request_is_answered_by_the_shop_and_counted(proxy: RunningProxy) -> None:
    status, body = _ask(proxy.port, "POST", "/baskets/7", b"item=1")

    assert status == 200
    assert json.loads(body)["page"] == "/baskets/7"
    assert json.loads(body)["received"] == 6
    assert _counted(proxy.port) == ['http_requests_total{method="POST",code="200"} 1']


def test_reading_the_metrics_is_not_counted(proxy: RunningProxy) -> None:
    assert _counted(proxy.port) == []
    assert _counted(proxy.port) == []


@pytest.mark.parametrize(
    "nonsense",
    [b"\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"a b c\r\nContent-Length: -1\r\n\r\n"],
)
def test_nonsense_is_refused_and_not_counted(proxy: RunningProxy, nonsense: bytes) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(nonsense)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")

    assert _counted(proxy.port) == []


def test_without_the_shop_the_proxy_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = unused.getsockname()[1]

    async def ask() -> int:
        front = await asyncio.start_server(
            Proxy(nobody, audit.write_in_batches).serve_connection, "127.0.0.1", 0
        )
        status, _ = await asyncio.to_thread(_ask, _port_of(front), "GET", "/", b"")
        front.close()
        return status

    assert asyncio.run(ask()) == 502


def test_the_leak_is_one_context_per_request() -> None:
    assert _contexts_after(audit.keep_for_collector, requests=240) == 240
    audit.PENDING.clear()


def test_without_the_leak_no_context_stays() -> None:
    assert _contexts_after(audit.write_in_batches, requests=240) == 0


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
@pytest.mark.parametrize("fixed", [False, True], ids=["leaking", "fixed"])
def test_the_proxy_runs_on_every_python(interpreter: Interpreter, fixed: bool) -> None:
    with start_proxy(python=interpreter.path, fixed=fixed) as proxy:
        assert asyncio.run(drive(proxy.port, rate=400, seconds=0.2)) == 80
        assert _counted(proxy.port) == [
            'http_requests_total{method="GET",code="200"} 27',
            'http_requests_total{method="POST",code="200"} 53',
        ]


@pytest.mark.parametrize("interpreter", interpreters(), ids=lambda i: i.version)
def test_the_load_runs_on_every_python(interpreter: Interpreter, proxy: RunningProxy) -> None:
    command = [str(interpreter.path), drive_program.__file__, str(proxy.port), "400", "0.1"]

    assert subprocess.check_output(command, timeout=60) == b"answered 40\n"


def test_nothing_is_left_when_the_demo_is_over() -> None:
    with start_proxy() as proxy, start_load(proxy.port, rate=50, seconds=3600) as load:
        eventually(lambda: _counted(proxy.port) != [], "the load arrives")

    assert load.returncode is not None
    assert not psutil.pid_exists(proxy.pid)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))


def test_the_load_tells_how_many_were_answered(proxy: RunningProxy) -> None:
    with start_load(proxy.port, rate=200, seconds=0.1) as load:
        said, _ = load.communicate(timeout=60)

    assert said == "answered 20\n"


def test_the_load_counts_only_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = unused.getsockname()[1]

    assert asyncio.run(drive(nobody, rate=100, seconds=0.05)) == 0


def test_the_proxy_does_not_outlive_a_killed_demo() -> None:
    code = """
import sys
from leakscope.demo.run import start_proxy
with start_proxy() as proxy:
    print("ready", proxy.pid, flush=True)
    sys.stdin.read()
"""
    with spawn(sys.executable, code, wait_for=None) as demo:
        pid = int(read_line(demo).split()[1])
        assert psutil.pid_exists(pid)
        demo.kill()
        eventually(lambda: _has_ended(pid), "the proxy ends")


@pytest.mark.parametrize("python", [Path("/nowhere/python"), Path("/bin/false")])
def test_a_proxy_that_cannot_start_is_an_expected_failure(python: Path) -> None:
    with pytest.raises(DemoNotStarted) as failure, start_proxy(python=python):
        pass

    assert failure.value.remedy


def test_a_message_says_how_long_its_body_is() -> None:
    assert answer("200 OK", "né").encoded().split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"content-type: text/plain",
        b"content-length: 3",
        b"",
        "né".encode(),
    ]


def _contexts_after(note: Callable[[audit.RequestContext], None], *, requests: int) -> int:
    """Return how many contexts are alive when a proxy in this process answered `requests`."""

    async def serve_and_ask() -> int:
        shop = await asyncio.start_server(catalogue.serve_connection, "127.0.0.1", 0)
        proxy = Proxy(_port_of(shop), note)
        front = await asyncio.start_server(proxy.serve_connection, "127.0.0.1", 0)
        answered = await drive(_port_of(front), rate=1000, seconds=requests / 1000)
        front.close()
        await proxy.close()
        shop.close()
        return answered

    assert asyncio.run(serve_and_ask()) == requests
    gc.collect()
    return sum(type(o) is audit.RequestContext for o in gc.get_objects())


def _ask(port: int, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()


def _counted(port: int) -> list[str]:
    """Return the samples of the proxy's counter."""
    lines = _ask(port, "GET", "/metrics", b"")[1].decode().splitlines()
    assert lines[0] == "# TYPE http_requests_total counter"
    return lines[1:]


def _port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
