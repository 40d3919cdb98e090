"""Servers that speak TLS are asked too, and are not trusted blindly."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
import trustme

from tests.load.servers import Talk, answering, load_of, serving


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_of_nobody_known_is_refused(tls: ssl.SSLContext) -> None:
    with serving(answering(), tls) as server:
        served = load_of(server, requests=4).run_round(1)

        assert server.seen.asked == []
    assert served.failures == (("certificate not trusted", 4),)


def test_any_certificate_will_do_where_the_user_says_so(tls: ssl.SSLContext) -> None:
    with serving(answering(), tls) as server:
        served = load_of(server, requests=60, concurrency=3, insecure=True).run_round(1)

        assert len(server.seen.asked) == 60
        assert server.seen.connections <= 3
        assert server.client_sockets() == 0
        server.wait_until_all_are_gone()
    assert (served.landed, served.failures) == (60, ())


def test_an_authority_from_the_environment_is_trusted(
    authority: trustme.CA, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))

    with serving(answering(), tls) as server:
        assert load_of(server).run_round(1).landed == 20


def test_faults_work_over_tls(tls: ssl.SSLContext) -> None:
    with serving(answering(), tls) as server:
        load = load_of(server, requests=20, disconnect=0.2, half=0.2, slow=0.1, insecure=True)
        served = load.run_round(1)

        assert server.client_sockets() == 0
        server.wait_until_all_are_gone()
    assert (served.landed, served.statuses, served.failures) == (20, ((200, 12),), ())


def test_a_server_without_tls_is_said_to_have_none() -> None:
    async def handler(talk: Talk) -> None:
        await talk.reader.read(1)
        await talk.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with serving(handler) as server:
        load = load_of(server, f"https://127.0.0.1:{server.port}/", requests=2)
        served = load.run_round(1)

        assert server.client_sockets() == 0
    assert served.failures == (("no TLS connection", 2),)


def test_a_handshake_that_never_ends_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with serving(answering()) as other:
            load = load_of(other, f"https://127.0.0.1:{port}/", requests=2, timeout=0.3)
            served = load.run_round(1)

    assert served.failures == (("no answer within 0.3 s", 2),)
