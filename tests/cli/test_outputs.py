"""Every report gets to where it was asked for, whole, or the command is refused before it works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from click.testing import CliRunner

from leakscope.cli.outputs import (
    CrossedOutputs,
    Outputs,
    deliver_reports,
    outputs_options,
    refuse_reports,
)
from leakscope.report.markdown import render_markdown
from leakscope.storage.errors import CannotWrite, OutputExists
from tests.report.gates import FAILED
from tests.report.samples import LEAKING

TEXT = "the report for people"
JSON = '{"the": "report"}'


@pytest.fixture(autouse=True)
def outside_of_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


def deliver(outputs: Outputs, *, json_to: str | None = None, force: bool = False) -> None:
    deliver_reports(
        outputs, LEAKING, FAILED, text=TEXT, json_text=JSON, json_to=json_to, force=force
    )


@click.command()
@click.option("--other")
@outputs_options
@click.argument("server", nargs=-1)
def gathers(server: tuple[str, ...], other: str | None, outputs: Outputs) -> None:
    """Say what came of the options."""
    click.echo(f"{outputs} {other} {server}")


def test_a_command_gets_its_outputs_in_one_piece() -> None:
    words = shlex.split("--markdown m.md --junit - --sarif s.sarif --no-annotations --other x a b")

    done = CliRunner().invoke(gathers, words)

    expected = Outputs("m.md", "-", "s.sarif", False)
    assert done.output == f"{expected} x ('a', 'b')\n", done.output


def test_without_options_nothing_is_wanted() -> None:
    done = CliRunner().invoke(gathers, [])

    assert done.output.startswith(str(Outputs()))
    assert Outputs().targets() == ()


def test_every_file_is_written_and_the_text_is_still_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [str(tmp_path / name) for name in ("m.md", "j.xml", "s.sarif")]

    deliver(Outputs(names[0], names[1], names[2]), json_to=str(tmp_path / "r.json"))

    shown = capsys.readouterr()
    assert shown.out == TEXT + "\n"
    assert "sarif report written to" in shown.err
    assert Path(names[0]).read_text() == render_markdown(LEAKING, FAILED) + "\n"
    assert ET.parse(names[1]).getroot().tag == "testsuites"
    assert json.loads(Path(names[2]).read_text())["version"] == "2.1.0"
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(JSON)


def test_a_report_on_stdout_takes_the_place_of_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    deliver(Outputs(sarif="-"))

    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"


def test_annotations_come_by_themselves_in_a_workflow_and_below_the_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    deliver(Outputs())

    stop, text, resume, *commands = capsys.readouterr().out.splitlines()
    token = stop.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert (text, resume) == (TEXT, f"::{token}::")
    assert [each.split()[0] for each in commands] == ["::error", "::warning"]


def test_annotations_never_mix_with_a_report_for_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    deliver(Outputs(), json_to="-")

    assert json.loads(capsys.readouterr().out) == json.loads(JSON)


def test_annotations_can_be_had_elsewhere_and_be_done_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(Outputs(annotations=True))
    assert "\n::error " in capsys.readouterr().out

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    deliver(Outputs(annotations=False))
    assert capsys.readouterr().out == TEXT + "\n"


def test_paths_are_those_of_the_repository_also_when_run_in_a_directory_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").mkdir()
    monkeypatch.chdir(tmp_path / "service")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))

    deliver(Outputs(sarif="-"))

    result = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]
    address = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert address["uri"] == "service/gateway/audit.py"


@pytest.mark.parametrize(
    ("outputs", "json_to"),
    [
        (Outputs(markdown="-", sarif="-"), None),
        (Outputs(markdown="-"), "-"),
        (Outputs(markdown="a", junit="a"), None),
        (Outputs(markdown="a", junit="./b/../a"), None),
        (Outputs(sarif="a"), "a"),
        (Outputs(sarif="r.lscope"), None),
        (Outputs(sarif="-", annotations=True), None),
        (Outputs(annotations=True), "-"),
    ],
)
def test_two_reports_in_one_place_are_refused(
    outputs: Outputs, json_to: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CrossedOutputs):
        refuse_reports(outputs, json_to, recording=Path("r.lscope"), force=False)


def test_a_file_that_exists_is_kept_unless_forced(tmp_path: Path) -> None:
    old = tmp_path / "old.sarif"
    old.write_text("precious")
    outputs = Outputs(markdown=str(tmp_path / "new.md"), sarif=str(old))

    with pytest.raises(OutputExists):
        refuse_reports(outputs, None, force=False)
    with pytest.raises(OutputExists):
        deliver(outputs)
    assert old.read_text() == "precious"
    assert not (tmp_path / "new.md").exists()

    deliver(outputs, force=True)
    assert json.loads(old.read_text())["version"] == "2.1.0"


def test_a_directory_that_is_missing_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite):
        refuse_reports(Outputs(junit=str(tmp_path / "no" / "j.xml")), None, force=False)
