"""The command line as a whole: its help is quick, its failures are one line and a hint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.cli.main import _COMMANDS
from leakscope.storage.codec import TABLES
from leakscope.storage.heaps import HEAP_TABLES
from leakscope.storage.tables import TableSpec

ROOT = Path(__file__).parents[2]


def leakscope(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leakscope", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from leakscope.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pyarrow', 'rich', 'psutil', 'objgraph', 'pympler'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert "loaded: []" in done.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = leakscope(name, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_is_in_the_readme(name: str) -> None:
    assert f"leakscope {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("spec", [*TABLES, *HEAP_TABLES], ids=lambda spec: str(spec.name))
def test_every_table_of_the_file_is_in_the_readme(spec: TableSpec) -> None:
    columns = ", ".join(f"`{column.name}`" for column in spec.columns)

    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert f"| `{spec.name}` | {spec.about} | {columns} |" in readme


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("watch",), 2),
        (("watch", "0"), 2),
        (("watch", "4194399", "--for", "1s"), 3),
        (("watch", "1", "--every", "soon"), 2),
        (("watch", "1", "--for", "-3s"), 2),
        (("watch", "1", "--work", "nonsense"), 2),
        (("watch", "--", "no-such-command-here"), 2),
        (("snapshot", "4194399", "-o", "x.lscope"), 3),
        (("snapshot", "abc", "-o", "x.lscope"), 2),
        (("snapshot", "1"), 2),
        (("diff", "no-such-file.lscope"), 2),
        (("top", "no-such-file.lscope"), 2),
        (("top", str(ROOT / "fixtures" / "snapshots" / "v1.lscope")), 3),
        (("why", str(ROOT / "fixtures" / "snapshots" / "v2.lscope"), "@nowhere"), 2),
        (("why", str(ROOT / "fixtures" / "snapshots" / "v2.lscope"), "@0x1"), 2),
        (("why", str(ROOT / "fixtures" / "snapshots" / "v2.lscope"), "no.such.Type"), 2),
        (("diff", str(ROOT / "pyproject.toml")), 3),
        (("why", "no-such-file.lscope", "a.B"), 2),
        (("why", "4194399", "a.B"), 3),
        (("check", "--", "true"), 2),
        (("check", "--load", "true"), 2),
        (("check", "--load", "true", "--max-growth", "x", "--", "true"), 2),
        (("check", "--load", "true", "--max-growth", "x=-1/request", "--", "true"), 2),
        (("doctor", "nobody"), 2),
        (("no-such-command",), 2),
    ],
)
def test_bad_input_ends_with_its_code_one_line_and_no_traceback(
    words: tuple[str, ...], code: int
) -> None:
    done = leakscope(*words)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert done.stdout == ""
    assert done.stderr


def test_an_expected_failure_carries_a_hint() -> None:
    done = leakscope("watch", "4194399")

    first, second = done.stderr.splitlines()
    assert first.startswith("leakscope: ")
    assert second.startswith("hint: ")


def test_an_existing_output_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    there = tmp_path / "there.lscope"
    there.write_bytes(b"precious")

    done = leakscope("watch", "4194399", "-o", str(there))

    assert done.returncode == 2
    assert "--force" in done.stderr
    assert there.read_bytes() == b"precious"


def test_an_existing_json_report_is_refused_too(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")

    done = leakscope("watch", "4194399", "--json", str(there))

    assert done.returncode == 2
    assert there.read_text() == "{}"
