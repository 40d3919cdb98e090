"""The gateway that leakscope is tried on proxies for real, and answers as it claims."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest

from tests.integration.services import FIXTURES, Service, service
from tests.targets import eventually

GATEWAY = FIXTURES / "gateway"


@pytest.fixture
def gateway() -> Iterator[Service]:
    with service(GATEWAY, "--port", "0") as running:
        yield running


def test_bodies_pass_unchanged_in_both_directions(gateway: Service) -> None:
    body = os.urandom(3_000_000)

    assert gateway.ask("/echo", method="POST", body=body).body == body


def test_a_body_is_passed_on_before_it_is_complete(gateway: Service) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head + b"5\r\nfirst\r\n")
        received = b""
        while b"first" not in received:
            received += connection.recv(65536)
        connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += connection.recv(65536)

    assert b"last" in received


def test_the_upstream_sees_the_request_and_not_the_connection(gateway: Service) -> None:
    sent = {"Connection": "close, X-Hop", "X-Hop": "1", "X-End": "2", "X-Request-Id": "abc"}

    answer = gateway.ask("/a%2Fb?c=%20d", headers=sent)

    told = json.loads(answer.body)
    assert told["path"] == "/a%2Fb?c=%20d"
    headers = {name.lower(): value for name, value in told["headers"].items()}
    assert headers["x-end"] == "2"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-request-id"] == answer.headers["X-Request-Id"] == "abc"
    assert "x-hop" not in headers


def test_head_is_answered_without_a_body(gateway: Service) -> None:
    answer = gateway.ask("/x", method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("told", "status"), [("status=503", 503), ("delay=0.01", 200), ("fault=reset", 502)]
)
def test_the_client_learns_how_the_upstream_answered(
    gateway: Service, told: str, status: int
) -> None:
    assert gateway.ask(f"/x?{told}").status == status
    assert gateway.ask("/x", headers={"X-Upstream": told}).status == status


def test_a_large_answer_arrives_whole(gateway: Service) -> None:
    assert len(gateway.ask("/x?bytes=20000000").body) == 20_000_000


def test_an_answer_cut_by_the_upstream_is_cut_for_the_client_too(gateway: Service) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        gateway.ask("/x?fault=cut")

    assert gateway.counted() == {'{method="GET",code="502"}': 1}


def test_a_client_that_leaves_before_the_answer_is_counted_once(gateway: Service) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(b"GET /x?fault=hang HTTP/1.1\r\nHost: x\r\n\r\n")

    gone = {'{method="GET",code="499"}': 1}
    eventually(lambda: gateway.counted() == gone, "the request is counted as given up")


def test_exactly_the_proxied_requests_are_counted(gateway: Service) -> None:
    for path in ("/a", "/b", "/healthz", "/metrics", "/c?status=404"):
        gateway.ask(path)
    gateway.ask("/d", method="POST", body=b"body")
    gateway.ask("/e", method="PROPFIND")

    assert gateway.counted() == {
        '{method="GET",code="200"}': 2,
        '{method="GET",code="404"}': 1,
        '{method="OTHER",code="200"}': 1,
        '{method="POST",code="200"}': 1,
    }


def test_a_client_with_any_name_has_its_line_on_metrics() -> None:
    with service(GATEWAY, "--port", "0", "--leak", "metrics-label-explosion") as gateway:
        gateway.ask("/a", headers={"X-Client": 'a"b\\c'})
        text = gateway.ask("/metrics").body.decode()

    assert r'client_requests_total{client="a\"b\\c"} 1' in text.splitlines()


@pytest.mark.parametrize("flags", [[], ["--fixed"]])
def test_the_upstream_is_told_the_digest_of_the_body(flags: list[str]) -> None:
    with service(GATEWAY, "--port", "0", "--leak", "thread-per-request", *flags) as gateway:
        told = json.loads(gateway.ask("/a", method="POST", body=b"body").body)

    assert told["headers"]["X-Body-Digest"] == told["sha256"]


@pytest.mark.parametrize("flags", [[], ["--fixed"]])
def test_what_looks_like_an_attack_is_refused(flags: list[str]) -> None:
    with service(GATEWAY, "--port", "0", "--leak", "pool-grows", *flags) as gateway:
        attack = gateway.ask("/a", method="POST", body=b"<SCRIPT>")
        harmless = gateway.ask("/a", method="POST", body=b"body")

    assert (attack.status, harmless.status) == (403, 200)


@pytest.mark.parametrize(
    "leak", ["task-ignores-cancel", "thread-per-request", "cycle-with-finaliser"]
)
def test_a_gateway_that_has_leaked_still_ends_when_told(leak: str) -> None:
    with service(GATEWAY, "--port", "0", "--leak", leak) as gateway:
        _run_load(gateway.port, "--rate", "100", "--seconds", "0.5", "--aborting", "0.5")

        os.kill(gateway.pid, signal.SIGTERM)

        assert gateway.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_finishes_the_request_in_flight_and_leaves_nothing(
    gateway: Service, number: signal.Signals
) -> None:
    (upstream,) = psutil.Process(gateway.pid).children()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    with closing(connection):
        connection.request("GET", "/x?bytes=30000000")
        # Far more than the sockets' buffers hold: the answer cannot end before it is read.
        answer = connection.getresponse()
        os.kill(gateway.pid, number)
        eventually(lambda: not _accepts(gateway.port), "the gateway stops listening")
        assert len(answer.read()) == 30_000_000

    assert gateway.process.wait(30) == 0
    assert not psutil.pid_exists(upstream.pid)


def test_the_upstream_does_not_outlive_a_killed_gateway(gateway: Service) -> None:
    (upstream,) = psutil.Process(gateway.pid).children()

    gateway.process.kill()

    eventually(lambda: _has_ended(upstream), "the upstream ends")


def test_an_upstream_that_is_elsewhere_is_used_and_left_alone(gateway: Service) -> None:
    elsewhere = f"http://127.0.0.1:{gateway.port}"
    with service(GATEWAY, "--port", "0", "--upstream", elsewhere) as front:
        assert front.ask("/x").status == 200
        assert psutil.Process(front.pid).children() == []

    assert gateway.counted() == {'{method="GET",code="200"}': 1}


def test_the_load_client_sends_what_it_says(gateway: Service) -> None:
    said = _run_load(gateway.port, "--rate", "200", "--seconds", "1")

    assert said.returncode == 0
    assert said.stdout.startswith("requests: 200 ok, 0 failed in ")
    assert gateway.counted() == {
        '{method="GET",code="200"}': 150,
        '{method="POST",code="200"}': 50,
    }


def test_the_load_client_sends_the_shares_it_is_told_to() -> None:
    with service(GATEWAY, "--port", "0", "--leak", "metrics-label-explosion") as gateway:
        shares = ("--failing", "0.2", "--aborting", "0.1", "--new-clients", "0.5")
        said = _run_load(gateway.port, "--rate", "200", "--seconds", "1", *shares)
        eventually(lambda: sum(gateway.counted().values()) == 200, "all are counted")
        counted, metrics = gateway.counted(), gateway.ask("/metrics").body.decode()

    ok, failed, aborted = map(int, re.findall(r"(\d+) (?:ok|failed|aborted)", said.stdout))
    assert failed == pytest.approx(40, abs=1)
    assert aborted == pytest.approx(20, abs=1)
    assert counted['{method="GET",code="503"}'] == failed
    assert counted['{method="GET",code="499"}'] == aborted
    assert ok + failed + aborted == 200
    new = re.findall(r'(?m)^client_requests_total\{client="visitor-\d+-\d+"\} (\d+)$', metrics)
    assert {*new} == {"1"}
    # Half of all clients are new, and those that leave get no answer to be counted for.
    assert 100 - aborted <= len(new) <= 102


def test_shares_that_exceed_the_whole_are_refused() -> None:
    said = _run_load(1, "--failing", "0.6", "--aborting", "0.5")

    assert said.returncode == 2
    assert "together are more than 1" in said.stderr


def test_the_load_client_fails_when_nothing_landed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    said = _run_load(port, "--rate", "20", "--seconds", "0.2", "--wait-ready", "0")

    assert said.returncode == 1
    assert said.stdout.startswith("requests: 0 ok, 4 failed in ")


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_wrk_script_sends_the_same_mix(gateway: Service) -> None:
    url = f"http://127.0.0.1:{gateway.port}/"
    subprocess.run(
        ["wrk", "-t1", "-c2", "-d1s", "-s", GATEWAY / "load.lua", url], check=True, timeout=60
    )

    posts, gets = (gateway.counted()[f'{{method="{m}",code="200"}}'] for m in ("POST", "GET"))
    assert abs(3 * posts - gets) <= 20


def _run_load(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, GATEWAY / "load.py", "--url", f"http://127.0.0.1:{port}/"]
    return subprocess.run(
        [*map(str, command), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
