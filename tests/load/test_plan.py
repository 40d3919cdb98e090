"""What the command line says counts, then the project's settings, then the usual."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from leakscope.cli.load_options import load_options
from leakscope.cli.project import ProjectCommand
from leakscope.config import BadSettings
from leakscope.load.faults import Shares
from leakscope.load.http import HttpLoad
from leakscope.load.plan import BadPlan, ClientPlan


def plan_of(*arguments: str) -> ClientPlan:
    """Return what a command with the client's options is given."""
    found: list[ClientPlan] = []

    @click.command(cls=ProjectCommand)
    @load_options
    @click.option("--other", default=1)
    def command(client: ClientPlan, other: int) -> None:
        assert other == 1
        found.append(client)

    CliRunner().invoke(command, arguments, catch_exceptions=False)
    return found[0]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the settings of the current folder go."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pyproject.toml"


def test_options_load_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "import leakscope.cli.load_options\n"
        "heavy = {'asyncio', 'ssl', 'h11', 'json', 'urllib.request'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert "loaded: []" in done.stdout


@pytest.mark.usefixtures("project")
def test_without_a_word_the_client_is_not_wanted_and_all_is_as_usual() -> None:
    assert plan_of() == ClientPlan()
    assert not plan_of().asks


@pytest.mark.usefixtures("project")
def test_every_option_arrives() -> None:
    plan = plan_of(
        *("--url", "/a", "--url", "/b", "--rate", "5.5", "--concurrency", "3", "--insecure"),
        *("--requests-per-round", "40", "--disconnect", "0.1", "--slow", "0.2", "--half", "0.3"),
        *("--seed", "7", "--request-timeout", "2s"),
    )

    assert plan == ClientPlan(
        urls=("/a", "/b"),
        requests=None,
        requests_per_round=40,
        rate=5.5,
        concurrency=3,
        shares=Shares(disconnect=0.1, slow=0.2, half=0.3),
        seed=7,
        insecure=True,
        timeout=2.0,
    )


def test_every_option_may_be_a_setting(project: Path) -> None:
    project.write_text(
        '[tool.leakscope]\nrequests = "shop.txt"\nrate = 5\nconcurrency = 3\ninsecure = true\n'
        "requests-per-round = 40\ndisconnect = 0.1\nslow = 0.2\nhalf = 0\nseed = 7\n"
        'request-timeout = "2s"',
        encoding="utf-8",
    )

    assert plan_of() == ClientPlan(
        requests=Path("shop.txt"),
        requests_per_round=40,
        rate=5,
        concurrency=3,
        shares=Shares(disconnect=0.1, slow=0.2),
        seed=7,
        insecure=True,
        timeout=2,
    )


def test_settings_that_make_no_sense_are_refused(project: Path) -> None:
    project.write_text('[tool.leakscope]\nurl = "/"', encoding="utf-8")

    with pytest.raises(BadSettings):
        plan_of()


def test_what_is_asked_on_the_command_line_replaces_what_the_settings_ask(project: Path) -> None:
    project.write_text(
        '[tool.leakscope]\nrequests = "shop.txt"\nurl = ["/"]\nrate = 5', encoding="utf-8"
    )

    assert plan_of("--url", "/mine") == ClientPlan(urls=("/mine",), rate=5)
    assert plan_of("--requests", "my.txt") == ClientPlan(requests=Path("my.txt"), rate=5)
    assert plan_of() == ClientPlan(urls=("/",), requests=Path("shop.txt"), rate=5)


def test_a_load_without_requests_is_refused() -> None:
    with pytest.raises(BadPlan):
        HttpLoad(ClientPlan())


@pytest.mark.parametrize(
    "said",
    [
        {"rate": 0.0},
        {"rate": float("nan")},
        {"timeout": -1.0},
        {"concurrency": 0},
        {"requests_per_round": 0},
        {"requests_per_round": -5},
        {"shares": Shares(disconnect=0.6, slow=0.6)},
        {"shares": Shares(slow=-0.1)},
    ],
)
def test_plans_that_make_no_sense_are_refused(said: dict[str, object]) -> None:
    with pytest.raises(BadPlan):
        ClientPlan(urls=("/",), **said)  # type: ignore[arg-type]


def test_a_rate_at_which_no_round_could_end_in_time_is_refused() -> None:
    plan = ClientPlan(urls=("/",), requests_per_round=100, rate=10)

    HttpLoad(plan, base="http://127.0.0.1:1", within=10.0)
    with pytest.raises(BadPlan, match="longer than 9 seconds"):
        HttpLoad(plan, base="http://127.0.0.1:1", within=9.0)


def test_a_round_sends_every_request_of_a_file_and_every_url(tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f"GET /{n}\n" for n in range(400)), encoding="utf-8")

    load = HttpLoad(ClientPlan(urls=("/",), requests=file), base="http://127.0.0.1:1")

    assert load.requests_per_round == 401
    with pytest.raises(BadPlan, match="too few"):
        HttpLoad(ClientPlan(requests=file, requests_per_round=300), base="http://127.0.0.1:1")


def test_a_round_of_few_urls_has_the_usual_size() -> None:
    load = HttpLoad(ClientPlan(urls=("/",)), base="http://127.0.0.1:1")

    assert load.requests_per_round == 300
