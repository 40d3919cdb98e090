"""Durations are written as people write them, and nonsense is refused."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.cli.arguments import parse_pid, pid_or_command
from leakscope.cli.options import Duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("5", 5.0),
        ("0.5s", 0.5),
        ("500ms", 0.5),
        ("2m", 120.0),
        ("2min", 120.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        (" 3S ", 3.0),
    ],
)
def test_a_duration_is_read_as_it_is_written(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "5x", "-5s", "5s5", "1e3s", "nan", "inf", "5 5s", "٣s"])
def test_nonsense_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@given(st.text(max_size=20))
def test_no_text_breaks_the_duration_parser(text: str) -> None:
    seconds = parse_duration(text)

    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("text", ["0s", "never", "9999999d", "-1"])
def test_a_duration_out_of_bounds_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration(least=0.05).convert(text, None, None)


@pytest.mark.parametrize("text", ["0", "-1", "12x", "", "9" * 30, "²"])
def test_what_is_no_pid_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_pid(text)


def test_one_number_is_a_pid_and_anything_else_a_command() -> None:
    assert pid_or_command(("42",)) == (42, ())
    assert pid_or_command(("python", "app.py")) == (None, ("python", "app.py"))
    assert pid_or_command(("42", "43")) == (None, ("42", "43"))


def test_nothing_at_all_is_a_usage_error() -> None:
    with pytest.raises(click.UsageError):
        pid_or_command(())
