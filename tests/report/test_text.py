from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.report.text import (
    bytes_text,
    duration,
    interval_text,
    milliseconds,
    number,
    plural,
    printable,
    short_count,
    sparkline,
    type_text,
)
from tests.report.hostile import NASTY, any_text, raw_in


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (0.4, "0.4 B"),
        (1023, "1,023 B"),
        (1023.7, "1 KiB"),
        (1024, "1 KiB"),
        (1945.6, "1.9 KiB"),
        (181 * 2**20, "181 MiB"),
        (1023.9 * 2**20, "1 GiB"),
        (-2048, "-2 KiB"),
        (0.001, "0 B"),
        (math.inf, "∞"),
        (math.nan, "?"),
    ],
)
def test_sizes_have_a_unit_and_no_needless_decimals(size: float, text: str) -> None:
    assert bytes_text(size) == text


def test_a_gain_in_bytes_has_a_sign() -> None:
    assert bytes_text(1945.6, signed=True) == "+1.9 KiB"
    assert bytes_text(-12, signed=True) == "-12 B"
    assert bytes_text(0, signed=True) == "0 B"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (97412, "97,412"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1, "1.00"),
        (0.2, "0.20"),
        (0.0032, "0.0032"),
        (3.2e-12, "3.2e-12"),
        (0, "0"),
        (-0.0, "0"),
        (-1.5, "-1.50"),
        (-math.inf, "-∞"),
    ],
)
def test_rates_show_two_or_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_bounds_of_an_interval_have_the_decimals_of_its_estimate() -> None:
    assert interval_text(1.0, 0.99, 1.0123) == "[0.99, 1.01]"
    assert interval_text(0.0032, 0.0, 0.01) == "[0, 0.0100]"
    assert interval_text(1.0, -0.001, 2) == "[0.00, 2.00]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (2.5, "2.5s"),
        (9.97, "10s"),
        (45, "45s"),
        (60, "1m"),
        (725, "12m5s"),
        (3599.7, "1h"),
        (20_400, "5h40m"),
        (86_399, "1d"),
        (3 * 86_400 + 4 * 3600 + 59, "3d4h"),
        (1e12, "more than ten years"),
        (-90, "-1m30s"),
    ],
)
def test_durations_show_what_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.75, "0.8 ms"), (13, "13 ms"), (999.7, "1.0 s"), (5550, "5.5 s")]
)
def test_pauses_are_in_milliseconds_until_they_are_seconds(value: float, text: str) -> None:
    assert milliseconds(value) == text


def test_units_of_work_have_plurals() -> None:
    assert plural(1, "request") == "1 request"
    assert plural(2000, "request") == "2,000 requests"
    assert plural(0.5, "query") == "0.50 queries"
    assert plural(3, "batch") == "3 batches"
    assert plural(3, "day") == "3 days"


def test_large_counts_are_short() -> None:
    assert [short_count(v) for v in (97, 1204, 97_412, 999_960, 3e6)] == [
        "97",
        "1.2k",
        "97.4k",
        "1M",
        "3M",
    ]


def test_a_sparkline_goes_from_the_lowest_value_to_the_highest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, 5, 5], 8) == "▁▁▁"
    assert sparkline([3, 1], 8) == "█▁"
    assert sparkline([], 8) == ""


def test_a_long_series_is_averaged_into_the_width() -> None:
    assert sparkline([0, 0, 7, 7, 14, 14], 3) == "▁▅█"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True)), st.integers(-1, 40))
def test_a_sparkline_is_never_wider_than_asked_for(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) <= max(width, 0)


def test_what_acts_on_a_terminal_is_written_out() -> None:
    assert printable("\x1b[31m") == "\\x1b[31m"
    assert printable("a\u202eb\ud800\U000e0041") == "a\\u202eb\\ud800\\U000e0041"
    assert not raw_in(printable(NASTY))


@given(any_text)
def test_printable_text_shows_everything_and_does_nothing(text: str) -> None:
    shown = printable(text)

    assert not raw_in(shown)
    assert "\n" not in shown
    shown.encode("utf-8")
    assert printable(shown) == shown


def test_ordinary_names_stay_as_they_are() -> None:
    assert printable("shop.Größe['ключ']") == "shop.Größe['ключ']"


def test_builtin_types_are_called_as_in_code() -> None:
    assert type_text("builtins.dict") == "dict"
    assert type_text("shop.builtins.X") == "shop.builtins.X"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_has_a_text(value: float) -> None:
    for render in (number, bytes_text, duration, milliseconds, short_count):
        assert render(value)


def test_a_sparkline_spans_the_whole_range_of_floats() -> None:
    assert sparkline([-1.7e308, 0.0, 1.7e308], 3) == "▁▅█"
