"""The GitHub Action: valid, and nothing that is passed to it becomes part of a script."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

GITHUB = Path(__file__).parents[2] / ".github"
ACTION = GITHUB / "actions" / "leakscope-check" / "action.yml"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
HOSTILE = 'x\'; touch owned; echo "$(touch owned)" `touch owned` ${{ github.token }}\n--force'


def loaded(path: Path) -> Any:  # noqa: ANN401  # YAML.
    return YAML(typ="safe").load(path)


def scripts(document: Any) -> list[str]:  # noqa: ANN401
    """Return everything that is under a `run` key."""
    if isinstance(document, dict):
        own = [value for key, value in document.items() if key == "run" and isinstance(value, str)]
        return own + [script for value in document.values() for script in scripts(value)]
    if isinstance(document, list):
        return [script for value in document for script in scripts(value)]
    return []


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ACTION.with_name("run.py")
    spec = importlib.util.spec_from_file_location("leakscope_check_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", ACTION),
        *(("vendor.github-workflows", path) for path in WORKFLOWS),
        *(("custom.github-workflows-require-timeout", path) for path in WORKFLOWS),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else str(value),
)
def test_github_understands_it(schema: str, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: str(path.name))
def test_no_script_has_an_expression_in_it(path: Path) -> None:
    found = scripts(loaded(path))

    assert found
    assert not [script for script in found if "${{" in script]


def test_every_input_gets_to_the_check(script: ModuleType) -> None:
    inputs = loaded(ACTION)["inputs"]
    elsewhere = {"working-directory", "python", "package", "upload-sarif", "category"}
    environment = loaded(ACTION)["runs"]["steps"][1]["env"]

    given = {variable: f"value-{variable}" for variable in environment}
    words = " ".join(script.command("leakscope", given, Path("reports")))

    assert len(environment) == len(inputs) - len(elsewhere)
    assert all(value in words for value in given.values())
    assert set(environment.values()) == {
        f"${{{{ inputs.{name} }}}}" for name in inputs if name not in elsewhere
    }


def test_only_what_was_given_is_asked_for(script: ModuleType) -> None:
    words = script.command("leakscope", {"CHECK_SERVER": "python -m 'my shop'"}, Path("out"))

    assert words == [
        "leakscope",
        "check",
        "--markdown=out/summary.md",
        "--junit=out/junit.xml",
        "--sarif=out/leakscope.sarif",
        "--json=out/report.json",
        "--",
        "python",
        "-m",
        "my shop",
    ]


def test_budgets_and_further_arguments_are_one_a_line(script: ModuleType) -> None:
    inputs = {"CHECK_MAX_GROWTH": "shop.*=1\n\n  *=0 \n", "CHECK_ARGS": "--capture\nreadonly"}

    words = script.command("leakscope", inputs, Path("out"))

    assert words[2:4] == ["--max-growth=shop.*=1", "--max-growth=*=0"]
    assert words[-3:] == ["--capture", "readonly", "--"]


STAND_IN = """#!{python}
import json, pathlib, sys
words = sys.argv[1:]
pathlib.Path("words.json").write_text(json.dumps(words))
if "--load=quiet" not in words:
    (to,) = [w.partition("=")[2] for w in words if w.startswith("--markdown=")]
    pathlib.Path(to).write_text("## what was found\\n")
sys.exit(4)
"""


def run(directory: Path, **inputs: str) -> dict[str, str]:
    """Run the action's script with a program in place of leakscope that keeps its words."""
    program = directory / "program"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o700)
    files = {name: str(directory / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    subprocess.run(
        [sys.executable, str(ACTION.with_name("run.py")), str(program)],
        cwd=directory,
        env={**os.environ, **files, "RUNNER_TEMP": str(directory), **inputs},
        check=True,
        timeout=60,
    )
    told = (directory / "GITHUB_OUTPUT").read_text().splitlines()
    return dict(line.split("=", 1) for line in told)


def test_a_hostile_input_is_a_word_and_nothing_else(tmp_path: Path) -> None:
    hostile = {f"CHECK_{name}": HOSTILE for name in ("LOAD", "WORK", "BASELINE")}

    run(tmp_path, CHECK_SERVER="true", **hostile)

    words = json.loads((tmp_path / "words.json").read_text())
    assert f"--load={HOSTILE}" in words
    assert "--force" not in words
    assert not (tmp_path / "owned").exists()


def test_the_status_is_an_output_and_the_summary_the_job_s(tmp_path: Path) -> None:
    told = run(tmp_path, CHECK_SERVER="true")

    assert told["exit-code"] == "4"
    assert told["sarif"] == f"{told['reports']}/leakscope.sarif"
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text() == "## what was found\n"


def test_a_check_without_a_report_leaves_a_summary_that_says_so(tmp_path: Path) -> None:
    run(tmp_path, CHECK_SERVER="true", CHECK_LOAD="quiet")

    assert "Exit status 4: see the log." in (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
