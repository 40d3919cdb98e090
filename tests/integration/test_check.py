"""`leakscope check` passes what is clean, fails what leaks, never passes what it did not see."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from tests.integration.leakscope_runs import Run, report_of
from tests.integration.services import FIXTURES

GATEWAY = FIXTURES / "gateway"


def check(*options: str, server: tuple[str, ...], load: str | None = None) -> Run:
    by = ("--load", load) if load else ("--url", "/orders/{n}", "--requests-per-round", "200")
    return report_of("check", *by, *options, "--", *server)


def requests_to(port: int, *, rate: int = 400, seconds: float = 0.5) -> str:
    """Return a command that sends a round of requests."""
    url = f"http://127.0.0.1:{port}/"
    words = f"{GATEWAY / 'load.py'} --url {url} --rate {rate} --seconds {seconds}"
    return f"{sys.executable} {words}"


BY_THE_CLOCK = ("--for", "13s", "--every", "1s")


def gateway(port: int, leak: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, str(GATEWAY), "--port", str(port), "--leak", leak, *flags)


def test_a_leak_over_its_budget_fails_the_build(tmp_path: Path, port: int) -> None:
    sarif = tmp_path / "leaks.sarif"

    run = check(
        *("--max-growth", "*=0.01/request", "--sarif", str(sarif)),
        server=gateway(port, "fractional"),
    )

    assert run.code == 1, run.report or run.stderr
    assert run.report["gate"]["passed"] is False
    assert run.finding["type"] == "gateway.sampling.TraceSample"
    assert run.finding["growth"]["objects"]["estimate"] == pytest.approx(0.2, rel=0.02)
    (result,) = json.loads(sarif.read_text())["runs"][0]["results"]
    shown = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert shown.endswith("gateway/sampling.py"), "not at the file of the module that holds it"


def test_where_it_is_allocated_is_told_of_a_leak_of_few_bytes_too() -> None:
    program = FIXTURES / "programs" / "list_on_instance.py"

    run = report_of(
        *("check", "--url", "/work", "--requests-per-round", "50", "--rounds", "6"),
        *("--", sys.executable, str(program), "--on-request"),
    )

    assert run.code == 1, run.report or run.stderr
    innermost = run.finding["allocated_at"][0]
    assert innermost["file"].endswith("list_on_instance.py")
    assert run.finding["growth"]["objects"]["estimate"] == pytest.approx(1.0)


@pytest.mark.slow
def test_a_load_command_is_run_once_for_each_round(port: int) -> None:
    run = check(load=requests_to(port), server=gateway(port, "fractional"))

    assert run.code == 1, run.report or run.stderr
    assert run.finding["growth"]["objects"]["estimate"] == pytest.approx(0.2, rel=0.02)


def test_a_leak_within_its_budget_passes(port: int) -> None:
    run = check(
        *("--max-growth", "*=1/request"),
        *("--max-growth", "gateway.sampling.SAMPLES=1KiB/request"),
        server=gateway(port, "fractional"),
    )

    assert run.code == 0, run.report or run.stderr
    assert run.report["gate"]["passed"] is True


def test_a_clean_server_passes_and_says_what_could_have_been_missed(port: int) -> None:
    run = check(server=gateway(port, "none"))

    assert run.code == 0, run.report or run.stderr
    assert run.report["gate"]["passed"] is True
    # Well below the leaks of the gateway.
    assert 0 <= run.report["gate"]["excluded"]["rate"] < 0.2
    assert 0 <= run.report["gate"]["excluded_plain"]["rate"] < 0.2


@pytest.mark.slow
def test_a_leak_that_is_known_passes_until_it_expires_and_is_told_when_fixed(
    tmp_path: Path, port: int
) -> None:
    baseline = tmp_path / "known.json"
    known = ("--baseline", str(baseline), "--rounds", "6", "--no-longer")

    assert check(*known, "--update-baseline", server=gateway(port, "fractional")).code == 0

    document = json.loads(baseline.read_text())
    assert [leak["holder"] for leak in document["leaks"]] == ["gateway.sampling.SAMPLES"]
    run = check(*known, server=gateway(port, "fractional"))
    assert run.code == 0, run.report or run.stderr
    assert [leak["type"] for leak in run.report["gate"]["known"]] == [run.finding["type"]]

    document["leaks"][0]["expires"] = "2020-01-01"
    baseline.write_text(json.dumps(document))
    assert check(*known, server=gateway(port, "fractional")).code == 1
    run = check(*known, server=gateway(port, "fractional", "--fixed"))
    assert run.code == 0, run.report or run.stderr
    assert run.report["gate"]["fixed"] == document["leaks"]


@pytest.mark.parametrize("capture", ["native", "portable"])
def test_a_planted_leak_is_found_and_is_no_finding(port: int, capture: str) -> None:
    run = check(
        *("--canary", "--capture", capture, "--rounds", "6", "--no-longer"),
        server=gateway(port, "none"),
    )

    assert run.code == 0, run.report or run.stderr
    canary = run.report["gate"]["canary"]
    assert canary["found"] is True
    assert canary["slope"]["estimate"] == pytest.approx(0.1, rel=0.02)
    assert "Canary" not in json.dumps([run.report["findings"], run.report["not_leaks"]])


def test_a_planted_leak_too_slow_to_be_found_is_no_pass(port: int) -> None:
    run = check(
        *("--canary", "0.001", "--rounds", "6", "--no-longer"),
        server=gateway(port, "none"),
    )

    assert run.code == 3
    assert run.report["gate"]["passed"] is False
    assert "the canary was not found" in run.stderr


@pytest.mark.slow
def test_a_leak_is_found_by_the_clock_under_load_that_goes_on(port: int) -> None:
    run = check(
        *BY_THE_CLOCK,
        load=requests_to(port, rate=100, seconds=5),
        server=gateway(port, "request-in-log-queue"),
    )

    assert run.code == 1, run.report or run.stderr
    assert run.finding["holder"]["path"] == "gateway.audit.PENDING"


def test_a_server_may_say_itself_when_it_is_ready(port: int) -> None:
    run = check(
        *("--ready-line", "^ready ", "--ready-url", f"http://127.0.0.1:{port}/healthz"),
        *("--rounds", "6", "--warm-up", "1", "--no-longer"),
        server=gateway(port, "none"),
    )

    assert run.code == 0, run.report or run.stderr
    assert "listening" in run.stderr, "what the server printed is not shown"


def test_a_server_that_never_says_the_line_is_not_a_pass(port: int) -> None:
    run = check(
        *("--ready-line", "^up and running$", "--ready-timeout", "1s"),
        server=gateway(port, "none"),
    )

    assert run.code == 3
    assert "printed no such line" in run.stderr


def test_settings_may_come_from_the_project(tmp_path: Path, port: int) -> None:
    server = ", ".join(f'"{word}"' for word in gateway(port, "fractional"))
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.leakscope]\nserver = [{server}]\nrounds = 6\n"
        f"load = '{requests_to(port)}'\n"
        '[tool.leakscope.max-growth]\n"gateway.*" = "0.01/request"\n',
        encoding="utf-8",
    )

    run = report_of("check", cwd=tmp_path)

    assert run.code == 1, run.report or run.stderr


def test_a_load_that_reaches_nobody_is_not_a_pass(port: int) -> None:
    run = check(server=gateway(port, "none"), load=f"{sys.executable} -c ''")

    assert run.code == 3
    assert "nothing was served" in run.stderr


@pytest.mark.slow
def test_a_load_by_the_clock_that_reaches_nobody_is_not_a_pass(port: int) -> None:
    idle = f"{sys.executable} -c 'import time; time.sleep(60)'"

    run = check(*BY_THE_CLOCK, server=gateway(port, "none"), load=idle)

    assert run.code == 3
    assert "nothing was served" in run.stderr


def test_a_load_without_an_end_is_no_round(port: int) -> None:
    idle = f"{sys.executable} -c 'import time; time.sleep(60)'"

    run = check("--round-timeout", "1s", server=gateway(port, "none"), load=idle)

    assert run.code == 3
    assert "still runs after 1 seconds" in run.stderr
    assert "--for" in run.stderr


def test_answers_that_are_all_errors_are_not_a_pass(port: int) -> None:
    source = (
        "import http.server as server, sys\n"
        "server.test(server.SimpleHTTPRequestHandler, port=int(sys.argv[1]))\n"
    )

    run = check(server=(sys.executable, "-c", source, str(port)))

    assert run.code == 3
    assert "every one of 200 answers was 404 Not Found" in run.stderr


def test_requests_to_another_server_are_not_a_pass(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        other: int = free.getsockname()[1]

    run = report_of(
        *("check", "--url", f"http://127.0.0.1:{other}/", "--"),
        *gateway(port, "none"),
    )

    assert run.code == 3
    assert "refused" in run.stderr


def test_a_load_that_fails_is_shown_and_is_not_a_pass(port: int) -> None:
    failing = f"{sys.executable} -c 'print(\"no route\"); raise SystemExit(9)'"

    run = check(server=gateway(port, "none"), load=failing)

    assert run.code == 3
    assert "status 9" in run.stderr
    assert "no route" in run.stderr


def test_a_load_command_that_is_missing_is_a_usage_error(port: int) -> None:
    run = check(server=gateway(port, "none"), load="no-such-load-command")

    assert run.code == 2
    assert "no-such-load-command" in run.stderr


def test_a_server_that_never_listens_is_not_a_pass() -> None:
    source = "import threading; threading.Event().wait()"

    run = check("--ready-timeout", "1s", server=(sys.executable, "-c", source))

    assert run.code == 3
    assert "port" in run.stderr


def test_a_program_that_works_by_itself_needs_no_port() -> None:
    source = (
        "import itertools, threading\n"
        "class Job: pass\n"
        "DONE, pause = [], threading.Event()\n"
        "for _ in itertools.count():\n"
        "    DONE.append(Job())\n"
        "    pause.wait(0.01)\n"
    )

    run = check(
        *("--ready-after", "1s", "--rounds", "6", "--warm-up", "1"),
        load="sleep 1",
        server=(sys.executable, "-c", source),
    )

    assert run.code == 1, run.report or run.stderr
    assert run.finding["holder"]["path"] == "__main__.DONE"


def test_a_server_that_dies_under_load_is_not_a_pass(port: int) -> None:
    source = (
        "import http.server, os, sys, threading\n"
        "threading.Timer(4, os._exit, (5,)).start()\n"
        "handler = http.server.SimpleHTTPRequestHandler\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), handler).serve_forever()\n"
    )

    run = check(
        server=(sys.executable, "-c", source, str(port)),
        load=f"{sys.executable} -c 'import time; time.sleep(60)'",
    )

    assert run.code == 3
    assert "exited" in run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--pid", "1", "--load", "true", "--", "python"), "either a server command"),
        (("--", "python"), "there is no load"),
        (("--load", "true", "--url", "/", "--", "python"), "there are two loads"),
        (("--url", "/{nonsense}", "--", "python"), "nonsense"),
        (("--load", "true", "--rounds", "3", "--", "python"), "3 rounds are too few"),
        (("--load", "true", "--rounds", "8", "--for", "9s", "--", "python"), "by the clock"),
        (("--load", "true", "--ready-line", "(", "--", "python"), "--ready-line"),
        (("--load", "true", "--count", "x", "--", "python"), "groups instead of one"),
        (("--load", "true", "--max-growth", "rss=5", "--", "python"), "counted in bytes"),
        (("--load", "true", "--update-baseline", "--", "python"), "--update-baseline"),
        (("--load", "true", "--ready-line", "x", "--pid", "1"), "server's output"),
        (("--load", "true", "--canary", "--for", "9s", "--", "python"), "canary"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    words: tuple[str, ...], said: str
) -> None:
    run = report_of("check", *words)

    assert run.code == 2
    assert said in run.stderr


def test_a_baseline_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "known.json").write_text("[]")

    run = report_of(
        "check", "--baseline", str(tmp_path / "known.json"), "--load", "true", "--", "python"
    )

    assert run.code == 2
    assert "is no baseline" in run.stderr


RAMP = """
import http.server, sys
class Order:
    pass
KEPT = []
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if len(KEPT) < 2300:
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


def test_what_stops_growing_does_not_fail_the_build(port: int) -> None:
    run = check(server=(sys.executable, "-c", RAMP, str(port)))

    assert run.code == 0, run.report or run.stderr
    assert "to be sure of what grows (__main__.KEPT)" in run.stderr
    assert "__main__.Order" in {each["key"] for each in run.report["not_leaks"]}


PRE_FORK = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
if os.fork():
    os.wait()
else:
    server.serve_forever()
"""


def test_a_master_whose_workers_serve_is_not_a_pass(port: int) -> None:
    run = check(server=(sys.executable, "-c", PRE_FORK, str(port)))

    assert run.code == 3
    assert "its child processes did" in run.stderr
