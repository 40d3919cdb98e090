"""`leakscope check` passes what is clean, fails what leaks, never passes what it did not see."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.integration.leakscope_runs import Run, report_of
from tests.integration.services import FIXTURES

GATEWAY = FIXTURES / "gateway"


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


def check(port: int, *options: str, server: tuple[str, ...], load: str | None = None) -> Run:
    drive = f"{sys.executable} {GATEWAY / 'load.py'} --url http://127.0.0.1:{port}/"
    return report_of(
        *("check", "--for", "13s", "--every", "1s"),
        *("--load", load or f"{drive} --rate 100 --seconds 5"),
        *options,
        "--",
        *server,
    )


def gateway(port: int, leak: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, str(GATEWAY), "--port", str(port), "--leak", leak, *flags)


def test_a_leak_over_its_budget_fails_the_build(port: int) -> None:
    run = check(port, "--max-growth", "*=0.01/request", server=gateway(port, "fractional"))

    assert run.code == 1, run.report or run.stderr
    assert run.report["gate"]["passed"] is False
    assert run.finding["type"] == "gateway.sampling.TraceSample"


def test_a_leak_within_its_budget_passes(port: int) -> None:
    run = check(port, "--max-growth", "*=1/request", server=gateway(port, "fractional"))

    assert run.code == 0, run.report or run.stderr
    assert run.report["gate"]["passed"] is True


def test_a_clean_server_passes_and_says_what_could_have_been_missed(port: int) -> None:
    run = check(port, server=gateway(port, "none"))

    assert run.code == 0, run.report or run.stderr
    assert run.report["gate"]["passed"] is True
    # Well below the leaks of the gateway; how far below is up to the noise of the run.
    assert 0 <= run.report["gate"]["excluded"]["rate"] < 1
    assert run.report["gate"]["excluded_plain"]["rate"] >= 0


def test_settings_may_come_from_the_project(tmp_path: Path, port: int) -> None:
    server = ", ".join(f'"{word}"' for word in gateway(port, "fractional"))
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.leakscope]\nserver = [{server}]\nfor = '13s'\nevery = '1s'\n"
        f"load = '{sys.executable} {GATEWAY / 'load.py'} --url http://127.0.0.1:{port}/'\n"
        "max-growth = ['gateway.*=0.01/request']\n",
        encoding="utf-8",
    )

    run = report_of("check", cwd=tmp_path)

    assert run.code == 1, run.report or run.stderr


def test_a_load_that_reaches_nobody_is_not_a_pass(port: int) -> None:
    idle = f"{sys.executable} -c 'import time; time.sleep(60)'"

    run = check(port, server=gateway(port, "none"), load=idle)

    assert run.code == 3
    assert "nothing was served" in run.stderr


def test_a_load_that_fails_is_shown_and_is_not_a_pass(port: int) -> None:
    failing = f"{sys.executable} -c 'print(\"no route\"); raise SystemExit(9)'"

    run = check(port, server=gateway(port, "none"), load=failing)

    assert run.code == 3
    assert "status 9" in run.stderr
    assert "no route" in run.stderr


def test_a_load_command_that_is_missing_is_a_usage_error(port: int) -> None:
    run = check(port, server=gateway(port, "none"), load="no-such-load-command")

    assert run.code == 2
    assert "no-such-load-command" in run.stderr


def test_a_server_that_never_listens_is_not_a_pass(port: int) -> None:
    source = "import threading; threading.Event().wait()"

    run = check(port, "--ready-timeout", "1s", server=(sys.executable, "-c", source))

    assert run.code == 3
    assert "port" in run.stderr


def test_a_server_that_dies_under_load_is_not_a_pass(port: int) -> None:
    source = (
        "import http.server, os, sys, threading\n"
        "threading.Timer(4, os._exit, (5,)).start()\n"
        "handler = http.server.SimpleHTTPRequestHandler\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), handler).serve_forever()\n"
    )

    run = check(
        port,
        server=(sys.executable, "-c", source, str(port)),
        load=f"{sys.executable} -c 'import time; time.sleep(60)'",
    )

    assert run.code == 3
    assert "exited" in run.stderr


RAMP = """
import http.server, sys
class Order:
    pass
KEPT = []
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if len(KEPT) < 1600:
            KEPT.append(Order())
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    do_POST = do_GET
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.slow
def test_what_stops_growing_does_not_fail_the_build(port: int) -> None:
    run = check(port, server=(sys.executable, "-c", RAMP, str(port)))

    assert run.code == 0, run.report or run.stderr
    assert any("Measured twice: __main__.Order grew" in c for c in run.report["caveats"])
