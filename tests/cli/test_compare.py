"""`leakscope compare` on files: its exit status, its outputs, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from leakscope.model.recording import Recording
from leakscope.storage.files import save
from tests.builders import recording_of
from tests.integration.leakscope_runs import leakscope
from tests.runs import OTHER, gate_report, shop

IDLE = recording_of({"shop.Order": [5.0] * 13}, work=0.0)


@pytest.mark.parametrize(
    ("before", "after", "code", "word"),
    [
        (shop(1.0), shop(0.0, target=OTHER), 0, "fixed"),
        (shop(0.0), shop(0.0, target=OTHER), 0, "no leak"),
        (shop(1.0), shop(1.0, target=OTHER), 1, "unchanged"),
        (shop(1.0), shop(0.5, target=OTHER), 1, "reduced"),
        (shop(1.0), shop(2.0, target=OTHER), 1, "worse"),
        (shop(0.0), shop(1.0, target=OTHER), 1, "new"),
        (shop(0.0, samples=4), shop(1.0, target=OTHER), 1, "unclear"),
        (shop(1.0), shop(0.0, samples=4, target=OTHER), 4, "unclear"),
    ],
)
def test_the_exit_status_tells_whether_the_leak_is_gone(
    tmp_path: Path, before: Recording, after: Recording, code: int, word: str
) -> None:
    save(before, tmp_path / "before.lscope")
    (tmp_path / "after.json").write_text(gate_report(after))

    done = leakscope("compare", tmp_path / "before.lscope", tmp_path / "after.json")

    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout.startswith(f"{word}: ")


def test_every_report_goes_where_it_was_asked_for(tmp_path: Path) -> None:
    save(shop(1.0), tmp_path / "a.lscope")
    save(shop(0.0, target=OTHER), tmp_path / "b.lscope")
    files = ("a.lscope", "b.lscope")

    both = leakscope(*("compare", *files, "--json", "-", "--markdown", "summary.md"), cwd=tmp_path)
    again = leakscope("compare", *files, "--markdown", "summary.md", cwd=tmp_path)
    forced = leakscope("compare", *files, "--markdown", "summary.md", "--force", cwd=tmp_path)
    printed = leakscope("compare", *files, "--markdown", "-", cwd=tmp_path)
    crossed = leakscope("compare", *files, "--markdown", "-", "--json", "-", cwd=tmp_path)

    assert json.loads(both.stdout)["verdict"] == "fixed"
    assert printed.stdout == (tmp_path / "summary.md").read_text()
    assert printed.stdout.startswith("## leakscope: fixed\n")
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert forced.returncode == 0
    assert crossed.returncode == 2
    assert "both write to -" in crossed.stderr


def test_what_cannot_be_compared_is_refused_in_one_line_and_a_hint(tmp_path: Path) -> None:
    save(replace(shop(1.0), at_rest=True), tmp_path / "a.lscope")
    save(IDLE, tmp_path / "idle.lscope")
    (tmp_path / "foreign.json").write_text('{"schema": "other"}')
    (tmp_path / "deep.json").write_text('{"a":' * 200_000)
    (tmp_path / "text.txt").write_text("no recording")
    (tmp_path / "seconds.json").write_text(gate_report(shop(1.0, per_request=False)))
    refused = {
        "idle.lscope": (3, "idle.lscope holds no measurement: no work was done"),
        "foreign.json": (3, "its schema is not leakscope.report/1"),
        "deep.json": (3, "nested too deeply"),
        "text.txt": (3, "text.txt"),
        "none.json": (2, "none.json"),
        "seconds.json": (2, "a.lscope is per request, seconds.json per second"),
    }
    for name, (code, said) in refused.items():
        done = leakscope("compare", "a.lscope", name, cwd=tmp_path)

        assert done.returncode == code, (name, done.stderr)
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 2
        assert done.stdout == ""
