"""Settings come from the nearest pyproject.toml, and what makes no sense there is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from leakscope.config import BadSettings, Settings, settings_from


def _project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_without_a_pyproject_there_are_no_settings(tmp_path: Path) -> None:
    assert settings_from(_project(tmp_path, "")) == Settings()


def test_settings_of_a_folder_above_count(tmp_path: Path) -> None:
    _project(tmp_path, '[tool.leakscope]\nload = "wrk http://127.0.0.1:1/"\nfor = "10s"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    settings = settings_from(below)

    assert settings.load == "wrk http://127.0.0.1:1/"
    assert settings.duration == "10s"


def test_budgets_may_be_a_list_or_a_table(tmp_path: Path) -> None:
    as_list = settings_from(_project(tmp_path, '[tool.leakscope]\nmax-growth = ["a.*=0/request"]'))
    as_table = settings_from(_project(tmp_path, '[tool.leakscope.max-growth]\n"a.*" = "0/request"'))

    assert as_list.max_growth == as_table.max_growth == ("a.*=0/request",)


@pytest.mark.parametrize(
    "text",
    [
        "[tool.leakscope]\nlaod = 'x'",
        "[tool.leakscope]\nload = 5",
        "[tool.leakscope]\nserver = 'python'",
        "[tool.leakscope]\nmax-growth = [1]",
        "[tool]\nleakscope = 3",
        "[tool.leakscope",
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings):
        settings_from(_project(tmp_path, text))
