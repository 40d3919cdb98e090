"""Settings come from the nearest pyproject.toml, and what makes no sense there is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakscope.config import BadSettings, Setting, Shape, settings_from

SHAPES = {
    "load": Shape.TEXT,
    "for": Shape.TEXT,
    "rounds": Shape.TEXT,
    "max-growth": Shape.LIST,
    "server": Shape.LIST,
    "insecure": Shape.FLAG,
}


def settings_of(folder: Path) -> dict[str, Setting]:
    return settings_from(folder, SHAPES)


def _project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_without_a_pyproject_there_are_no_settings(tmp_path: Path) -> None:
    assert settings_of(_project(tmp_path, "")) == {}


def test_settings_of_a_folder_above_count(tmp_path: Path) -> None:
    _project(tmp_path, '[tool.leakscope]\nload = "wrk http://127.0.0.1:1/"\nfor = "10s"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    settings = settings_of(below)

    assert settings == {"load": "wrk http://127.0.0.1:1/", "for": "10s"}


def test_numbers_and_flags_are_settings_too(tmp_path: Path) -> None:
    settings = settings_of(_project(tmp_path, "[tool.leakscope]\nrounds = 8\ninsecure = true"))

    assert settings == {"rounds": "8", "insecure": True}


def test_budgets_may_be_a_list_or_a_table(tmp_path: Path) -> None:
    as_list = settings_of(_project(tmp_path, '[tool.leakscope]\nmax-growth = ["a.*=0/request"]'))
    as_table = settings_of(_project(tmp_path, '[tool.leakscope.max-growth]\n"a.*" = "0/request"'))

    assert as_list == as_table == {"max-growth": ("a.*=0/request",)}


@pytest.mark.parametrize(
    "text",
    [
        "[tool.leakscope]\nlaod = 'x'",
        "[tool.leakscope]\nload = [5]",
        "[tool.leakscope]\nload = true",
        "[tool.leakscope]\ninsecure = 'yes'",
        "[tool.leakscope]\nserver = 'python'",
        "[tool.leakscope]\nmax-growth = [1]",
        "[tool]\nleakscope = 3",
        "[tool.leakscope",
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings):
        settings_of(_project(tmp_path, text))
